//go:build linux

package opener

import (
	"errors"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// abi is a way into the kernel: an audit architecture and its number of ioctl.
type abi struct{ arch, ioctl uint32 }

// abis are those of the machine that netnsd is built for, the 32-bit ones too.
var abis = map[string][]abi{
	"amd64": {{unix.AUDIT_ARCH_X86_64, 16}, {unix.AUDIT_ARCH_I386, 54}},
	"arm64": {{unix.AUDIT_ARCH_AARCH64, 29}, {unix.AUDIT_ARCH_ARM, 54}},
}

// x32 calls share amd64's architecture, with this bit in the number; x32's ioctl
// has a number of its own.
const (
	x32Bit   = 0x40000000
	x32Ioctl = x32Bit | 514
)

// denyTyping installs a filter that refuses to put characters into a terminal's
// input (TIOCSTI, TIOCLINUX): the program shares the terminal with the shell
// that netnsd was started from, which would run them, outside, when the program
// has ended. Where dev.tty.legacy_tiocsti is 0 (Linux 6.2) it is barred anyway.
// The filter needs no_new_privs, and stays with whatever the program starts.
func denyTyping() error {
	filter := typingFilter(abis[runtime.GOARCH])
	if filter == nil {
		return nil // no numbers are known for this machine
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog)))
	if errors.Is(errno, unix.ENOSYS) || errors.Is(errno, unix.EINVAL) {
		return nil // a kernel without seccomp filters
	}
	if errno != 0 {
		return os.NewSyscallError("seccomp", errno)
	}
	return nil
}

// Offsets in struct seccomp_data (seccomp(2)); the low half of args[1] comes
// first on the little-endian machines above.
const (
	dataNr   = 0
	dataArch = 4
	dataArg1 = 24
)

// typingFilter is a classic BPF program: architecture, number, request.
func typingFilter(known []abi) []unix.SockFilter {
	if len(known) == 0 {
		return nil
	}
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	equal := func(k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: yes, Jf: no, K: k}
	}
	answer := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	var prog []unix.SockFilter
	for _, a := range known {
		prog = append(prog,
			load(dataArch), equal(a.arch, 0, 7),
			load(dataNr), equal(a.ioctl, 1, 0), equal(x32Ioctl, 0, 4),
			load(dataArg1), equal(unix.TIOCSTI, 1, 0), equal(unix.TIOCLINUX, 0, 1),
			answer(unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM)),
		)
	}
	return append(prog, answer(unix.SECCOMP_RET_ALLOW))
}
