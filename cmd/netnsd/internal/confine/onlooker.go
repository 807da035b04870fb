//go:build linux

package confine

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Onlooker confines a process that looks at others in /proc, and at nothing else.
// What it keeps is heavy: with CAP_SYS_PTRACE it may read the memory of every process.
// So it parses little, and by its filter it may write to no file, signal and trace
// nobody and make no socket: what it learns can leave it by the descriptors that it
// has. There is no Landlock for it, whose domains may not look out of themselves
// (PTRACE_MODE_READ is refused).
//
// It must be called once, as Self.
func Onlooker() []Mean {
	keep := there(looks)
	return apply([]Mean{
		{Against: "netnsd's opener with privileges", By: "few capabilities, no_new_privs, not traceable", Objects: but(keep)},
		{Against: "netnsd's opener writing, connecting, signalling, executing", By: "seccomp filter", Missing: missingFilter()},
	}, func() error { return privileges(keep) }, filter{more: looksOnly()}.install)
}

var looks = []capability{
	{unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE, to see who holds a socket"},
	{unix.CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH, likewise for other users"},
}

// looksOnly is what somebody who looks does not do. openat2 points to its flags, and
// is not there then.
func looksOnly() []denial {
	return slices.Concat(quiet(), changesNothing, looksOnlyHere, []denial{
		{nr: unix.SYS_OPENAT, arg: 2, bits: unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC},
		{nr: unix.SYS_SOCKET}, {nr: unix.SYS_SOCKETPAIR}, {nr: unix.SYS_CONNECT}, {nr: unix.SYS_BIND},
		{nr: unix.SYS_PIDFD_OPEN}, {nr: unix.SYS_PRLIMIT64, arg: 0, bits: ^uint32(0)}, {nr: unix.SYS_SETPRIORITY},
	})
}

// quiet is to signal nobody: the runtime preempts its own threads, and no others.
func quiet() []denial {
	return []denial{
		typing,
		{nr: unix.SYS_KILL}, {nr: unix.SYS_TKILL}, {nr: unix.SYS_TGKILL, but: uint32(os.Getpid())},
		{nr: unix.SYS_RT_SIGQUEUEINFO}, {nr: unix.SYS_RT_TGSIGQUEUEINFO}, {nr: unix.SYS_PIDFD_SEND_SIGNAL},
	}
}

// changesNothing is to leave files as they are.
var changesNothing = []denial{
	{nr: unix.SYS_OPENAT2}, {nr: unix.SYS_MQ_OPEN}, {nr: unix.SYS_MQ_UNLINK},
	{nr: unix.SYS_UNLINKAT}, {nr: unix.SYS_RENAMEAT2}, {nr: unix.SYS_LINKAT}, {nr: unix.SYS_SYMLINKAT}, {nr: unix.SYS_MKDIRAT},
	{nr: unix.SYS_TRUNCATE}, {nr: unix.SYS_FCHMOD}, {nr: unix.SYS_FCHMODAT}, {nr: unix.SYS_FCHOWN}, {nr: unix.SYS_FCHOWNAT},
	{nr: unix.SYS_SETXATTR}, {nr: unix.SYS_UTIMENSAT},
}
