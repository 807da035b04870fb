package stack

import (
	"errors"
	"io"
	"slices"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// Fill takes up to n bytes from fn into the send queue: fn reads straight into
// netstack's memory, and may be called several times with slices of up to
// 64 KiB. It returns how many bytes were queued and fn's error, if any.
//
// n is a promise: say how many bytes are there (FIONREAD). When fn gives fewer,
// or fails, what it gave is still queued, by a copy. Nothing that fn consumed
// is lost while the connection lives. One Fill at a time, and no other writer.
// Beyond MaxSegment a multiple of it is taken.
//
// Errors: EAGAIN (no room, and fn was not called; Watch tells), EPIPE (after
// CloseWrite), ECONNRESET and the like, net.ErrClosed. Never blocks but in fn,
// which runs with the connection's lock held: it must not call the Flow, and
// while it runs the connection stands still. Close and Abort during fn take
// effect after it.
func (f *Flow) Fill(n int, fn func(b []byte) (int, error)) (int, error) {
	ep, err := f.lease(false)
	if err != nil {
		return 0, err
	}
	defer f.release(false)
	if n <= 0 {
		return 0, nil
	}
	if n > MaxSegment {
		n -= n % MaxSegment // the rest comes with the next
	}
	c := &f.chunk
	c.begin(n, fn)
	defer c.end()
	// Atomic: gVisor asks for the room once, with the lock held until the bytes
	// are queued. Else it asks again after fn, and throws away what does not fit
	// any more: buffers shrink at any time, by shareBuffers and by its own tuning.
	queued, terr := ep.Write(c, tcpip.WriteOptions{Atomic: true})
	if c.short {
		queued, terr = c.writeSpill(ep)
	}
	if terr != nil {
		return 0, f.writeError(terr)
	}
	return int(queued), c.err
}

// writeSpill queues what was saved of a short filling. It had room when it was
// read; if that was taken away meanwhile, it is given back.
func (c *filler) writeSpill(ep *tcp.Endpoint) (queued int64, err tcpip.Error) {
	for len(c.rest.b) > 0 {
		n, err := ep.Write(&c.rest, tcpip.WriteOptions{Atomic: true})
		queued += n
		if _, full := err.(*tcpip.ErrWouldBlock); err != nil && !full {
			return queued, err
		}
		if n == 0 {
			o := ep.SocketOptions()
			o.SetSendBufferSize(2*o.GetSendBufferSize()+int64(len(c.rest.b)), false)
		}
	}
	return queued, nil
}

func (f *Flow) writeError(err tcpip.Error) error {
	switch err.(type) {
	case *tcpip.ErrWouldBlock:
		return syscall.EAGAIN
	case *tcpip.ErrClosedForSend:
		if f.ep.EndpointState() != tcp.StateError {
			return syscall.EPIPE
		}
		return f.broken(nil)
	}
	return f.broken(err)
}

// filler is the tcpip.Payloader of Fill. gVisor loses what a Payloader gave
// when that then fails, and loops for ever when it ends early with io.EOF
// (perf.md pitfall 7); so it remembers the slices it filled, and a short
// filling is saved before gVisor hears of it.
type filler struct {
	n      int
	fn     func([]byte) (int, error)
	filled [][]byte
	few    [4][]byte // where filled begins
	spill  []byte
	rest   tcpipSlice
	short  bool
	err    error
}

var errShort = errors.New("stack: fewer bytes than promised")

func (c *filler) begin(n int, fn func([]byte) (int, error)) {
	c.n, c.fn, c.short, c.err = n, fn, false, nil
	c.filled = c.few[:0]
}

func (c *filler) end() {
	clear(c.filled)
	c.fn, c.filled, c.spill = nil, nil, nil
}

// Len implements tcpip.Payloader.
func (c *filler) Len() int { return c.n }

// Read implements io.Reader. An empty b is gVisor's question for io.EOF.
func (c *filler) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	m, err := c.fn(b)
	m = max(0, min(m, len(b)))
	if m > 0 {
		c.filled = append(c.filled, b[:m])
	}
	if err != nil || m == 0 {
		c.short, c.err = true, err
		c.spill = slices.Concat(c.filled...)
		c.rest = tcpipSlice{c.spill}
		return 0, errShort
	}
	return m, nil
}

// tcpipSlice is bytes.Reader without the rest of it.
type tcpipSlice struct{ b []byte }

func (s *tcpipSlice) Len() int { return len(s.b) }

func (s *tcpipSlice) Read(b []byte) (int, error) {
	if len(b) == 0 && len(s.b) > 0 {
		return 0, nil
	}
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.b)
	s.b = s.b[n:]
	return n, nil
}
