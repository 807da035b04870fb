package stack

import (
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// txQueue writes to one queue of the device, and holds packets while that is
// down or full instead of dropping them: a lost tail costs gVisor an RTO at
// best, and with RACK the connection (tests.md 5.2).
//
// The order is kept: while something is held, everything joins the end.
//
// The newest segment of each connection that wants an answer is held for as long as the device
// is down, whatever its age: it is what the RTO sent last, so with it the
// connection goes on when the light comes back, and not with the next RTO, which
// may be a minute away (rto.go).
type txQueue struct {
	link  *link
	index int
	down  atomic.Bool

	holding atomic.Bool // held is not empty, or its flusher runs
	mu      sync.Mutex
	held    []heldPacket                      // ring would save nothing: it is emptied as a whole
	newest  map[uint32]*tcpstack.PacketBuffer // of held, by PacketBuffer.Hash: gVisor draws it per TCP endpoint
	bytes   int
	ended   bool // by drop: nothing is held any more
}

type heldPacket struct {
	pkt   *tcpstack.PacketBuffer
	since time.Time
}

// wantsACK says that TCP sends pkt again until it is answered.
func wantsACK(pkt *tcpstack.PacketBuffer) bool {
	tcp := header.TCP(pkt.TransportHeader().Slice())
	return pkt.TransportProtocolNumber == header.TCPProtocolNumber && len(tcp) >= header.TCPMinimumSize &&
		(pkt.Data().Size() > 0 || tcp.Flags().Intersects(header.TCPFlagSyn|header.TCPFlagFin))
}

const (
	// A device that came up again gets its addresses and routes back a moment
	// later; what we send before is lost in the kernel's input. So wait a
	// little after "down" (not after "full"): `ip -batch` needs about 1 ms, and
	// Linux makes the local route of an IPv6 address in a work queue.
	settleTime = 10 * time.Millisecond

	// waitSlice bounds one WaitWritable, in case its wake-up is lost.
	waitSlice = 100 * time.Millisecond
)

// send writes pkt or holds it. An error is back-pressure: pkt was not taken.
func (q *txQueue) send(pkt *tcpstack.PacketBuffer) tcpip.Error {
	if q.holding.Load() && q.join(pkt) {
		return nil
	}
	l := q.link
	switch err := q.write(pkt); classifyNil(err) {
	case written:
		return nil
	case refused:
		l.nic.counters.add(TxDropRefused, 1)
		return nil
	case gone:
		l.nic.counters.add(TxDropGone, 1)
		l.vanish(err)
		return &tcpip.ErrClosedForSend{}
	case down:
		return q.hold(pkt, true)
	default:
		return q.hold(pkt, false)
	}
}

// written extends trouble by its absence.
const written trouble = 255

func classifyNil(err error) trouble {
	if err == nil {
		return written
	}
	return classify(err)
}

func (q *txQueue) write(pkt *tcpstack.PacketBuffer) error {
	l := q.link
	v := l.vectors.Get().(*vector)
	v.gather(l, pkt)
	_, err := l.dev.WritePacket(q.index, v.bufs)
	gso := v.header[1] != vnetGSONone && l.vnet
	v.clear()
	l.vectors.Put(v)
	if err == nil {
		l.nic.counters.add(TxPackets, 1)
		l.nic.counters.add(TxBytes, pkt.Size()-l.ether)
		if gso {
			l.nic.counters.add(TxGSO, 1)
		}
	}
	return err
}

// join appends pkt if the queue is holding still.
func (q *txQueue) join(pkt *tcpstack.PacketBuffer) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.holding.Load() {
		return false
	}
	if !q.appendLocked(pkt) {
		// Dropping here is back-pressure of a kind: gVisor's TCP slows down.
		q.link.nic.counters.add(TxDropHeldOverflow, 1)
	}
	return true
}

// hold keeps pkt and starts the flusher.
func (q *txQueue) hold(pkt *tcpstack.PacketBuffer, down bool) tcpip.Error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		q.link.nic.counters.add(TxDropGone, 1)
		return &tcpip.ErrClosedForSend{}
	}
	if !q.appendLocked(pkt) {
		q.link.nic.counters.add(TxDropHeldOverflow, 1)
		return &tcpip.ErrNoBufferSpace{}
	}
	q.down.Store(down)
	if !q.holding.Swap(true) {
		q.link.readers.Go(q.flush)
	}
	return nil
}

func (q *txQueue) appendLocked(pkt *tcpstack.PacketBuffer) bool {
	if q.bytes+pkt.Size() > q.link.stack.config.HoldBytes {
		return false
	}
	q.held = append(q.held, heldPacket{pkt.IncRef(), time.Now()})
	q.bytes += pkt.Size()
	if wantsACK(pkt) {
		if q.newest == nil {
			q.newest = map[uint32]*tcpstack.PacketBuffer{}
		}
		q.newest[pkt.Hash] = pkt
	}
	q.link.nic.counters.add(TxHeld, 1)
	return true
}

// flush writes what is held, oldest first, and ends when nothing is left.
func (q *txQueue) flush() {
	for {
		pkt := q.oldest()
		if pkt == nil {
			return
		}
		err := q.write(pkt)
		switch t := classifyNil(err); t {
		case written:
			q.down.Store(false)
			q.pop(pkt)
		case refused:
			q.link.nic.counters.add(TxDropRefused, 1)
			q.pop(pkt)
		case gone:
			q.link.vanish(err)
			q.drop()
		default:
			q.down.Store(t == down)
			if !q.wait(t == down) {
				q.drop()
			}
			q.expire()
		}
		pkt.DecRef()
	}
}

// oldest returns the packet to write next, with a reference for the caller (drop
// may take it out of the queue meanwhile), or nil after the queue went back to
// direct writing.
func (q *txQueue) oldest() *tcpstack.PacketBuffer {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.held) == 0 {
		q.held, q.newest = nil, nil
		q.down.Store(false)
		q.holding.Store(false)
		return nil
	}
	return q.held[0].pkt.IncRef()
}

// expire drops packets that waited too long, but for the newest of each
// connection.
func (q *txQueue) expire() {
	q.mu.Lock()
	defer q.mu.Unlock()
	limit := time.Now().Add(-q.link.stack.config.HoldTime)
	kept := q.held[:0]
	for _, h := range q.held {
		if h.since.Before(limit) && q.newest[h.pkt.Hash] != h.pkt {
			q.link.nic.counters.add(TxDropHeldAge, 1)
			q.bytes -= h.pkt.Size()
			h.pkt.DecRef()
			continue
		}
		kept = append(kept, h)
	}
	clear(q.held[len(kept):])
	q.held = kept
}

func (q *txQueue) pop(pkt *tcpstack.PacketBuffer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.held) > 0 && q.held[0].pkt == pkt { // not dropped meanwhile
		q.popLocked()
	}
}

func (q *txQueue) popLocked() {
	pkt := q.held[0].pkt
	q.bytes -= pkt.Size()
	q.held[0] = heldPacket{}
	q.held = q.held[1:]
	if q.newest[pkt.Hash] == pkt {
		delete(q.newest, pkt.Hash)
	}
	pkt.DecRef()
}

// wait blocks until another try is worth it; false when the link is closing.
// Whatever the device says, tries are at least a settleTime (down) or a
// millisecond (full) apart, so that a storm of errors never spins.
func (q *txQueue) wait(down bool) bool {
	pause := time.Millisecond
	if down {
		pause = settleTime
	}
	// The error is of no interest: the next write tells.
	_ = q.link.dev.WaitWritable(q.index, time.Now().Add(waitSlice))
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-q.link.closing:
		return false
	case <-q.link.gone:
		return false
	}
}

// drop forgets what is held, for good.
func (q *txQueue) drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.link.nic.counters.add(TxDropGone, len(q.held))
	for len(q.held) > 0 {
		q.popLocked()
	}
}
