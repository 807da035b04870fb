package dns

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// Connections to one server. An idle one is worth little: RFC 7766, 6.2.3 has
// clients close first.
const (
	maxStreams  = 8
	idleStreams = 2
	streamIdle  = 10 * time.Second
)

// streams are the connections to one server by TCP or TLS: a query has one to
// itself, so that a slow answer holds nothing up.
type streams struct {
	dial  func(context.Context) (net.Conn, error)
	slots chan struct{} // one for each query that has a connection

	mu     sync.Mutex
	idle   []*idleStream
	closed bool
}

type idleStream struct {
	net.Conn
	timer *time.Timer
}

func newStreams(dial func(context.Context) (net.Conn, error)) *streams {
	return &streams{dial: dial, slots: make(chan struct{}, maxStreams)}
}

// dialer makes connections to a server of scheme udp, tcp or tls.
func dialer(u Upstream, t *tls.Config) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", u.addr())
		if err != nil || u.scheme != "tls" {
			return c, err
		}
		secured := tls.Client(c, t)
		if err := secured.HandshakeContext(ctx); err != nil {
			c.Close()
			return nil, err
		}
		return secured, nil
	}
}

// ask sends a query on a connection and waits for the answer. One that was idle may
// have been closed by the server meanwhile; then another is made.
func (s *streams) ask(ctx context.Context, q *outgoing) ([]byte, error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for {
		c := s.take()
		used := c != nil
		if !used {
			var err error
			if c, err = s.dial(ctx); err != nil {
				return nil, err
			}
		}
		answer, err := roundTrip(ctx, c, q)
		if err == nil {
			s.keep(c)
			return answer, nil
		}
		c.Close()
		if !used || ctx.Err() != nil {
			return nil, err
		}
	}
}

// roundTrip leaves c as it was only if it returns no error.
func roundTrip(ctx context.Context, c net.Conn, q *outgoing) ([]byte, error) {
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(q.packed))), q.packed...)); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		return nil, err
	}
	if err := q.fits(b); err != nil {
		return nil, fmt.Errorf("by TCP: %w", err)
	}
	if !stop() {
		return nil, ctx.Err() // its deadline is set, or will be
	}
	return b, nil
}

// take gives the connection that was used last, nil if none is idle.
func (s *streams) take() net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle)
	if n == 0 {
		return nil
	}
	c := s.idle[n-1]
	s.idle = s.idle[:n-1]
	c.timer.Stop()
	return c.Conn
}

func (s *streams) keep(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.idle) == idleStreams {
		c.Close()
		return
	}
	kept := &idleStream{Conn: c}
	kept.timer = time.AfterFunc(streamIdle, func() { s.drop(kept) })
	s.idle = append(s.idle, kept)
}

func (s *streams) drop(c *idleStream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.idle, c); i >= 0 {
		s.idle = slices.Delete(s.idle, i, i+1)
		c.Close()
	}
}

// close ends what is idle; what is in use ends with its query.
func (s *streams) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, c := range s.idle {
		c.timer.Stop()
		c.Close()
	}
	s.idle = nil
}
