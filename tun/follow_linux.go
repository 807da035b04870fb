package tun

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// follower hears from the kernel, in the namespace of the device, what becomes of links.
type follower struct {
	file *os.File // netlink socket in RTNLGRP_LINK
	buf  []byte
}

// newFollower subscribes in the namespace of the calling thread. Listening needs no privilege.
func newFollower() (*follower, error) {
	fd, err := newSubscription()
	if err != nil {
		return nil, err
	}
	return newFollowerOf(fd), nil
}

func newSubscription() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, fmt.Errorf("tun: netlink socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("tun: netlink group of links: %w", err)
	}
	// Connected to the kernel, it hears nobody else: root inside could tell it what he likes.
	if err := unix.Connect(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("tun: netlink socket: %w", err)
	}
	return fd, nil
}

// next waits for changes. ENOBUFS says that some were lost.
func (f *follower) next() ([]change, error) {
	n, err := f.file.Read(f.buf)
	if err != nil {
		return nil, err
	}
	return parseLinkChanges(f.buf[:n]), nil
}

// drain throws away what is waiting. After ENOBUFS that is older than the messages that were lost, so it must not be
// applied on top of the present state.
func (f *follower) drain() {
	_ = control(f.file, func(fd int) error {
		for {
			if _, err := unix.Read(fd, f.buf); err != nil && err != unix.ENOBUFS && err != unix.EINTR {
				return err // EAGAIN: empty
			}
		}
	})
}

// subscribe opens, in the namespace of the calling thread, what is needed to follow and configure the device, and takes
// the present state over. Subscribed first, so that no change falls in between.
func (d *Device) subscribe() (*follower, error) {
	f, err := newFollower()
	if err != nil {
		return nil, err
	}
	link, err := openLinkHere(d.name)
	if err != nil {
		return nil, errors.Join(err, f.file.Close())
	}
	if d.link == nil {
		d.link = link
	} else {
		d.link.replace(link)
	}
	if err := d.ask(); err != nil {
		return nil, errors.Join(err, f.file.Close())
	}
	return f, nil
}

// followHere sets the link up as cfg says and follows it, in the namespace of the calling thread. What the kernel tells of
// the set-up itself is thrown away before the present state is asked for: heard later, the MTU of before would stand for an
// instant in place of the one that Open was asked for.
func (d *Device) followHere(cfg Config) error {
	f, err := d.subscribe()
	if err != nil {
		return err
	}
	err = d.link.lengthenQueue(cfg)
	if err == nil && cfg.MTU != 0 {
		err = d.link.SetMTU(cfg.MTU)
	}
	if err == nil {
		f.drain()
		err = d.ask()
	}
	if err != nil {
		return errors.Join(err, f.file.Close())
	}
	d.wg.Go(func() { d.follow(f) }) // ended by Close, or with the device
	return nil
}

// subscribeThere is subscribe in the namespace where the device is now.
func (d *Device) subscribeThere() (f *follower, err error) {
	err = control(d.queues[0].file, func(fd int) error {
		ns, err := openNamespaceOf(fd)
		if err != nil {
			return err
		}
		defer unix.Close(ns)
		return inNetnsFd(ns, "of "+d.name, func() error {
			f, err = d.subscribe()
			return err
		})
	})
	return f, err
}

// follow keeps State current until the device is closed or gone, through moves to other namespaces.
func (d *Device) follow(f *follower) {
	for f != nil {
		gone := d.hear(f)
		switch {
		case !gone:
			return // closed
		case d.detached():
			d.note(syscall.EBADFD)
			return
		}
		// Gone from its namespace, yet attached: moved.
		next, err := d.subscribeThere()
		if err != nil {
			d.followDescriptor()
			return
		}
		f = next
	}
}

// hear applies changes until the device is closed (false) or its link gone from the namespace (true).
func (d *Device) hear(f *follower) (gone bool) {
	closed := make(chan struct{})
	stop := context.AfterFunc(d.ctx, func() { f.file.Close(); close(closed) })
	defer func() {
		if !stop() {
			<-closed
		}
		f.file.Close()
	}()
	for {
		changes, err := f.next()
		switch {
		case d.ctx.Err() != nil:
			return false
		case errors.Is(err, unix.ENOBUFS):
			// Among what was lost there may have been a flap: count one rather than let routes go missing.
			d.apply(false, 0)
			f.drain()
			if d.askThrough(f) != nil {
				return true
			}
		case err != nil:
			return true
		}
		for _, c := range changes {
			switch {
			case c.index != d.followed():
			case c.gone:
				return true
			default:
				d.apply(c.up, c.mtu)
			}
		}
	}
}

func (d *Device) apply(up bool, mtu int) {
	d.update(func(s *State) {
		if s.Err != nil {
			return
		}
		s.Up = up
		if mtu != 0 {
			s.MTU = mtu
		}
	})
}

// ask takes the present state over.
func (d *Device) ask() error {
	up, mtu, err := d.link.state()
	if err != nil {
		return err
	}
	d.apply(up, mtu)
	return nil
}

// detached reports whether the interface was deleted from under the descriptor.
func (d *Device) detached() bool {
	err := control(d.queues[0].file, func(fd int) error {
		_, _, err := attachment(fd)
		return err
	})
	return errors.Is(err, unix.EBADFD)
}

// followDescriptor makes do without netlink: a writer sees the link go down (EIO) and poll sees it come up. Deletion is seen by
// whoever reads, writes or waits.
func (d *Device) followDescriptor() {
	up, _ := d.queues[0].writable()
	d.apply(up, 0)
	d.fdDown.Store(false)
	d.fdOnly.Store(true)
	if !up {
		d.note(syscall.EIO)
	}
	d.wg.Go(d.awaitUp) // ended by Close, or with the device
}

func (d *Device) awaitUp() {
	for {
		select {
		case <-d.ctx.Done():
			return
		case <-d.sawDown:
		}
		d.apply(false, 0)
		if err := d.WaitWritable(0, time.Time{}); err != nil {
			return // closed or deleted
		}
		d.apply(true, 0)
		d.fdDown.Store(false)
	}
}
