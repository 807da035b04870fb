//go:build linux

package opener

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// abi is a way into the kernel: an audit architecture and its numbers. 0 is a
// call that it does not have.
type abi struct {
	arch                                                       uint32
	ioctl, socket, socketcall, ioUring, unshare, clone, clone3 uint32
}

// abis are those of the machine that netnsd is built for, the 32-bit ones too; x32
// shares amd64's architecture.
var abis = map[string][]abi{
	"amd64": {
		{unix.AUDIT_ARCH_X86_64, 16, 41, 0, 425, 272, 56, 435},
		{unix.AUDIT_ARCH_X86_64, x32Bit | 514, x32Bit | 41, 0, x32Bit | 425, x32Bit | 272, x32Bit | 56, x32Bit | 435},
		{unix.AUDIT_ARCH_I386, 54, 359, 102, 425, 310, 120, 435},
	},
	"arm64": {
		{unix.AUDIT_ARCH_AARCH64, 29, 198, 0, 425, 97, 220, 435},
		{unix.AUDIT_ARCH_ARM, 54, 281, 102, 425, 337, 120, 435},
	},
	"riscv64": {{unix.AUDIT_ARCH_RISCV64, 29, 198, 0, 425, 97, 220, 435}},
}

const x32Bit = 0x40000000

// unheld are address families that no network namespace holds: a virtual machine
// talks to its host by AF_VSOCK, whoever asks.
var unheld = []uint32{unix.AF_VSOCK, unix.AF_QIPCRTR}

// A denial is a call, any or those with one of some values in an argument, or with
// one of some bits, and the errno with which it fails.
type denial struct {
	nr     uint32
	arg    uint32
	values []uint32
	bits   uint32
	errno  unix.Errno
}

// denials of one way in, for a program that is confined or is not.
//
// The program shares the terminal with the shell that netnsd was started from. What
// is put into its input (TIOCSTI, TIOCLINUX) that would run, outside, when the
// program has ended. Where dev.tty.legacy_tiocsti is 0 (Linux 6.2) it is barred
// anyway.
//
// A filter does not see what is asked of the kernel through io_uring, or what
// socketcall(2) and clone3(2) point to: with rules a program has none of them, as
// if the kernel were older. Programs have fallbacks for the first and the last, and
// container engines bar them, too. The second was the way of 32-bit programs until
// Linux 4.3, and is Go's on 386.
//
// In a user namespace of its own a program can mount: a second view of a directory,
// without the covers that are on the first. So with rules it gets none (EPERM);
// sandboxes inside, as browsers' and bubblewrap's, have to be told to do without.
func (a abi) denials(confined bool) []denial {
	all := []denial{
		{nr: a.ioctl, arg: 1, values: []uint32{unix.TIOCSTI, unix.TIOCLINUX}, errno: unix.EPERM},
		{nr: a.socket, values: unheld, errno: unix.EAFNOSUPPORT},
	}
	if confined {
		const sysSocket = 1 // linux/net.h
		all = append(all,
			denial{nr: a.socketcall, values: []uint32{sysSocket}, errno: unix.ENOSYS},
			denial{nr: a.ioUring, errno: unix.ENOSYS},
			denial{nr: a.unshare, bits: unix.CLONE_NEWUSER, errno: unix.EPERM},
			denial{nr: a.clone, bits: unix.CLONE_NEWUSER, errno: unix.EPERM},
			denial{nr: a.clone3, errno: unix.ENOSYS})
	}
	return all
}

// filter installs them. It needs no_new_privs, and stays with whatever the program
// starts. Rules that it cannot do its part of are not run under.
func (r *Request) filter() error {
	known := abis[runtime.GOARCH]
	if why := missingFilter(); why != "" {
		if r.Confine {
			return fmt.Errorf("%s, and rules need them: %w", why, unix.ENOSYS)
		}
		return nil
	}
	filter := compile(known, r.Confine)
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return os.NewSyscallError("seccomp", errno)
	}
	return nil
}

// Offsets in struct seccomp_data (seccomp(2)); the low half of an argument comes
// first on the little-endian machines above.
const (
	dataNr   = 0
	dataArch = 4
	dataArgs = 16
)

// compile makes a classic BPF program of the denials: each way in is a block that
// those of another skip, each denial in it one that other calls skip.
func compile(known []abi, confined bool) []unix.SockFilter {
	var prog []unix.SockFilter
	for _, a := range known {
		var block []unix.SockFilter
		for _, d := range a.denials(confined) {
			if d.nr != 0 {
				block = append(block, d.compile()...)
			}
		}
		prog = append(prog, load(dataArch), equal(a.arch, 0, len(block)))
		prog = append(prog, block...)
	}
	return append(prog, answer(unix.SECCOMP_RET_ALLOW))
}

func (d denial) compile() []unix.SockFilter {
	refuse := answer(unix.SECCOMP_RET_ERRNO | uint32(d.errno))
	switch {
	case d.bits != 0:
		return []unix.SockFilter{load(dataNr), equal(d.nr, 0, 3), load(dataArgs + 8*d.arg), has(d.bits, 0, 1), refuse}
	case len(d.values) == 0:
		return []unix.SockFilter{load(dataNr), equal(d.nr, 0, 1), refuse}
	}
	n := len(d.values)
	prog := []unix.SockFilter{load(dataNr), equal(d.nr, 0, n+2), load(dataArgs + 8*d.arg)}
	for i, v := range d.values {
		last := i == n-1
		no := 0
		if last {
			no = 1
		}
		prog = append(prog, equal(v, n-1-i, no))
	}
	return append(prog, refuse)
}

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

// equal skips so many instructions if the accumulator is k, or is not.
func equal(k uint32, yes, no int) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: uint8(yes), Jf: uint8(no), K: k}
}

// has is equal for one of the bits k.
func has(k uint32, yes, no int) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, Jt: uint8(yes), Jf: uint8(no), K: k}
}

func answer(k uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k}
}
