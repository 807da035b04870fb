package sockets

import (
	"io"
	"net"
	"os"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// conn is what TCPConn, UDPConn and Listener have in common: a socket, the
// addresses as they were when it was made, which outlive it, and the way to
// turn what the socket says into what package net would say.
type conn struct {
	sock          *sock
	network       network
	local, remote net.Addr
}

// newConn learns the socket's addresses.
func newConn(k *sock, n network) conn {
	c := conn{sock: k, network: n}
	if a, e := k.table.WSPGetSockName(k.s); e == 0 {
		c.local = n.netAddr(addrPort(a))
	}
	if a, e := k.table.WSPGetPeerName(k.s); e == 0 {
		c.remote = n.netAddr(addrPort(a))
	}
	return c
}

// failure is the error of an operation on c: err if it is there, else e.
func (c *conn) failure(op operation, e wsa.Errno, err error) error {
	if err == nil {
		err = e.Err()
	}
	return opError(op, c.network.name, c.local, c.remote, c.network.over(), err)
}

// setting is the error of a Set method.
func (c *conn) setting(err error) error {
	return opError(opSet, c.network.name, nil, c.local, c.network.over(), err)
}

// Socket is the socket below, for what only the table can do or tell: its
// chain, verdict, traffic. It must not be closed by the table.
func (c *conn) Socket() *provider.Socket { return c.sock.s }

// LocalAddr is the address the socket has, or had: it works after Close.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the peer asked for, also after Close; nil if there is none.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// Close ends the connection as package net does on Linux: what was written is
// delivered in the background, unless SetLinger(0) says to reset. Blocked
// operations return [net.ErrClosed].
func (c *conn) Close() error { return c.failure(opClose, 0, c.sock.finish()) }

// Read reads from the peer; n, nil for a datagram longer than p, of which the
// rest is lost. An empty p returns at once.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		if c.sock.closed.Load() {
			return 0, c.failure(opRead, 0, net.ErrClosed)
		}
		return 0, nil
	}
	n, _, e, err := c.sock.receive(p, false)
	if e != 0 || err != nil {
		return n, c.failure(opRead, e, err)
	}
	if n == 0 && c.network.over() == stream {
		return 0, io.EOF
	}
	return n, nil
}

// Write writes all of p before it returns, or an error. On a datagram socket it
// is one datagram.
func (c *conn) Write(p []byte) (int, error) {
	n, e, err := c.sock.send(p)
	if e == 0 && err == nil {
		return n, nil
	}
	return n, c.failure(opWrite, e, err)
}

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *conn) SetDeadline(t time.Time) error {
	return c.setting(c.sock.control(func() wsa.Errno {
		c.sock.rd.setLimit(t)
		c.sock.wr.setLimit(t)
		return 0
	}))
}

// SetReadDeadline makes reads fail with [os.ErrDeadlineExceeded] from t on; the
// connection stays usable.
func (c *conn) SetReadDeadline(t time.Time) error {
	return c.setting(c.sock.control(func() wsa.Errno { c.sock.rd.setLimit(t); return 0 }))
}

// SetWriteDeadline makes writes fail with [os.ErrDeadlineExceeded] from t on. A
// Write that fails may have written a part.
func (c *conn) SetWriteDeadline(t time.Time) error {
	return c.setting(c.sock.control(func() wsa.Errno { c.sock.wr.setLimit(t); return 0 }))
}

// SetReadBuffer sets SO_RCVBUF, in bytes.
func (c *conn) SetReadBuffer(bytes int) error {
	return c.setting(c.sock.setOption(wsa.SOL_SOCKET, wsa.SO_RCVBUF, bytes))
}

// SetWriteBuffer sets SO_SNDBUF, in bytes.
func (c *conn) SetWriteBuffer(bytes int) error {
	return c.setting(c.sock.setOption(wsa.SOL_SOCKET, wsa.SO_SNDBUF, bytes))
}

// noHandle is the answer to whoever asks for a descriptor.
func (c *conn) noHandle(op string) error {
	return &net.OpError{Op: op, Net: c.network.name, Source: c.local, Addr: c.remote, Err: wsa.EOPNOTSUPP}
}

// A TCPConn is a stream connection of a session. It has the methods that users
// of [net.TCPConn] rely on.
type TCPConn struct{ conn }

var (
	_ net.Conn      = (*TCPConn)(nil)
	_ io.ReaderFrom = (*TCPConn)(nil)
	_ io.WriterTo   = (*TCPConn)(nil)
)

// newTCPConn sets what package net sets on each new connection. A base that
// does not know an option is not a reason to refuse the connection.
func newTCPConn(k *sock, n network, keepAlive net.KeepAliveConfig) *TCPConn {
	c := &TCPConn{newConn(k, n)}
	c.SetNoDelay(true)
	if keepAlive.Enable {
		c.SetKeepAliveConfig(keepAlive)
	}
	return c
}

// CloseRead ends receiving: what is queued can still be read, then Read returns
// io.EOF. The peer does not learn of it.
func (c *TCPConn) CloseRead() error { return c.failure(opClose, 0, c.sock.shutReceive()) }

// CloseWrite sends a FIN after what was written. A Write that waits, and any
// later one, fails with an error that is [syscall.EPIPE].
func (c *TCPConn) CloseWrite() error { return c.failure(opClose, 0, c.sock.shutSend()) }

// SetLinger sets what Close does with bytes not sent yet: sec < 0, the default,
// sends them in the background; 0 discards them and resets; sec > 0 sends them
// in the background and resets if they are not acknowledged after so many
// seconds. Close never waits.
func (c *TCPConn) SetLinger(sec int) error {
	return c.setting(c.sock.control(func() wsa.Errno {
		c.sock.linger.Store(int64(max(sec, noLinger)))
		return 0
	}))
}

// SetNoDelay switches Nagle's algorithm off (the default) or on.
func (c *TCPConn) SetNoDelay(noDelay bool) error {
	return c.setting(c.sock.setOption(wsa.IPPROTO_TCP, wsa.TCP_NODELAY, truth(noDelay)))
}

// ReadFrom writes what r has to the connection, until io.EOF.
func (c *TCPConn) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{c}, r)
}

// WriteTo reads from the connection into w, until io.EOF.
func (c *TCPConn) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{c})
}

// File fails with EOPNOTSUPP: a socket of a chain is no descriptor, and what is
// done to a descriptor below it would pass by its layers. For the same reason
// there is no SyscallConn. Failing would not do there: clients that look at idle
// connections through it (go-redis, go-sql-driver/mysql) take a failure for a
// dead connection, and a conn without the method for one that is well.
func (c *TCPConn) File() (*os.File, error) { return nil, c.noHandle("file") }

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}
