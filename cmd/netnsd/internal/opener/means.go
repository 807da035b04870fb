//go:build linux

package opener

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/confine"
)

// A Mean is what keeps the program from one way around its network.
type Mean = confine.Mean

// maxObjects are named in a Mean; a desktop has hundreds of sockets.
const maxObjects = 100

// means are those of r, when hidden has been hidden.
func (r *Request) means(hidden []string) []Mean {
	filter := missingFilter()
	all := []Mean{
		{Against: "sockets of the internet, netlink, abstract unix sockets", By: "network namespace"},
		{Against: "raw and packet sockets, routes, other namespaces", By: "no capability, no_new_privs"},
		{Against: "vsock, qipcrtr, typing into the terminal", By: "seccomp filter", Missing: filter},
		{Against: "inherited descriptors", By: "closed", Objects: r.kept()},
	}
	if !r.Confine {
		return append(all, Mean{Against: "unix sockets of the host", By: "hidden, resolvers alone: there are no rules", Objects: few(hidden)})
	}
	return append(all,
		Mean{Against: "user namespaces, io_uring, socketcall", By: "seccomp filter", Missing: filter},
		Mean{Against: "unix sockets of the host", By: "hidden", Objects: append(few(hidden), r.seen()...)})
}

func (r *Request) kept() (all []string) {
	for _, fd := range r.KeepFDs {
		all = append(all, fmt.Sprintf("but %d", fd))
	}
	return all
}

func (r *Request) seen() (all []string) {
	for _, path := range r.KeepSockets {
		all = append(all, "but not "+path)
	}
	return all
}

func few(all []string) []string {
	if n := len(all) - maxObjects; n > 0 {
		return append(all[:maxObjects:maxObjects], fmt.Sprintf("and %d more", n))
	}
	return all
}

// missingFilter says why there can be no filter here, "" if there can.
func missingFilter() string {
	if abis[runtime.GOARCH] == nil {
		return "no filter is written for " + runtime.GOARCH
	}
	const getActionAvail = 2 // SECCOMP_GET_ACTION_AVAIL, Linux 4.14
	action := uint32(unix.SECCOMP_RET_ERRNO)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, getActionAvail, 0, uintptr(unsafe.Pointer(&action)))
	if errors.Is(errno, unix.ENOSYS) || errors.Is(errno, unix.EINVAL) || errors.Is(errno, unix.EOPNOTSUPP) {
		return "the kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)"
	}
	return ""
}
