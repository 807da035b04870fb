//go:build linux

package confine

import "golang.org/x/sys/unix"

// Onlooker confines a process that looks at others in /proc, and at nothing else.
// What it keeps is heavy: with CAP_SYS_PTRACE it may read the memory of every process.
// So it parses little, and by its filter it may write to no file, signal and trace
// nobody and make no socket: what it learns can leave it by the descriptors that it
// has. There is no Landlock for it, whose domains may not look out of themselves
// (PTRACE_MODE_READ is refused).
//
// It must be called once, as Self.
func Onlooker() []Mean {
	keep := there([]capability{
		{unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE, to see who holds a socket"},
		{unix.CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH, likewise for other users"},
	})
	return apply([]Mean{
		{Against: "netnsd's opener with privileges", By: "few capabilities, no_new_privs, not traceable", Objects: but(keep)},
		{Against: "netnsd's opener writing, connecting, signalling, executing", By: "seccomp filter", Missing: missingFilter()},
	}, func() error { return privileges(keep) }, func() error { return filter(looksOnly) })
}

// looksOnly is what somebody who looks does not do. openat2 points to its flags, and
// is not there then.
var looksOnly = append([]denial{
	{nr: unix.SYS_OPENAT, arg: 2, bits: unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC},
	{nr: unix.SYS_OPENAT2},
	{nr: unix.SYS_SOCKET}, {nr: unix.SYS_SOCKETPAIR}, {nr: unix.SYS_CONNECT}, {nr: unix.SYS_BIND},
	{nr: unix.SYS_KILL}, {nr: unix.SYS_TKILL}, {nr: unix.SYS_RT_SIGQUEUEINFO}, {nr: unix.SYS_PIDFD_OPEN}, {nr: unix.SYS_PIDFD_SEND_SIGNAL},
	{nr: unix.SYS_UNLINKAT}, {nr: unix.SYS_RENAMEAT2}, {nr: unix.SYS_LINKAT}, {nr: unix.SYS_SYMLINKAT}, {nr: unix.SYS_MKDIRAT},
	{nr: unix.SYS_TRUNCATE}, {nr: unix.SYS_FCHMOD}, {nr: unix.SYS_FCHMODAT}, {nr: unix.SYS_FCHOWN}, {nr: unix.SYS_FCHOWNAT},
	{nr: unix.SYS_SETXATTR}, {nr: unix.SYS_UTIMENSAT}, {nr: unix.SYS_PRLIMIT64, arg: 0, bits: ^uint32(0)}, {nr: unix.SYS_SETPRIORITY},
}, looksOnlyHere...)
