package tun

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const devNetTun = "/dev/net/tun"

// Open creates the device that cfg describes, or attaches to the persistent one of that name. The device is still down and
// has no addresses if it is new: Link does that.
//
// Errors keep the code of the kernel and say what to do: fs.ErrNotExist without the driver or the namespace,
// fs.ErrPermission without the rights, EBUSY for a name in use, EINVAL for an existing device of another kind.
func Open(cfg Config) (*Device, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Netns == "" {
		return openHere(cfg)
	}
	var d *Device
	err := InNetns(cfg.Netns, func() (err error) {
		d, err = openHere(cfg)
		return err
	})
	return d, err
}

// openHere opens in the namespace of the calling thread: the device lands in the namespace of the thread that opens
// /dev/net/tun, and so do the netlink sockets.
func openHere(cfg Config) (*Device, error) {
	openAll := openVNET
	if cfg.Driver == DriverWater {
		openAll = openWater
	}
	ports, err := openAll(cfg)
	if err != nil {
		return nil, err
	}
	d, err := newDevice(ports, cfg)
	if err != nil {
		return nil, err
	}
	if err := d.followHere(cfg); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if err := d.watchNetns(cfg.Netns); err != nil {
		return nil, err
	}
	return d, nil
}

// port is one open descriptor and the face that its driver gives it.
type port struct {
	file  *os.File
	plain io.ReadWriteCloser
}

func closePorts(ports []port) {
	for _, p := range ports {
		p.plain.Close()
	}
}

// openVNET opens all queues with the own driver.
func openVNET(cfg Config) (ports []port, err error) {
	name := cfg.deviceName()
	for range cfg.queues() {
		fd, err := openAttached(name, cfg.flags())
		if err != nil {
			closePorts(ports)
			return nil, err
		}
		file := os.NewFile(uintptr(fd), devNetTun)
		ports = append(ports, port{file, file})
		// What "tun%d" became; the further queues are asked for by that name.
		if name, _, err = attachment(fd); err != nil {
			closePorts(ports)
			return nil, err
		}
	}
	if cfg.Persist {
		if err := setPersist(ports[0].file, true); err != nil {
			closePorts(ports)
			return nil, fmt.Errorf("tun: %s: TUNSETPERSIST: %w", name, err)
		}
	}
	return ports, nil
}

// openAttached returns a descriptor attached to the device name, which it creates if need be. Only then may it be given
// to os.NewFile: an unattached TUN polls as EPOLLERR, which the netpoller remembers.
func openAttached(name string, flags uint16) (int, error) {
	fd, err := unix.Open(devNetTun, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, openError(err)
	}
	ifr, err := unix.NewIfreq(name)
	if err == nil {
		ifr.SetUint16(flags)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr)
	}
	if err != nil {
		unix.Close(fd)
		return -1, attachError(name, flags, err)
	}
	return fd, nil
}

// attachment says what device fd is attached to and how.
func attachment(fd int) (name string, flags uint16, err error) {
	ifr, err := unix.NewIfreq("")
	if err != nil {
		return "", 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.TUNGETIFF, ifr); err != nil {
		return "", 0, attachmentError(fd, err)
	}
	return ifr.Name(), ifr.Uint16(), nil
}

func setPersist(file *os.File, on bool) error {
	value := 0
	if on {
		value = 1
	}
	return control(file, func(fd int) error { return unix.IoctlSetInt(fd, unix.TUNSETPERSIST, value) })
}

// SetPersist says whether the device outlives its last descriptor.
func (d *Device) SetPersist(on bool) error {
	if err := setPersist(d.queues[0].file, on); err != nil {
		return fmt.Errorf("tun: %s: TUNSETPERSIST: %w", d.name, err)
	}
	return nil
}

// control calls f with the descriptor. File.Fd would put it into blocking mode, and no Close would wake a reader again.
func control(file *os.File, f func(fd int) error) error {
	rc, err := file.SyscallConn()
	if err != nil {
		return err
	}
	ferr := error(nil)
	if err := rc.Control(func(fd uintptr) { ferr = f(int(fd)) }); err != nil {
		return ErrClosed
	}
	return ferr
}

func (c Config) queues() int { return max(c.Queues, 1) }

func (c Config) deviceName() string {
	switch {
	case c.Name != "":
		return c.Name
	case c.TAP:
		return "tap%d"
	}
	return "tun%d"
}

// flags for TUNSETIFF. IFF_NAPI is not among them: 0.9 of the throughput without (perf.md, section B).
func (c Config) flags() uint16 {
	flags := uint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if c.TAP {
		flags = unix.IFF_TAP | unix.IFF_NO_PI
	}
	if c.queues() > 1 {
		flags |= unix.IFF_MULTI_QUEUE
	}
	if !c.NoOffload && c.Driver != DriverWater {
		flags |= unix.IFF_VNET_HDR
	}
	return flags
}
