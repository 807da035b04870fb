package stacktest

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/netnsd/netnsd/stack"
)

// Switch is what an End says to who writes to it.
type Switch uint8

// The positions of the switch.
const (
	On   Switch = iota
	Down        // EIO, as a TUN whose interface is down
	Full        // EAGAIN
	Gone        // EBADFD, as a TUN that was deleted; for good
)

// End is one end of a Cable, a stack.Device of one queue.
type End struct {
	cable *Cable
	peer  *End
	dark  atomic.Bool

	line delayLine // packets on their way to us

	mu     sync.Mutex
	wake   *sync.Cond
	in     [][]byte
	pos    Switch
	closed bool
}

var _ stack.Device = (*End)(nil)

// errBadFD is EBADFD, which package syscall has on Linux only.
const errBadFD = syscall.Errno(77)

func newEnd(c *Cable) *End {
	e := &End{cable: c}
	e.wake = sync.NewCond(&e.mu)
	e.line = delayLine{clock: c.cfg.Clock, out: e.push}
	return e
}

// Set moves the switch of this end.
func (e *End) Set(s Switch) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pos != Gone {
		e.pos = s
	}
	e.wake.Broadcast()
}

// Queues implements stack.Device.
func (e *End) Queues() int { return 1 }

// MTU implements stack.Device.
func (e *End) MTU() int { return e.cable.cfg.MTU }

// HeaderLen implements stack.Device.
func (e *End) HeaderLen() int {
	if e.cable.cfg.Offloads {
		return 10
	}
	return 0
}

// Offloads implements stack.Device.
func (e *End) Offloads() uint32 { return e.cable.cfg.Bits }

// TAP implements stack.Device.
func (e *End) TAP() bool { return e.cable.cfg.TAP }

// err is what ends every call; called with mu held.
func (e *End) err() error {
	switch {
	case e.closed:
		return os.ErrClosed
	case e.pos == Gone:
		return errBadFD
	}
	return nil
}

func (e *End) push(p []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err() != nil || e.pos == Down {
		e.cable.Lost.Add(1)
		return
	}
	e.in = append(e.in, p)
	e.wake.Broadcast()
}

// ReadPacket implements stack.Device.
func (e *End) ReadPacket(_ int, bufs [][]byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		if err := e.err(); err != nil {
			return 0, err
		}
		if len(e.in) > 0 {
			break
		}
		e.wake.Wait()
	}
	p := e.in[0]
	e.in[0] = nil
	if e.in = e.in[1:]; len(e.in) == 0 {
		e.in = nil
	}
	e.peer.wake.Broadcast()
	n := 0
	for _, b := range bufs {
		n += copy(b, p[n:])
	}
	return n, nil
}

// WritePacket implements stack.Device.
func (e *End) WritePacket(_ int, bufs [][]byte) (int, error) {
	if err := e.writable(); err != nil {
		return 0, err
	}
	var p []byte
	for _, b := range bufs {
		p = append(p, b...)
	}
	e.cable.carry(e, p)
	return len(p), nil
}

func (e *End) writable() error {
	e.mu.Lock()
	err, pos := e.err(), e.pos
	e.mu.Unlock()
	switch {
	case err != nil:
		return err
	case pos == Down:
		return syscall.EIO
	case pos == Full || e.peer.queued() >= e.cable.cfg.Depth:
		return syscall.EAGAIN
	}
	return nil
}

func (e *End) queued() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.in)
}

// WaitWritable implements stack.Device.
func (e *End) WaitWritable(_ int, deadline time.Time) error {
	t := time.AfterFunc(time.Until(deadline), func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.wake.Broadcast()
	})
	defer t.Stop()
	for {
		switch err := e.writable(); err {
		case syscall.EIO, syscall.EAGAIN:
		default:
			return err
		}
		if !deadline.IsZero() && !time.Now().Before(deadline) {
			return os.ErrDeadlineExceeded
		}
		e.mu.Lock()
		if e.err() == nil && e.pos != On {
			e.wake.Wait()
			e.mu.Unlock()
			continue
		}
		e.mu.Unlock()
		time.Sleep(100 * time.Microsecond) // the peer's queue is full
	}
}

// Close implements stack.Device.
func (e *End) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.in = nil
	e.wake.Broadcast()
	return nil
}
