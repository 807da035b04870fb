package tun

import (
	"encoding/binary"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Subscribe opens, in the namespace of the calling thread, what a process without a right there follows links by:
// Config.Follow, once it has been passed. It needs no privilege. The descriptor is the caller's, close-on-exec.
func Subscribe() (int, error) { return newSubscription() }

// followBy follows the device by a socket that somebody has passed, which is taken over, also on an error. What the
// kernel answers to ask comes as if it had changed.
func (d *Device) followBy(fd, index int) error {
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return err
	}
	d.index = index
	f := newFollowerOf(fd)
	if err := d.askThrough(f); err != nil {
		return errors.Join(err, f.file.Close())
	}
	d.wg.Go(func() { d.follow(f) }) // ended by Close, or with the device
	return nil
}

// askThrough takes the present state over, or has f hear of it where the Device has no Link.
func (d *Device) askThrough(f *follower) error {
	if d.link != nil {
		return d.ask()
	}
	_, err := f.file.Write(getLink(d.index))
	return err
}

// getLink is RTM_GETLINK (rtnetlink(7)) of one link.
func getLink(index int) []byte {
	const size = unix.SizeofNlMsghdr + unix.SizeofIfInfomsg
	b := make([]byte, size)
	binary.NativeEndian.PutUint32(b, size)
	binary.NativeEndian.PutUint16(b[4:], unix.RTM_GETLINK)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST)
	binary.NativeEndian.PutUint32(b[unix.SizeofNlMsghdr+4:], uint32(index))
	return b
}

// followed is the index of the link in the namespace in which it is followed.
func (d *Device) followed() int {
	if d.link != nil {
		return d.link.Index()
	}
	return d.index
}

func newFollowerOf(fd int) *follower {
	// 64 KiB holds the largest message: iproute2 reads with 32 KiB.
	return &follower{file: os.NewFile(uintptr(fd), "netlink"), buf: make([]byte, 64<<10)}
}
