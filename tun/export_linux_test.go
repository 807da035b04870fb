package tun

import "golang.org/x/sys/unix"

// HearLate makes the device hear, through a subscription with the smallest buffer there is, of what flood did to the links
// before it started to listen; in between its state is made wrong. It returns when the device is closed.
func (d *Device) HearLate(ns string, flood func()) error {
	var f *follower
	err := InNetns(ns, func() (err error) {
		f, err = newFollower()
		return err
	})
	if err != nil {
		return err
	}
	err = control(f.file, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1) })
	if err != nil {
		return err
	}
	flood()
	d.apply(false, 1)
	d.hear(f)
	return nil
}
