//go:build linux

package daemon

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
)

// netnsPath is where a namespace is found; "" if it is a descriptor.
func netnsPath(n config.Netns) string {
	switch {
	case n.File != nil, n.FD != 0:
		return ""
	case n.PID != 0:
		return fmt.Sprintf("/proc/%d/ns/net", n.PID)
	case n.Path != "":
		return n.Path
	}
	return "/run/netns/" + n.Name
}

// netnsFile is the descriptor of a namespace; close it.
func netnsFile(n config.Netns) (*os.File, error) {
	from := uintptr(n.FD)
	if n.File != nil {
		from = n.File.Fd()
	}
	fd, err := unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d, which is to be the namespace: %w", n.FD, err)
	}
	return os.NewFile(uintptr(fd), netnsText(n)), nil
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

// closeNetns ends what a passed descriptor holds.
func closeNetns(n config.Netns) error {
	if n.File == nil {
		return nil
	}
	return n.File.Close()
}
