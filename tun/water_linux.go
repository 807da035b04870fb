package tun

import (
	"fmt"
	"os"
	"syscall"

	"github.com/songgao/water"
	"golang.org/x/sys/unix"
)

// openWater opens all queues with songgao/water (2020-03-17) and mends what it leaves open.
func openWater(cfg Config) (ports []port, err error) {
	name, release, err := reserve(cfg)
	if err != nil {
		return nil, err
	}
	defer func() { release(err == nil) }()
	for range cfg.queues() {
		p, err := newWater(name, cfg)
		if err != nil {
			closePorts(ports)
			return nil, err
		}
		ports = append(ports, p)
	}
	return ports, nil
}

// reserve asks for the device with the own driver before water does, because water leaks its descriptor where TUNSETIFF is
// refused, and has less to say about it. The device, new or not, is kept by making it persistent, since a single-queue one
// has no room for a second descriptor; water sets persistence as cfg says afterwards, and release does if it does not come
// to that.
func reserve(cfg Config) (name string, release func(ok bool), err error) {
	fd, err := openAttached(cfg.deviceName(), cfg.flags())
	if err != nil {
		return "", nil, err
	}
	defer unix.Close(fd)
	name, flags, err := attachment(fd)
	if err != nil {
		return "", nil, err
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1); err != nil {
		return "", nil, fmt.Errorf("tun: %s: TUNSETPERSIST: %w", name, err)
	}
	return name, func(ok bool) {
		if ok || flags&unix.IFF_PERSIST != 0 {
			return
		}
		if fd, err := openAttached(name, cfg.flags()); err == nil {
			_ = unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 0)
			unix.Close(fd)
		}
	}, nil
}

// newWater opens one queue. water does not ask for O_CLOEXEC; the lock keeps a fork from happening in between.
func newWater(name string, cfg Config) (port, error) {
	wc := water.Config{DeviceType: water.TUN}
	if cfg.TAP {
		wc.DeviceType = water.TAP
	}
	wc.Name, wc.Persist, wc.MultiQueue = name, cfg.Persist, cfg.queues() > 1
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	ifce, err := water.New(wc)
	if err != nil {
		return port{}, attachError(name, cfg.flags(), err)
	}
	file := ifce.ReadWriteCloser.(*os.File)
	err = control(file, func(fd int) error { syscall.CloseOnExec(fd); return nil })
	if err != nil {
		ifce.Close()
		return port{}, err
	}
	return port{file, ifce}, nil
}
