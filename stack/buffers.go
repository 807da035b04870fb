package stack

import (
	"math/bits"
	"sync"
	"sync/atomic"

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

	mu    sync.Mutex
	share int // present bound per connection and direction; 0: none yet
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
	most := max(c.SendBuffer.Max, c.ReceiveBuffer.Max)
	share := c.share(n, most)
	b.high.Store(int64(n + n/16))
	b.low.Store(int64(n - n/16))
	if share == most {
		// Nothing to share out until there are more than that.
		b.high.Store(int64(max(n, c.BufferBudget/most)))
		b.low.Store(0)
	}
	if share != b.share {
		b.share = share
		send, receive := c.SendBuffer.within(share), c.ReceiveBuffer.within(share)
		s.setTCP( // cannot fail: New has set the same options
			&tcpip.TCPSendBufferSizeRangeOption{Min: send.Min, Default: send.Default, Max: send.Max},
			&tcpip.TCPReceiveBufferSizeRangeOption{Min: receive.Min, Default: receive.Default, Max: receive.Max})
	}
	if share < most {
		for _, ep := range s.tcpip.RegisteredEndpoints() {
			shrink(ep, c.SendBuffer.within(share).Max, c.ReceiveBuffer.within(share).Max)
		}
	}
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
	share := b.share
	b.mu.Unlock()
	if share == 0 {
		return
	}
	o, c := e.SocketOptions(), &s.config
	o.SetSendBufferSize(min(o.GetSendBufferSize(), int64(c.SendBuffer.within(share).Default)), false)
	o.SetReceiveBufferSize(min(o.GetReceiveBufferSize(), int64(c.ReceiveBuffer.within(share).Default)), false)
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
