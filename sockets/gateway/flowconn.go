package gateway

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/netnsd/netnsd/stack"
)

// flowConn reads and writes an accepted flow, waiting where it must: for the
// services that the gateway itself offers. One goroutine uses it.
type flowConn struct {
	f     *stack.Flow
	ctx   context.Context
	bell  bell
	until time.Time // both Read and Write end then with os.ErrDeadlineExceeded
}

func newFlowConn(ctx context.Context, f *stack.Flow) *flowConn {
	c := &flowConn{f: f, ctx: ctx, bell: newBell()}
	f.Watch(func(stack.FlowEvents) { c.bell.ring() })
	return c
}

func (c *flowConn) Read(b []byte) (int, error) {
	for {
		n, err := c.f.Peek(len(b), func(bufs [][]byte) int {
			n := 0
			for _, p := range bufs {
				n += copy(b[n:], p)
			}
			return n
		})
		if n > 0 || err != nil && !errors.Is(err, syscall.EAGAIN) {
			return n, err
		}
		if err := c.wait(); err != nil {
			return 0, err
		}
	}
}

func (c *flowConn) Write(b []byte) (int, error) {
	sent := 0
	for sent < len(b) {
		n, err := c.f.Fill(len(b)-sent, func(p []byte) (int, error) {
			n := copy(p, b[sent:])
			sent += n
			return n, nil
		})
		if n > 0 {
			continue
		}
		if err != nil && !errors.Is(err, syscall.EAGAIN) {
			return sent, err
		}
		if err := c.wait(); err != nil {
			return sent, err
		}
	}
	return sent, nil
}

func (c *flowConn) wait() error {
	t := time.NewTimer(time.Until(c.until))
	defer t.Stop()
	select {
	case <-c.bell:
		return nil
	case <-t.C:
		return os.ErrDeadlineExceeded
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

// Close ends the flow gracefully, or resets it when the gateway closes.
func (c *flowConn) Close() error {
	c.f.Watch(nil)
	if c.ctx.Err() != nil {
		c.f.Abort()
		return nil
	}
	return c.f.Close()
}
