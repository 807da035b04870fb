//go:build linux

package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/tun"
)

// A Netns is a network namespace with a name, its loopback up, and reno as the
// congestion control of every socket in it: the default of the host may be
// anything, BBR here, whose pacing halves a kernel sender, and cubic may not be
// chosen in a child namespace.
type Netns struct {
	Path string

	remove func() error
}

// Congestion is the congestion control at every end, kernel or not.
const Congestion = "reno"

// Netns makes a namespace.
func (l *Lab) Netns(name string) (*Netns, error) {
	name = l.name + name
	n := &Netns{Path: filepath.Join(tun.NetnsDir, name)}
	n.remove = l.keep(func() error { return removeNetns(n.Path) })
	err := onThread(func() error {
		if err := tun.ShareNetnsDir(); err != nil {
			return err
		}
		h, err := netns.NewNamed(name)
		if err != nil {
			return err
		}
		defer h.Close()
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return errors.Join(netlink.LinkSetUp(lo), settings())
	})
	if err != nil {
		return nil, fmt.Errorf("bench: make namespace %s: %w", name, errors.Join(err, n.Close()))
	}
	return n, nil
}

// settings are those of the calling thread's namespace. /proc/thread-self/net
// does not hold sysctls, but /proc/sys/net is that of who opens it.
func settings() error {
	for file, value := range map[string]string{
		"ipv4/tcp_congestion_control": Congestion,
		// Ephemeral ports for 10 000 connections and the ones before them.
		"ipv4/ip_local_port_range": "10000 65535",
		// The listeners of 10 000 connections at once; 4096 is the kernel's default.
		"core/somaxconn": "8192",
	} {
		if err := os.WriteFile(filepath.Join("/proc/sys/net", file), []byte(value), 0); err != nil {
			return err
		}
	}
	return nil
}

// Close removes the name; the namespace goes when no process is in it.
func (n *Netns) Close() error { return n.remove() }

func removeNetns(path string) error {
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("bench: unmount %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}

// Do runs f on a thread inside the namespace.
func (n *Netns) Do(f func() error) error { return tun.InNetns(n.Path, f) }

// onThread runs f on a thread that ends with it.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}
