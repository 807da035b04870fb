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
	refused error // why this peer is not served; nil = it is
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

// listener makes conns and asks who they are.
type listener struct {
	*net.UnixListener
	gate  gate
	slots chan struct{} // one in it for each conn that is open
}

func (l *listener) Accept() (net.Conn, error) {
	l.slots <- struct{}{}
	free := sync.OnceFunc(func() { <-l.slots })
	c, err := l.AcceptUnix()
	if err != nil {
		free()
		return nil, err
	}
	p, err := peerOf(c)
	if err == nil {
		err = l.gate.admits(p)
	}
	return &conn{UnixConn: c, refused: err, free: free}, nil
}
