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
// began with, and never shrinks one. So when the number of connections has grown
// by a sixteenth since the last time, all are gone through, which is 17 visits of
// each on the way from nothing to many; an eighth of them has more than its share.
type buffers struct {
	low, high atomic.Int64 // no more to do while there are so many connections

	mu            sync.Mutex
	send, receive int // present bounds per connection; 0: none yet
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
	if less || n > fewConnections && send < c.SendBuffer.Max {
		for _, ep := range s.tcpip.RegisteredEndpoints() {
			shrink(ep, bound.Max, window.Max)
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
	if !ok {
		return
	}
	b := &s.buffers
	b.mu.Lock()
	send, receive := b.send, b.receive
	b.mu.Unlock()
	if send == 0 {
		return
	}
	o, c := e.SocketOptions(), &s.config
	o.SetSendBufferSize(min(o.GetSendBufferSize(), int64(c.SendBuffer.within(send).Default)), false)
	o.SetReceiveBufferSize(min(o.GetReceiveBufferSize(), int64(c.ReceiveBuffer.within(receive).Default)), false)
}

// within cuts the range off at share.
func (b BufferSizes) within(share int) BufferSizes {
	most := max(b.Min, min(b.Max, share))
	return BufferSizes{Min: b.Min, Default: min(b.Default, most), Max: most}
}

// shrink takes away what a connection has beyond its share. It goes round
// gVisor's handlers, which would end the tuning of the buffer; what is queued
// stays. The receive buffer is halved at most: half of it is what gVisor has
// advertised, so that nothing which is on its way is dropped.
func shrink(ep tcpstack.TransportEndpoint, send, receive int) {
	e, ok := ep.(*tcp.Endpoint)
	if !ok {
		return
	}
	o := e.SocketOptions()
	if o.GetSendBufferSize() > int64(send) {
		o.SetSendBufferSize(int64(send), false)
	}
	if have := o.GetReceiveBufferSize(); have > int64(receive) {
		o.SetReceiveBufferSize(max(int64(receive), have/2), false)
	}
}
