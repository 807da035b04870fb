package gateway_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/tun"
)

// What a server sent before its reset is read before the reset: the kernel of a
// program has it already when the RST comes, ours hold it for that kernel.
func TestResetComesLast(t *testing.T) {
	x := newHouse(t, tun.Config{MTU: 1500}, nil)
	data := payload(1 << 20) // more than fits into the kernel of a program that does not read, less than into ours too
	for _, c := range []struct {
		name    string
		program func(c net.Conn)
		server  func(c *net.TCPConn)
	}{
		{"by linger", func(net.Conn) {}, func(c *net.TCPConn) { c.SetLinger(0) }},
		// The close of a socket with unread bytes is a reset (RFC 2525, 2.17). gnutls-cli's
		// goodbye is such bytes, and what it writes then meets the reset first.
		{"by unread bytes", func(c net.Conn) { c.Write([]byte("goodbye")) }, func(c *net.TCPConn) { readable(t, c) }},
	} {
		for _, door := range doors {
			t.Run(c.name+"/"+door.String(), func(t *testing.T) {
				conn, server := x.connect(t, door)
				conn.SetDeadline(time.Now().Add(60 * time.Second))
				server.SetDeadline(time.Now().Add(60 * time.Second))
				if _, err := server.Write(data); err != nil {
					t.Fatal(err)
				}
				acked(t, server.(*net.TCPConn))
				c.program(conn)
				c.server(server.(*net.TCPConn))
				server.Close()
				conn.Write([]byte("and again"))
				got, err := io.ReadAll(conn)
				if !bytes.Equal(got, data) || !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("%d of %d bytes, and %v; want ECONNRESET", len(got), len(data), err)
				}
			})
		}
	}
}

// acked waits until the other side's kernel has all that was written.
func acked(t *testing.T, c *net.TCPConn) {
	outstanding(t, c, unix.TIOCOUTQ, func(n int) bool { return n == 0 })
}

// readable waits until there is something to read.
func readable(t *testing.T, c *net.TCPConn) {
	outstanding(t, c, unix.TIOCINQ, func(n int) bool { return n > 0 })
}

func outstanding(t *testing.T, c *net.TCPConn, queue uint, ok func(int) bool) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		var n int
		var ioctl error
		err := raw.Control(func(fd uintptr) { n, ioctl = unix.IoctlGetInt(int(fd), queue) })
		if err = errors.Join(err, ioctl); err != nil {
			t.Fatal(err)
		}
		if ok(n) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("queue %#x holds %d bytes", queue, n)
		}
	}
}
