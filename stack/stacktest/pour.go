package stacktest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"
)

// Pour moves bytes that no error leaves alike from one connection to another
// one, and compares what went with what came by SHA-256.
type Pour struct {
	Sent, Received atomic.Int64

	size    int64
	stop    atomic.Bool
	sent    chan error
	arrived chan error
	in, out hash.Hash
}

// StartPour begins to move n bytes, or as many as pass until Stop if n is
// negative. It then closes from for writing and reads to to its end. Whoever has
// nothing to do for patience gives up.
func StartPour(from, to net.Conn, n int64, patience time.Duration) *Pour {
	p := &Pour{size: n, sent: make(chan error, 1), arrived: make(chan error, 1), in: sha256.New(), out: sha256.New()}
	go func() { p.sent <- p.send(from, patience) }()
	go func() { p.arrived <- p.receive(to, patience) }()
	return p
}

const pourBlock = 256 << 10

func (p *Pour) send(c net.Conn, patience time.Duration) error {
	source := rand.NewChaCha8([32]byte{1})
	b := make([]byte, pourBlock)
	for !p.stop.Load() && p.Sent.Load() != p.size {
		n := len(b)
		if p.size >= 0 {
			n = int(min(int64(n), p.size-p.Sent.Load()))
		}
		source.Read(b[:n])
		c.SetWriteDeadline(time.Now().Add(patience))
		if _, err := c.Write(b[:n]); err != nil {
			return err
		}
		p.out.Write(b[:n])
		p.Sent.Add(int64(n))
	}
	half, ok := c.(interface{ CloseWrite() error })
	if !ok {
		return errors.New("the sending side cannot be closed alone")
	}
	return half.CloseWrite()
}

func (p *Pour) receive(c net.Conn, patience time.Duration) error {
	b := make([]byte, pourBlock)
	for {
		c.SetReadDeadline(time.Now().Add(patience))
		n, err := c.Read(b)
		p.in.Write(b[:n])
		p.Received.Add(int64(n))
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Stop ends a Pour without a size.
func (p *Pour) Stop() { p.stop.Store(true) }

// Wait waits for both ends and compares.
func (p *Pour) Wait() error {
	if err := errors.Join(<-p.arrived, <-p.sent); err != nil {
		return fmt.Errorf("after %d bytes sent and %d received: %w", p.Sent.Load(), p.Received.Load(), err)
	}
	in, out := p.in.Sum(nil), p.out.Sum(nil)
	if p.Sent.Load() != p.Received.Load() || string(in) != string(out) {
		return fmt.Errorf("%d bytes with sha256 %x went, %d with %x came", p.Sent.Load(), out, p.Received.Load(), in)
	}
	return nil
}

// AwaitMore polls until n more bytes have been received than at, and returns
// when that was; false after patience.
func (p *Pour) AwaitMore(at, n int64, patience time.Duration) (time.Time, bool) {
	for end := time.Now().Add(patience); ; time.Sleep(200 * time.Microsecond) {
		now := time.Now()
		if p.Received.Load() >= at+n {
			return now, true
		}
		if now.After(end) {
			return now, false
		}
	}
}
