package kit

import (
	"context"
	"errors"
	"io"
	"net"
	"os"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A Conn is one end of a conversation. Its errors are io.EOF,
// os.ErrDeadlineExceeded, net.ErrClosed (the layer itself closed it) and
// wsa.Errno, bare. One Read and one Write may run at the same time.
type Conn interface {
	net.Conn
	// CloseWrite ends the stream towards this side; it may go on sending.
	CloseWrite() error
	// Abort breaks the connection on both sides with e, 0 being ECONNABORTED.
	// Every operation under way or to come returns e. The first Abort counts.
	Abort(e wsa.Errno)
	// Handover takes the layer out of the way of what this side sends: all that
	// is not read yet, and all that follows. It blocks until what is held has
	// been passed on. From then on Read here and Write on the other Conn are
	// net.ErrClosed. It fails with EALREADY while one of the two is running.
	Handover() error
}

// Errno is the code by which err ends a conversation: the Errno in it, ETIMEDOUT
// for a timeout, ECONNRESET for an early end of stream, ECONNABORTED for all
// else; 0 for nil.
func Errno(err error) wsa.Errno {
	if err == nil {
		return 0
	}
	if e, ok := wsa.Code(err); ok && e != 0 && e != wsa.EWOULDBLOCK {
		return e
	}
	var t interface{ Timeout() bool }
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return wsa.ECONNRESET
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &t) && t.Timeout():
		return wsa.ETIMEDOUT
	}
	return wsa.ECONNABORTED
}

func isEOF(err error) bool { return err == io.EOF }

// Copy moves bytes from src to dst until src ends, and hands the end on by
// CloseWrite. Its error is that of the side that failed.
func Copy(dst, src Conn) error {
	if _, err := io.CopyBuffer(plainWriter{dst}, plainReader{src}, make([]byte, 32<<10)); err != nil {
		return err
	}
	return dst.CloseWrite()
}

type plainReader struct{ io.Reader } // hides what would lead io.Copy astray
type plainWriter struct{ io.Writer }

// tcpAddr is a as a net.Addr, as crypto/tls and net/http like to see it.
func tcpAddr(a provider.Addr) net.Addr { return net.TCPAddrFromAddrPort(a.AddrPort) }

// signal is an event that is remembered once until somebody waits for it.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (c signal) set() {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wait returns when the signal was set, or os.ErrDeadlineExceeded.
func (c signal) wait(d *deadline) error {
	select {
	case <-c:
		return nil
	case <-d.passed():
		return os.ErrDeadlineExceeded
	}
}
