package netstack

import (
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// A flood keeps datagrams without a byte from filling the memory: gVisor bounds
// a receive queue by the bytes in it alone. The number queued follows from its
// statistics; above a limit SO_RCVBUF becomes 0, at which gVisor drops what
// comes, until half is received. UDP only.
type flood struct {
	options *tcpip.SocketOptions
	stats   *tcpip.TransportEndpointStats // nil: not watched
	taken   atomic.Uint64                 // datagrams received or discarded by us
	stopped atomic.Int64                  // SO_RCVBUF to go back to; 0 while it is not stopped
}

// A datagram is taken to cost 512 bytes, of which Linux charges more (skb
// truesize); the least limit is far above what is queued in health.
const (
	datagramCost = 512
	leastLimit   = 1024
)

func (f *flood) watch(ep tcpip.Endpoint) {
	f.options = ep.SocketOptions()
	f.stats, _ = ep.Stats().(*tcpip.TransportEndpointStats)
}

func (f *flood) queued() uint64 {
	r := &f.stats.ReceiveErrors
	gone := f.taken.Load() + r.ReceiveBufferOverflow.Value() + r.ClosedReceiver.Value()
	came := f.stats.PacketsReceived.Value() // dropped ones too
	return came - min(came, gone)
}

func limit(buffer int64) uint64 { return uint64(max(buffer/datagramCost, leastLimit)) }

// check stops receiving if too much is queued. Safe in a wake: atomics alone.
func (f *flood) check() {
	if f.stats == nil || f.stopped.Load() != 0 {
		return
	}
	size := f.options.GetReceiveBufferSize()
	if size > 0 && f.queued() > limit(size) && f.stopped.CompareAndSwap(0, size) {
		f.options.SetReceiveBufferSize(0, false)
	}
}

// took counts a datagram out, and receives again once half is gone.
func (f *flood) took() {
	if f.stats == nil {
		return
	}
	f.taken.Add(1)
	if size := f.stopped.Load(); size != 0 && f.queued() <= limit(size)/2 {
		f.options.SetReceiveBufferSize(size, false)
		f.stopped.Store(0)
	}
}

// resize is SO_RCVBUF.
func (f *flood) resize(size int64) {
	if size == 0 || f.stopped.Swap(size) != 0 {
		return // takes effect when receiving goes on
	}
	f.stopped.Store(0)
	f.options.SetReceiveBufferSize(size, true)
}
