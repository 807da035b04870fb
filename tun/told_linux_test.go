package tun_test

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/tun"
	"github.com/netnsd/netnsd/tun/tuntest"
)

// told is a device of which nothing is known but by the socket that came with it.
func told(t *testing.T, ns string) *tun.Device {
	t.Helper()
	opened := open(t, tun.Config{Netns: ns, Name: "told0"})
	queue, err := unix.FcntlInt(uintptr(dup(t, opened)), unix.F_DUPFD_CLOEXEC, 0)
	must(t, err)
	f := tun.Following{Index: link(t, opened).Index()}
	must(t, tun.InNetns(ns, func() (err error) { f.FD, err = tun.Subscribe(); return err }))
	must(t, opened.Close())
	d, err := tun.Adopt([]int{queue}, tun.Config{Follow: &f})
	must(t, err)
	t.Cleanup(func() { must(t, d.Close()) })
	if _, err := d.Link(); !errors.Is(err, tun.ErrNoNetlink) {
		t.Error("a link: ", err)
	}
	return d
}

// An adopted device is followed by a socket that somebody else has opened.
func TestAdoptFollowing(t *testing.T) {
	ns := tuntest.NetNS(t)
	d := told(t, ns)
	ip(t, ns, "link", "set", "told0", "up", "mtu", "1400")
	await(t, d, "up", func(s tun.State) bool { return s == tun.State{Up: true, MTU: 1400} })
	ip(t, ns, "link", "set", "lo", "up", "mtu", "9000") // is not ours
	ip(t, ns, "link", "set", "told0", "down")
	await(t, d, "down", func(s tun.State) bool { return s == tun.State{Downs: 1, MTU: 1400} })
	ip(t, ns, "link", "set", "told0", "up")
	await(t, d, "up again", func(s tun.State) bool { return s == tun.State{Up: true, Downs: 1, MTU: 1400} })
	ip(t, ns, "link", "del", "told0")
	await(t, d, "gone", func(s tun.State) bool { return errors.Is(s.Err, tun.ErrGone) })
}

// What it is when it is adopted is asked for, not only what becomes of it.
func TestAdoptFollowingUp(t *testing.T) {
	ns := tuntest.NetNS(t)
	opened := open(t, tun.Config{Netns: ns, Name: "told0", MTU: 1300})
	must(t, link(t, opened).SetUp())
	must(t, opened.SetPersist(true))
	must(t, opened.Close())
	await(t, told(t, ns), "up", func(s tun.State) bool { return s == tun.State{Up: true, MTU: 1300} })
}

// On an error no descriptor is left.
func TestAdoptFollowingFails(t *testing.T) {
	before := fds(t)
	fd, err := tun.Subscribe()
	must(t, err)
	if _, err := tun.Adopt(nil, tun.Config{Follow: &tun.Following{FD: fd, Index: 1}}); err == nil {
		t.Error("adopted nothing")
	}
	if after := fds(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

// Root inside cannot tell it of a link that is gone: it hears the kernel alone.
func TestSubscriptionHearsTheKernelAlone(t *testing.T) {
	must(t, tun.InNetns(tuntest.NetNS(t), func() error {
		fd, err := tun.Subscribe()
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		to, err := unix.Getsockname(fd)
		if err != nil {
			return err
		}
		other, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer unix.Close(other)
		gone := make([]byte, unix.SizeofNlMsghdr+unix.SizeofIfInfomsg)
		if err := unix.Sendto(other, gone, 0, to); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("sent: %v", err)
		}
		return nil
	}))
}
