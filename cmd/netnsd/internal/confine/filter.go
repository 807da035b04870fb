//go:build linux

package confine

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// arches are the audit architectures for which there is a filter.
var arches = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64, "riscv64": unix.AUDIT_ARCH_RISCV64}

// never are calls that no data plane makes, on all of these machines; barred has the
// rest. A list of what is denied, not of what is allowed: which calls the runtime and
// a C library make is theirs to change.
var never = []uint32{
	unix.SYS_EXECVE, unix.SYS_EXECVEAT,
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PROCESS_MADVISE, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
	unix.SYS_UNSHARE, unix.SYS_SETNS,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_MOUNT_SETATTR,
	unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MKNODAT, unix.SYS_FANOTIFY_INIT,
	unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_REBOOT,
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_SETUID, unix.SYS_SETGID, unix.SYS_SETREUID, unix.SYS_SETREGID, unix.SYS_SETRESUID, unix.SYS_SETRESGID,
	unix.SYS_SETFSUID, unix.SYS_SETFSGID, unix.SYS_SETGROUPS, unix.SYS_CAPSET, unix.SYS_PERSONALITY,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
	unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_SYSLOG, unix.SYS_VHANGUP, unix.SYS_LOOKUP_DCOOKIE,
}

// families of sockets that are left. Go asks by AF_NETLINK for interfaces. There is no
// AF_UNIX: who is root connects to the sockets of service and container managers, and
// has them execute what he likes.
var families = []uint32{unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

// typing is into the terminal that we were started from: what is put into its input
// would be executed by the shell that comes after us.
var typing = denial{nr: unix.SYS_IOCTL, arg: 1, is: []uint32{unix.TIOCSTI, unix.TIOCLINUX}}

// A denial is a call; one that has some of bits in an argument, or one of the values
// is, or any but the value but. There is one for each call.
type denial struct {
	nr, arg, bits uint32
	is            []uint32
	but           uint32
}

// A filter is for one architecture, which denies more besides what nobody does, and
// has sockets of these families alone.
type filter struct {
	arch     uint32
	more     []denial
	families []uint32
	enters   bool // namespaces, by setns(2)
}

var (
	allow   = ret(unix.SECCOMP_RET_ALLOW)
	deny    = ret(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM))
	unknown = ret(unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS))
)

// program is the filter itself. x32 shares amd64's architecture, and has its own
// numbers from x32Bit up.
func (f filter) program() []unix.SockFilter {
	const x32Bit = 0x40000000
	prog := []unix.SockFilter{
		load(dataArch), jump(unix.BPF_JEQ, f.arch, 1, 0), unknown,
		load(dataNr), jump(unix.BPF_JGE, x32Bit, 0, 1), unknown,
		// A C library goes on with clone, whose flags can be seen.
		jump(unix.BPF_JEQ, unix.SYS_CLONE3, 0, 1), unknown,
	}
	for _, nr := range append(never[:len(never):len(never)], barred...) {
		if nr != unix.SYS_SETNS || !f.enters {
			prog = append(prog, denial{nr: nr}.compile()...)
		}
	}
	for _, d := range f.more {
		prog = append(prog, d.compile()...)
	}
	// Threads yes, processes no.
	prog = append(prog, jump(unix.BPF_JEQ, unix.SYS_CLONE, 0, 4), load(dataArg0),
		jump(unix.BPF_JSET, unix.CLONE_THREAD, 0, 1), allow, deny)
	n := len(f.families)
	prog = append(prog, jump(unix.BPF_JEQ, unix.SYS_SOCKET, 0, n+2), load(dataArg0))
	for i, family := range f.families {
		prog = append(prog, jump(unix.BPF_JEQ, family, uint8(n-i), 0))
	}
	return append(prog, ret(unix.SECCOMP_RET_ERRNO|uint32(unix.EAFNOSUPPORT)), allow)
}

// compile is a block that other calls skip.
func (d denial) compile() []unix.SockFilter {
	argument := load(dataArg0 + 8*d.arg)
	switch n := len(d.is); {
	case n > 0:
		prog := []unix.SockFilter{jump(unix.BPF_JEQ, d.nr, 0, n+3), argument}
		for i, v := range d.is {
			prog = append(prog, jump(unix.BPF_JEQ, v, n-i, 0))
		}
		return append(prog, allow, deny)
	case d.bits != 0:
		return []unix.SockFilter{jump(unix.BPF_JEQ, d.nr, 0, 4), argument, jump(unix.BPF_JSET, d.bits, 0, 1), deny, allow}
	case d.but != 0:
		return []unix.SockFilter{jump(unix.BPF_JEQ, d.nr, 0, 4), argument, jump(unix.BPF_JEQ, d.but, 1, 0), deny, allow}
	}
	return []unix.SockFilter{jump(unix.BPF_JEQ, d.nr, 0, 1), deny}
}

// Offsets in struct seccomp_data (seccomp(2)), of the low half of the argument on
// these little-endian machines.
const (
	dataNr   = 0
	dataArch = 4
	dataArg0 = 16
)

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

// jump skips so many instructions if the test holds, or does not.
func jump[N int | uint8](test uint16, k uint32, yes, no N) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | test | unix.BPF_K, K: k, Jt: uint8(yes), Jf: uint8(no)}
}

func ret(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}

// install has the filter hold all threads. It needs no_new_privs, or CAP_SYS_ADMIN,
// which is gone.
func (f filter) install() error {
	f.arch = arches[runtime.GOARCH]
	return install(f.program())
}

func install(prog []unix.SockFilter) error {
	// TSYNC sets no_new_privs in the other threads, too.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	f := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	const flags = unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&f)))
	switch {
	case errno != 0:
		return fmt.Errorf("seccomp: %w", errno)
	case thread != 0:
		return fmt.Errorf("seccomp: thread %d has a filter of its own", thread)
	}
	return nil
}

// missingFilter says why there can be no filter here, "" if there can.
func missingFilter() string {
	if arches[runtime.GOARCH] == 0 {
		return "no filter is written for " + runtime.GOARCH
	}
	action := uint32(unix.SECCOMP_RET_ERRNO)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	if errors.Is(errno, unix.ENOSYS) || errors.Is(errno, unix.EINVAL) || errors.Is(errno, unix.EOPNOTSUPP) {
		return "the kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)"
	}
	return ""
}
