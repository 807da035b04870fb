package tun

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// openError explains why /dev/net/tun could not be opened.
func openError(err error) error {
	fix := ""
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		fix = ": the TUN driver is missing: run `modprobe tun`; in a container start it with `--device /dev/net/tun`"
	case errors.Is(err, fs.ErrPermission):
		// Distributions with udev make it 0666, devtmpfs alone 0600; opening it gives no right by itself.
		fix = ": `chmod 0666 /dev/net/tun` (safe: creating a device needs CAP_NET_ADMIN all the same) or run as root"
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		fix = ": raise `ulimit -n`"
	}
	return fmt.Errorf("tun: open %s: %w%s", devNetTun, err, fix)
}

// attachError explains a refused TUNSETIFF (drivers/net/tun.c, tun_set_iff and tun_attach).
func attachError(name string, flags uint16, err error) error {
	fix := ""
	switch {
	case errors.Is(err, unix.EPERM):
		fix = ": needs CAP_NET_ADMIN in the network namespace: run as root, or inside a user and network namespace of your own"
	case errors.Is(err, unix.EBUSY):
		fix = ": another process has this device open: choose another name or stop that process"
		if flags&unix.IFF_MULTI_QUEUE != 0 {
			fix = ": the device is in use: choose another name or stop the process that has it open"
		}
	case errors.Is(err, unix.EINVAL):
		kind, queues := "TUN", "one queue"
		if flags&unix.IFF_TAP != 0 {
			kind = "TAP"
		}
		if flags&unix.IFF_MULTI_QUEUE != 0 {
			queues = "several queues"
		}
		fix = fmt.Sprintf(": the name is not valid, or taken by an interface that is not a %s made for %s: "+
			"choose another name or repeat how it was made", kind, queues)
	case errors.Is(err, unix.E2BIG):
		fix = ": the device has no queue left"
	}
	return fmt.Errorf("tun: %s: TUNSETIFF: %w%s", name, err, fix)
}

// attachmentError explains a descriptor that TUNGETIFF refuses.
func attachmentError(fd int, err error) error {
	fix := ""
	switch {
	case errors.Is(err, unix.EBADFD):
		fix = ": no interface is attached to it: its opener has not called TUNSETIFF, or the device was deleted"
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
		fix = ": not a descriptor of /dev/net/tun"
	}
	return fmt.Errorf("tun: descriptor %d: TUNGETIFF: %w%s", fd, err, fix)
}

func noLink(name string) error {
	return fmt.Errorf("tun: %s: %w: who opened the device configures it, or give this process CAP_NET_ADMIN and CAP_SYS_ADMIN there",
		name, ErrNoNetlink)
}
