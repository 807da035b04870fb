package tun

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// NetnsDir is where `ip netns` keeps the names of network namespaces.
const NetnsDir = "/run/netns"

// ShareNetnsDir makes NetnsDir what the first `ip netns add` since boot makes it:
// a shared mount of itself. Whoever mounts a namespace there by hand calls it
// before; else that command, coming later, mounts the folder over it, and the name
// below can neither be opened nor removed (EBUSY). It needs CAP_SYS_ADMIN.
func ShareNetnsDir() error {
	if err := os.MkdirAll(NetnsDir, 0o755); err != nil {
		return err
	}
	err := share()
	if errors.Is(err, unix.EINVAL) { // it is no mount yet
		if err = unix.Mount(NetnsDir, NetnsDir, "", unix.MS_BIND|unix.MS_REC, ""); err == nil {
			err = share()
		}
	}
	if err != nil {
		return fmt.Errorf("tun: share %s: %w", NetnsDir, err)
	}
	return nil
}

func share() error { return unix.Mount("", NetnsDir, "none", unix.MS_SHARED|unix.MS_REC, "") }
