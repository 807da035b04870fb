//go:build linux

package daemon

import (
	"fmt"
	"math"
	"os"

	"github.com/netnsd/netnsd/sockets/gateway/owner"
	"github.com/netnsd/netnsd/tun"
)

// identify has owners ask the namespace at path whose its sockets are; device is the
// index there of ours. Where that cannot be (a kernel without INET_DIAG) nobody is
// known, which lets nothing through that a rule about processes would have to allow.
func (a *attachment) identify(owners *owner.Lookup, path string, device uint32) {
	s, err := sources(path, device)
	if err != nil {
		a.log.Warn("rules about users, executables and control groups match none", "error", err)
		return
	}
	s.Log = a.log
	_ = owners.Use(s) // it asked nobody before, so there is nothing to close
}

// sources asks the thread that has entered which namespace it is in: at path there
// may be another by then, and both halves have to speak of the same.
func sources(path string, device uint32) (s owner.Sources, err error) {
	var fd int
	var network uint64
	err = tun.InNetns(path, func() (err error) {
		if network, err = owner.NetworkOf("/proc/thread-self/ns/net"); err == nil {
			fd, err = owner.Descriptor()
		}
		return err
	})
	if err != nil {
		return s, fmt.Errorf("who holds sockets in %s: %w", path, err)
	}
	if s.Diag, err = owner.Adopt(fd); err != nil {
		return s, err
	}
	s.Diag.Device, s.Processes, s.Partial = device, owner.NewProc(network), !allUsers()
	return s, nil
}

// allUsers says that our user namespace knows every uid, as it does outside containers
// (user_namespaces(7)).
func allUsers() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	var inside, outside, n uint64
	_, err = fmt.Sscan(string(b), &inside, &outside, &n)
	return err == nil && n == math.MaxUint32
}
