//go:build linux

package confine

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Opener confines a process that makes devices in network namespaces, and looks who
// holds a socket there. What it keeps is all but root: with CAP_SYS_ADMIN it enters
// namespaces. So it parses little, and by its filter makes no socket but netlink's,
// makes, removes and truncates no file, signals nobody and executes nothing.
//
// It must be called once, as Self.
func Opener() []Mean {
	keep := there(append(slices.Clone(looks),
		capability{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN, to enter network namespaces"},
		capability{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN, to make devices and their routes there"}))
	return apply([]Mean{
		{Against: "netnsd's opener with privileges", By: "few capabilities, no_new_privs, not traceable", Objects: but(keep)},
		{Against: "netnsd's opener making files, connecting, signalling, executing", By: "seccomp filter", Missing: missingFilter()},
	}, func() error { return privileges(keep) }, filter{more: opensOnly(), families: []uint32{unix.AF_NETLINK}, enters: true}.install)
}

// opensOnly is what somebody who opens devices does not do. /dev/net/tun is opened to
// be written to.
func opensOnly() []denial {
	return slices.Concat(quiet(), changesNothing, looksOnlyHere, []denial{
		{nr: unix.SYS_OPENAT, arg: 2, bits: unix.O_WRONLY | unix.O_CREAT | unix.O_TRUNC},
		{nr: unix.SYS_SOCKETPAIR}, {nr: unix.SYS_PRLIMIT64, arg: 0, bits: ^uint32(0)}, {nr: unix.SYS_SETPRIORITY},
	})
}
