package tun

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/tun/internal/latest"
)

// newDevice takes attached descriptors over; they are closed if it fails. What the device can do is asked of the kernel
// rather than taken from cfg: only the first descriptor of a device sets its flags, and it may not have been ours.
func newDevice(ports []port, cfg Config) (_ *Device, err error) {
	defer func() {
		if err != nil {
			closePorts(ports)
		}
	}()
	d := &Device{sawDown: make(chan struct{}, 1)}
	for i, p := range ports {
		if err := d.examine(p.file, i == 0); err != nil {
			return nil, err
		}
	}
	if err := control(ports[0].file, func(fd int) error { return d.setOffloads(fd, !cfg.NoOffload) }); err != nil {
		return nil, err
	}
	for _, p := range ports {
		q, err := newQueue(p.file, p.plain)
		if err != nil {
			return nil, fmt.Errorf("tun: %s: netpoller: %w", d.name, err)
		}
		d.queues = append(d.queues, q)
	}
	mtu := cfg.MTU
	if mtu == 0 {
		mtu = defaultMTU
	}
	d.mtu.Store(int64(mtu))
	d.state = latest.New(State{MTU: mtu})
	d.ctx, d.stop = context.WithCancel(context.Background())
	return d, nil
}

// examine learns name, kind and header from a descriptor, and checks that all are of one device.
func (d *Device) examine(file *os.File, first bool) error {
	return control(file, func(fd int) error {
		name, flags, err := attachment(fd)
		switch {
		case err != nil:
			return err
		case flags&unix.IFF_NO_PI == 0:
			return fmt.Errorf("tun: %s: descriptor without IFF_NO_PI: packets would carry struct tun_pi; its opener has to set the flag: %w",
				name, os.ErrInvalid)
		case !first && name != d.name:
			return fmt.Errorf("tun: descriptors of %s and %s: the queues of a Device are of one interface: %w", d.name, name, os.ErrInvalid)
		}
		d.name, d.tap = name, flags&unix.IFF_TAP != 0
		if flags&unix.IFF_VNET_HDR != 0 {
			d.hdrLen = headerLen
			// The size is the device's; a former owner may have asked for 12 (mergeable buffers).
			if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, headerLen); err != nil {
				return fmt.Errorf("tun: %s: TUNSETVNETHDRSZ %d: %w", name, headerLen, err)
			}
			// Little-endian on every host. Kernels before 4.0 do not know it, and little-endian ones do so anyway.
			if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETLE, 1); err != nil && !errors.Is(err, unix.EINVAL) {
				return fmt.Errorf("tun: %s: TUNSETVNETLE: %w", name, err)
			}
		}
		return nil
	})
}

// setOffloads asks for as much as the kernel grants. Without a header everything is switched off, explicitly: a persistent device remembers what its
// former owner had asked for, and would deliver 64 KiB segments that nothing announces.
func (d *Device) setOffloads(fd int, want bool) error {
	const all = OffloadCsum | OffloadTSO4 | OffloadTSO6
	const uso = OffloadUSO4 | OffloadUSO6
	tries := []uint32{0}
	if d.hdrLen != 0 && want {
		tries = []uint32{all | uso, all, OffloadCsum | OffloadTSO4, OffloadCsum, 0}
	}
	var err error
	for _, bits := range tries {
		if err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, int(bits)); err == nil {
			d.offloads = bits
			return nil
		}
		if !errors.Is(err, unix.EINVAL) {
			break
		}
	}
	return fmt.Errorf("tun: %s: TUNSETOFFLOAD: %w", d.name, err)
}

// Adopt makes a Device of descriptors that another process has opened, one per queue, attached to one interface. Name, kind
// and header are asked of the kernel. It needs no privilege; see the package comment for what is then not to be had.
//
// On success the descriptors belong to the Device, close-on-exec and non-blocking (the latter also for who else holds the
// same open file); on error they are still the caller's, open.
func Adopt(fds []int, cfg Config) (*Device, error) {
	d, err := adopt(fds, cfg)
	if err != nil {
		if cfg.Follow != nil {
			unix.Close(cfg.Follow.FD)
		}
		return nil, err
	}
	if cfg.Follow != nil {
		if err := d.followBy(cfg.Follow.FD, cfg.Follow.Index); err != nil {
			return nil, errors.Join(fmt.Errorf("tun: %s: follow: %w", d.name, err), d.Close())
		}
	} else if f, err := d.subscribeThere(); err == nil {
		d.wg.Go(func() { d.follow(f) }) // ended by Close, or with the device
	} else {
		d.followDescriptor()
	}
	if err := d.watchNetns(cfg.Netns); err != nil {
		return nil, err
	}
	for _, fd := range fds {
		unix.Close(fd) // the Device works on duplicates, so that an error could leave these alone
	}
	return d, nil
}

func adopt(fds []int, cfg Config) (*Device, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if len(fds) == 0 {
		return nil, fmt.Errorf("tun: adopt: no descriptor: %w", os.ErrInvalid)
	}
	ports, err := adoptPorts(fds)
	if err != nil {
		return nil, err
	}
	return newDevice(ports, cfg)
}

func adoptPorts(fds []int) (ports []port, err error) {
	for _, fd := range fds {
		if _, _, err := attachment(fd); err != nil {
			closePorts(ports)
			return nil, err
		}
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			closePorts(ports)
			return nil, fmt.Errorf("tun: descriptor %d: %w", fd, err)
		}
		if err := unix.SetNonblock(dup, true); err != nil {
			unix.Close(dup)
			closePorts(ports)
			return nil, fmt.Errorf("tun: descriptor %d: %w", fd, err)
		}
		file := os.NewFile(uintptr(dup), devNetTun)
		ports = append(ports, port{file, file})
	}
	return ports, nil
}
