//go:build linux

package control

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// gate decides who may use the socket.
type gate struct {
	gid    int    // of the group that may; -1 = none
	cookie uint64 // of the network namespace that we live in
}

// peer is who is at the other end, as the kernel has noted it at its connect.
type peer struct {
	pid      int32
	uid, gid uint32
	groups   []uint32
	cookie   uint64
}

// admits says why a peer may not use the socket; nil is that it may.
func (g gate) admits(p peer) error {
	if p.cookie != g.cookie {
		return errors.New("the control socket serves its own network namespace, and this request comes from another")
	}
	if p.uid == 0 || int(p.uid) == os.Geteuid() {
		return nil
	}
	if g.gid >= 0 && (int(p.gid) == g.gid || slices.Contains(p.groups, uint32(g.gid))) {
		return nil
	}
	return fmt.Errorf("user %d may not use the control socket: root may, the daemon's own user, and the members of daemon.socket_group", p.uid)
}

// peerOf asks the kernel about the other end of c.
//
// The network namespace is that of the peer's socket, not of its process: the kernel
// gives the socket that accept returns the namespace of the one that connects, for
// good (unix_stream_connect). So there is no race with the process, which may end,
// be another by then, or hide in a new namespace of its own making, and no right over
// it is needed.
func peerOf(c *net.UnixConn) (p peer, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return p, err
	}
	e := raw.Control(func(fd uintptr) {
		var cred *unix.Ucred
		if cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err != nil {
			return
		}
		p.pid, p.uid, p.gid = cred.Pid, cred.Uid, cred.Gid
		if p.groups, err = groupsOf(int(fd)); err != nil {
			return
		}
		p.cookie, err = unix.GetsockoptUint64(int(fd), unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	})
	return p, errors.Join(e, err)
}

// groupsOf are the supplementary groups of the peer (SO_PEERGROUPS, Linux 4.13).
func groupsOf(fd int) ([]uint32, error) {
	groups := make([]uint32, 64)
	for {
		size := uint32(len(groups) * 4)
		_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case e == unix.ERANGE && int(size) > len(groups)*4:
			groups = make([]uint32, size/4)
		case e != 0:
			return nil, os.NewSyscallError("SO_PEERGROUPS", e)
		default:
			return groups[:size/4], nil
		}
	}
}

// cookieOf is the network namespace of the listening socket (SO_NETNS_COOKIE, Linux
// 5.14). Without it nobody could be told from those inside, and there is no control
// socket.
func cookieOf(l *net.UnixListener) (cookie uint64, err error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return 0, err
	}
	e := raw.Control(func(fd uintptr) {
		cookie, err = unix.GetsockoptUint64(int(fd), unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	})
	if err = errors.Join(e, err); err != nil {
		return 0, fmt.Errorf("the control socket needs SO_NETNS_COOKIE, Linux 5.14: %w", err)
	}
	return cookie, nil
}
