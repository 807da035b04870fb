package stack

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// buffers shares Config.BufferBudget among the connections: the more there are,
// the less each may hold. Two things want it (the numbers are in tune.go): a TUN
// drops what its kernel sends beyond the transmit queue, and so many full windows
// do not fit in there; and 1000 send buffers that are all full are a gigabyte,
// and a queue in which a segment waits for longer than the RTO.
//
// gVisor bounds the growth of a buffer by an option of the stack, at once, but
// gives a new connection that a listener accepts the size that the listener
// began with, and never shrinks one. So all are gone through when the share has
// become smaller, and when a sixteenth of them are strangers: connections that have
// come since, or had too much to give it up at once, and of which nobody has said
// that they fit (FitBuffers, Fits). An eighth of them has more than its share. If all
// are strangers that is 17 visits of each on the way from nothing to many, if none is
// two; none on the way back.
type buffers struct {
	low, high atomic.Int64 // no more to do while there are so many connections
	fitted    atomic.Int64 // connections that came and were no strangers, since the last time

	mu            sync.Mutex
	send, receive int // present bounds per connection; 0: none yet
	seen          int // connections, the last time
	strangers     int
	walks         int // how often all were gone through
	shrunk        tcpip.MonotonicTime
	again         tcpip.Timer // asks again when shares may rise; nil: none waits
	closed        bool
	fires         sync.WaitGroup
}

// leastShare is what one connection may always hold: a window of 16 KiB, the
// first window of RFC 6928 and a little.
const leastShare = 32 << 10

// share is the power of two that fits n times into the budget.
func (c *Config) share(n, most int) int {
	s := c.BufferBudget / max(n, 1)
	if s >= most {
		return most
	}
	return min(most, max(leastShare, 1<<(bits.Len(uint(s))-1)))
}

// Few connections may have large windows: one upload is 1.2 times as fast with
// 8 MiB as with 2, eight a tenth slower, as those do not fit into the cache (netnsd
// bench --table sockets: 45 to 55, 52 to 46 Gbit/s).
const (
	fewConnections = 8
	hotReceive     = 16 << 20 // for all of them
	hotLeast       = 2 << 20

	// riseAfter keeps short connections from having all of them gone through
	// every time.
	riseAfter = time.Second
)

// receiveShare is the same for a receive buffer.
func (c *Config) receiveShare(n int) int {
	hot := max(hotLeast, hotReceive>>bits.Len(uint(max(n, 1)-1)))
	return min(c.share(n, c.ReceiveBuffer.Max), hot)
}

// fitBuffers is called when a connection may have come or gone.
func (s *Stack) fitBuffers() {
	n := int64(s.tcpip.Stats().TCP.CurrentEstablished.Value())
	if b := &s.buffers; n > b.high.Load() || n < b.low.Load() {
		s.shareBuffers(int(n))
	}
}

func (s *Stack) shareBuffers(n int) {
	b, c := &s.buffers, &s.config
	b.mu.Lock()
	defer b.mu.Unlock()
	b.high.Store(int64(n + n/16))
	b.low.Store(int64(n - n/16))
	if most := max(c.SendBuffer.Max, hotLeast); n > fewConnections && n <= c.BufferBudget/most {
		// Nothing to share out until there are more than that.
		b.high.Store(int64(c.BufferBudget / most))
		b.low.Store(fewConnections + 1)
	}
	before := b.seen
	b.strangers += max(0, n-before-int(b.fitted.Swap(0)))
	b.seen = n
	send, receive := c.share(n, c.SendBuffer.Max), c.receiveShare(n)
	if send > b.send || receive > b.receive {
		if wait := riseAfter - s.tcpip.Clock().NowMonotonic().Sub(b.shrunk); b.send != 0 && wait > 0 {
			b.low.Store(int64(n) + 1) // ask again: whoever comes or goes, or the timer
			s.riseIn(wait)
			return
		}
	}
	bound, window := c.SendBuffer.within(send), c.ReceiveBuffer.within(receive)
	less := send < b.send || receive < b.receive || b.send == 0
	if send != b.send || receive != b.receive {
		b.send, b.receive = send, receive
		s.setTCP( // cannot fail: New has set the same options
			&tcpip.TCPSendBufferSizeRangeOption{Min: bound.Min, Default: bound.Default, Max: bound.Max},
			&tcpip.TCPReceiveBufferSizeRangeOption{Min: window.Min, Default: window.Default, Max: window.Max})
	}
	if less {
		b.shrunk = s.tcpip.Clock().NowMonotonic()
	}
	if less || n > fewConnections && send < c.SendBuffer.Max && b.strangers > before/16 {
		b.strangers = 0
		b.walks++
		for _, ep := range s.tcpip.RegisteredEndpoints() {
			if !shrink(ep, bound.Max, window.Max) {
				b.strangers++
			}
		}
	}
}

// riseIn has shares looked at again, for connections that stay when others have
// gone. Called with buffers.mu held.
func (s *Stack) riseIn(wait time.Duration) {
	b := &s.buffers
	if b.again != nil || b.closed {
		return
	}
	b.fires.Add(1)
	b.again = s.tcpip.Clock().AfterFunc(wait, func() {
		defer b.fires.Done()
		b.mu.Lock()
		b.again = nil
		b.mu.Unlock()
		s.fitBuffers()
	})
}

// close ends the timer, and waits for what it runs.
func (b *buffers) close() {
	b.mu.Lock()
	b.closed = true
	if b.again != nil && b.again.Stop() {
		b.fires.Done()
	}
	b.mu.Unlock()
	b.fires.Wait()
}

// FitBuffers gives a new connection its share at once, before it has offered a
// larger window: for whoever accepts one. ep is an endpoint of gVisor's of this
// Stack; others than TCP's are left alone.
func (s *Stack) FitBuffers(ep tcpip.Endpoint) {
	e, ok := ep.(*tcp.Endpoint)
	send, receive := s.buffers.shares()
	if !ok || send == 0 {
		return
	}
	s.buffers.fitted.Add(1)
	o, c := e.SocketOptions(), &s.config
	o.SetSendBufferSize(min(o.GetSendBufferSize(), int64(c.SendBuffer.within(send).Default)), false)
	o.SetReceiveBufferSize(min(o.GetReceiveBufferSize(), int64(c.ReceiveBuffer.within(receive).Default)), false)
}

// Fits is told of a new connection, or an attempt at one, whose buffers are to be
// left as they are: if they are no larger than its share nobody need look for it. ep
// is as for FitBuffers.
func (s *Stack) Fits(ep tcpip.Endpoint) {
	e, ok := ep.(*tcp.Endpoint)
	send, receive := s.buffers.shares()
	if !ok || send == 0 {
		return
	}
	o, c := e.SocketOptions(), &s.config
	if o.GetSendBufferSize() <= int64(c.SendBuffer.within(send).Max) && o.GetReceiveBufferSize() <= int64(c.ReceiveBuffer.within(receive).Max) {
		s.buffers.fitted.Add(1)
	}
}

func (b *buffers) shares() (send, receive int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.send, b.receive
}

// within cuts the range off at share.
func (b BufferSizes) within(share int) BufferSizes {
	most := max(b.Min, min(b.Max, share))
	return BufferSizes{Min: b.Min, Default: min(b.Default, most), Max: most}
}

// shrink takes away what a connection has beyond its share. It goes round
// gVisor's handlers, which would end the tuning of the buffer; what is queued
// stays. The receive buffer is halved at most: half of it is what gVisor has
// advertised, so that nothing which is on its way is dropped. False: it has still
// more than its share.
func shrink(ep tcpstack.TransportEndpoint, send, receive int) bool {
	e, ok := ep.(*tcp.Endpoint)
	if !ok {
		return true
	}
	o := e.SocketOptions()
	if o.GetSendBufferSize() > int64(send) {
		o.SetSendBufferSize(int64(send), false)
	}
	have := o.GetReceiveBufferSize()
	if have > int64(receive) {
		o.SetReceiveBufferSize(max(int64(receive), have/2), false)
	}
	return have/2 <= int64(receive)
}
