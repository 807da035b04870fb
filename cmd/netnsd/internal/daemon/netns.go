//go:build linux

package daemon

import (
	"fmt"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/tun"
)

// netnsPath is where a namespace is found.
func netnsPath(n config.Netns) string {
	switch {
	case n.File != nil:
		return fmt.Sprintf("/proc/self/fd/%d", n.File.Fd())
	case n.FD != 0:
		return fmt.Sprintf("/proc/self/fd/%d", n.FD)
	case n.PID != 0:
		return fmt.Sprintf("/proc/%d/ns/net", n.PID)
	case n.Path != "":
		return n.Path
	}
	return "/run/netns/" + n.Name
}

// netnsText is how it was given.
func netnsText(n config.Netns) string {
	switch {
	case n.File != nil, n.FD != 0:
		return fmt.Sprintf("fd:%d", n.FD)
	case n.PID != 0:
		return fmt.Sprintf("pid:%d", n.PID)
	case n.Path != "":
		return n.Path
	}
	return n.Name
}

// comesBack says that what is found there later may be meant, too.
func comesBack(n config.Netns) bool { return n.File == nil && n.FD == 0 && n.PID == 0 }

// notOurs refuses the daemon's own network namespace: its default route would lead
// into the device, and so would what is sent for those that are served. Nor is it told
// from the outside then ([control]).
func notOurs(path string) error {
	there, err := tun.NamespaceAt(path)
	if err != nil {
		return err
	}
	own, err := tun.NamespaceAt("/proc/self/ns/net")
	if err == nil && there == own {
		err = fmt.Errorf("%s is the network namespace of the daemon itself, which cannot be served: name another", path)
	}
	return err
}

// isNetns says that path is a network namespace by now: `ip netns add` makes a file
// first, and then mounts the namespace on it.
func isNetns(path string) bool {
	there, err := tun.NamespaceAt(path)
	if err != nil {
		return false
	}
	own, err := tun.NamespaceAt("/proc/self/ns/net")
	return err == nil && there.Dev == own.Dev
}

// closeNetns ends what a passed descriptor holds.
func closeNetns(n config.Netns) error {
	if n.File == nil {
		return nil
	}
	return n.File.Close()
}
