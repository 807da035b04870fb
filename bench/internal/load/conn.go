//go:build linux

package load

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// A conn is a connection of either kind.
type conn interface {
	io.ReadWriter
	// Wake ends what blocks on it.
	Wake()
	// Abort closes it by a reset: nothing lingers, in no kernel.
	Abort()
}

// patience with a connection on which nothing moves. A figure is over long before.
const patience = 10 * time.Second

// blocking is a socket of the kernel on which a thread waits.
type blocking int

func dialBlocking(to netip.AddrPort) (blocking, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	c := blocking(fd)
	if err = c.set(); err == nil {
		err = again(func() error {
			return unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
		})
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("connect to %s: %w", to, err)
	}
	return c, nil
}

// set makes waits end and small writes leave at once.
func (c blocking) set() error {
	tv := unix.NsecToTimeval(patience.Nanoseconds())
	return errors.Join(
		unix.SetsockoptInt(int(c), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptTimeval(int(c), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv),
		unix.SetsockoptTimeval(int(c), unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv),
	)
}

func (c blocking) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(int(c), b)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, fmt.Errorf("read: %w", err)
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (c blocking) Write(b []byte) (int, error) {
	for done := 0; ; {
		n, err := unix.Write(int(c), b[done:])
		if err != nil && err != unix.EINTR {
			return done, fmt.Errorf("write: %w", err)
		}
		if done += max(n, 0); done == len(b) {
			return done, nil
		}
	}
}

func (c blocking) Wake() { _ = unix.Shutdown(int(c), unix.SHUT_RDWR) }

func (c blocking) Abort() {
	_ = unix.SetsockoptLinger(int(c), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(int(c))
}

func again(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

// polled is a connection of Go's poller, or of a session.
type polled struct{ net.Conn }

func dialPolled(to netip.AddrPort) (polled, error) {
	c, err := net.DialTimeout("tcp4", to.String(), patience)
	return polled{c}, err
}

func (c polled) Wake() { _ = c.SetDeadline(time.Unix(1, 0)) }

func (c polled) Abort() {
	if l, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
		_ = l.SetLinger(0)
	}
	c.Close()
}

// manyConns is from where on threads would be too many.
const manyConns = 65

// dial opens a connection of the kind that suits n of them, at the port of the
// server that suits them.
func dial(host netip.Addr, port uint16, n int) (conn, error) {
	if n < manyConns {
		return dialBlocking(netip.AddrPortFrom(host, port))
	}
	return dialPolled(netip.AddrPortFrom(host, port+many))
}
