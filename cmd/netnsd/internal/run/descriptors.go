//go:build linux

package run

import (
	"fmt"
	"path/filepath"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// standard are the descriptors that a program gets without being asked.
var standard = []string{"stdin", "stdout", "stderr"}

// descriptors refuses what would be a way around the rules: a descriptor that is
// a socket already is not made by WSPSocket. Those named by --keep-fd are the
// user's wish; they have to be open, and inherited.
func (c Config) descriptors() error {
	for _, fd := range c.KeepFDs {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if fd < 0 || err != nil || fd > 2 && flags&unix.FD_CLOEXEC != 0 { // that one is ours, not inherited
			return fmt.Errorf("--keep-fd %d: there is no such descriptor: open it in the shell, as in `netnsd run --keep-fd %[1]d ... %[1]d<file`", fd)
		}
	}
	for i, path := range c.KeepSockets {
		real, err := filepath.EvalSymlinks(path)
		if err == nil {
			real, err = filepath.Abs(real)
		}
		if err != nil {
			return fmt.Errorf("--keep-socket: %w", err)
		}
		c.KeepSockets[i] = real
	}
	if !c.Chain.Restricts() {
		return nil
	}
	for fd, name := range standard {
		if slices.Contains(c.KeepFDs, fd) {
			continue
		}
		if what := wayOut(fd); what != "" {
			return fmt.Errorf("%s is %s, which the rules do not see: put a pipe in between (`cat | netnsd run ... | cat`), or let the program have it with --keep-fd %d", name, what, fd)
		}
	}
	return nil
}

// above are those of KeepFDs that the program would not get anyway.
func (c Config) above() []int {
	return slices.DeleteFunc(slices.Clone(c.KeepFDs), func(fd int) bool { return fd <= 2 })
}

// families of sockets, as the user knows them.
var families = map[int]string{
	unix.AF_INET: "an IPv4 socket", unix.AF_INET6: "an IPv6 socket", unix.AF_UNIX: "a unix socket",
	unix.AF_NETLINK: "a netlink socket", unix.AF_PACKET: "a packet socket", unix.AF_VSOCK: "a vsock socket",
}

// wayOut says what fd is if it is a socket of the host. One end of a socket pair
// without a name is none: sshd and Node.js give such in place of pipes, and no
// more than a pipe can it be connected to anything else.
func wayOut(fd int) string {
	var st unix.Stat_t
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err == nil && flags&unix.O_PATH != 0 || unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return "a directory of this host" // what is hidden in it is seen through it
	}
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return "" // ENOTSOCK, or not open at all
	}
	if family == unix.AF_UNIX && pair(fd) {
		return ""
	}
	if what, known := families[family]; known {
		return what + " of this host"
	}
	return fmt.Sprintf("a socket of this host (address family %d)", family)
}

// pair reports whether fd is connected, and neither end was ever bound.
func pair(fd int) bool {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || kind == unix.SOCK_DGRAM { // which can be sent anywhere from
		return false
	}
	return unnamed(unix.SYS_GETSOCKNAME, fd) && unnamed(unix.SYS_GETPEERNAME, fd)
}

// unnamed asks by getsockname or getpeername whether a unix socket has no name:
// its address is the family alone. An abstract name can be empty, and package
// unix shows both as "@".
func unnamed(call uintptr, fd int) bool {
	var a unix.RawSockaddrUnix
	n := uint32(unsafe.Sizeof(a))
	_, _, errno := unix.Syscall(call, uintptr(fd), uintptr(unsafe.Pointer(&a)), uintptr(unsafe.Pointer(&n)))
	return errno == 0 && uintptr(n) == unsafe.Sizeof(a.Family)
}
