//go:build linux

package confine

import "golang.org/x/sys/unix"

// barred are calls of this machine alone.
var barred = []uint32{
	unix.SYS_FORK, unix.SYS_VFORK, unix.SYS_MKNOD, unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT, unix.SYS_USELIB, unix.SYS__SYSCTL,
}

// looksOnlyHere are looksOnly's on this machine alone.
var looksOnlyHere = []denial{
	{nr: unix.SYS_OPEN}, {nr: unix.SYS_CREAT}, {nr: unix.SYS_UNLINK}, {nr: unix.SYS_RENAME}, {nr: unix.SYS_RENAMEAT}, {nr: unix.SYS_LINK},
	{nr: unix.SYS_SYMLINK}, {nr: unix.SYS_MKDIR}, {nr: unix.SYS_RMDIR}, {nr: unix.SYS_CHMOD}, {nr: unix.SYS_CHOWN}, {nr: unix.SYS_LCHOWN},
}
