//go:build linux

package control

import (
	"context"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// conn is a connection of the control socket. A descriptor may come with the bytes of
// a request (SCM_RIGHTS), to name a network namespace; one is kept, for the request
// that asks for it.
type conn struct {
	*net.UnixConn
	peer    peer
	refused error // why it is not served; nil = it is
	free    func()

	mu   sync.Mutex
	file *os.File
}

// Read keeps a descriptor that came along. What of others the kernel cannot put into
// the buffer it closes.
func (c *conn) Read(b []byte) (int, error) {
	var oob [64]byte // room for more than one; CMSG_SPACE(4) is 24
	n, oobn, _, _, err := c.ReadMsgUnix(b, oob[:])
	if oobn > 0 {
		c.keep(oob[:oobn])
	}
	return n, err
}

func (c *conn) keep(oob []byte) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			f := os.NewFile(uintptr(fd), "descriptor of a request")
			if c.refused != nil || !c.put(f) {
				f.Close()
			}
		}
	}
}

func (c *conn) put(f *os.File) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file != nil {
		return false
	}
	c.file = f
	return true
}

// take is the descriptor that came, once; nil is none.
func (c *conn) take() *os.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.file
	c.file = nil
	return f
}

func (c *conn) Close() error {
	if f := c.take(); f != nil {
		f.Close()
	}
	defer c.free()
	return c.UnixConn.Close()
}

type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

func connOf(ctx context.Context) *conn { return ctx.Value(connKey{}).(*conn) }

// listener makes conns and asks who they are. Those that are not served have few of
// their own to be told so: a program inside that is root, and so gets past the mode of
// the socket, could else have them all.
type listener struct {
	*net.UnixListener
	gate            gate
	served, refused chan struct{} // one in it for each conn that is open
	end             func()
	ended           chan struct{} // closed by end
}

func newListener(l *net.UnixListener, g gate) *listener {
	ended := make(chan struct{})
	return &listener{l, g, make(chan struct{}, maxConns), make(chan struct{}, maxRefused), sync.OnceFunc(func() { close(ended) }), ended}
}

// Close ends an Accept that waits for another conn to end, too: http.Server waits for
// its Accept before it closes conns.
func (l *listener) Close() error {
	l.end()
	return l.UnixListener.Close()
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		p, err := peerOf(c)
		if err == nil {
			err = l.gate.admits(p)
		}
		if err == nil {
			select {
			case l.served <- struct{}{}:
			case <-l.ended:
				c.Close()
				return nil, net.ErrClosed
			}
			return &conn{UnixConn: c, peer: p, free: sync.OnceFunc(func() { <-l.served })}, nil
		}
		select {
		case l.refused <- struct{}{}:
			return &conn{UnixConn: c, peer: p, refused: err, free: sync.OnceFunc(func() { <-l.refused })}, nil
		default:
			c.Close()
		}
	}
}
