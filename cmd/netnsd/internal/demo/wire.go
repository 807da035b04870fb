//go:build linux

package demo

import (
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/netnsd/netnsd/stack"
)

// wireDepth is how many packets one direction holds.
const wireDepth = 256

// A wireEnd is one end of a link in memory, a stack.Device of plain packets.
type wireEnd struct {
	in, out chan []byte
	close   func()
	closed  <-chan struct{}
}

var _ stack.Device = (*wireEnd)(nil)

// newWire makes a link. Closing one end closes it.
func newWire() (a, b *wireEnd) {
	ab, ba, closed := make(chan []byte, wireDepth), make(chan []byte, wireDepth), make(chan struct{})
	end := sync.OnceFunc(func() { close(closed) })
	return &wireEnd{in: ba, out: ab, close: end, closed: closed}, &wireEnd{in: ab, out: ba, close: end, closed: closed}
}

func (*wireEnd) Queues() int      { return 1 }
func (*wireEnd) MTU() int         { return 1500 }
func (*wireEnd) HeaderLen() int   { return 0 }
func (*wireEnd) Offloads() uint32 { return 0 }
func (*wireEnd) TAP() bool        { return false }

func (e *wireEnd) ReadPacket(_ int, bufs [][]byte) (int, error) {
	select {
	case p := <-e.in:
		n := 0
		for _, b := range bufs {
			n += copy(b, p[n:])
		}
		return n, nil
	case <-e.closed:
		return 0, os.ErrClosed
	}
}

func (e *wireEnd) WritePacket(_ int, bufs [][]byte) (int, error) {
	var p []byte
	for _, b := range bufs {
		p = append(p, b...)
	}
	select {
	case e.out <- p:
		return len(p), nil
	case <-e.closed:
		return 0, os.ErrClosed
	default:
		return 0, syscall.EAGAIN
	}
}

// WaitWritable looks every millisecond: a channel does not say when it has room.
func (e *wireEnd) WaitWritable(_ int, deadline time.Time) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for len(e.out) == cap(e.out) {
		select {
		case now := <-tick.C:
			if !deadline.IsZero() && now.After(deadline) {
				return os.ErrDeadlineExceeded
			}
		case <-e.closed:
			return os.ErrClosed
		}
	}
	return nil
}

func (e *wireEnd) Close() error {
	e.close()
	return nil
}
