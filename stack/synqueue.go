package stack

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// A SYNQueue is a listener that answers nothing by itself: connection attempts to
// addresses of the Stack wait in it until they are answered or refused (Winsock's
// SO_CONDITIONAL_ACCEPT). It stands behind gVisor's endpoints: what one of them
// listens to never comes here. Safe for concurrent use.
type SYNQueue struct {
	stack *Stack
	at    []netip.AddrPort
	wake  func()

	forwarder *tcp.Forwarder
	running   sync.WaitGroup // beginnings and handshakes

	mu       sync.Mutex
	backlog  int
	paused   bool
	closed   bool
	attempts map[tcpstack.TransportEndpointID]*Attempt // until they are over, or connected
	waiting  []*Attempt                                // those among them that Next gives
}

// QueueSYNs makes a SYNQueue for the attempts to the addresses at, of which the
// unspecified ones mean all of the Stack's own in their family. Beyond backlog
// attempts SYNs are dropped. wake is called when one has come, from any goroutine;
// it only marks and schedules. EADDRINUSE: another SYNQueue has one of at.
func (s *Stack) QueueSYNs(at []netip.AddrPort, backlog int, wake func()) (*SYNQueue, error) {
	q := &SYNQueue{stack: s, at: slices.Clone(at), wake: wake, backlog: backlog, attempts: map[tcpstack.TransportEndpointID]*Attempt{}}
	q.forwarder = tcp.NewForwarder(s.tcpip, s.config.ReceiveBuffer.Default, unboundedForwarder, q.begun)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("stack: queue SYNs: %w", net.ErrClosed)
	}
	all := maps.Clone(*s.synQueues.Load())
	for _, a := range q.at {
		if all[a] != nil {
			return nil, fmt.Errorf("stack: SYNs to %v are queued already: %w", a, syscall.EADDRINUSE)
		}
		all[a] = q
	}
	s.synQueues.Store(&all)
	return q, nil
}

// SetBacklog changes the bound; what waits already stays.
func (q *SYNQueue) SetBacklog(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.backlog = n
}

// Pause has further attempts refused while it is on.
func (q *SYNQueue) Pause(on bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.paused = on
}

// Len is how many attempts wait for Next.
func (q *SYNQueue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// Next takes the first attempt that waits, nil if none does. It stays the caller's
// until Answer or Refuse.
func (q *SYNQueue) Next() *Attempt {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return nil
	}
	a := q.waiting[0]
	q.waiting = slices.Delete(q.waiting, 0, 1)
	return a
}

// Close refuses what waits, ends handshakes, and returns when no wake and no call of
// an Answer's function runs any more. It must not be called from one.
func (q *SYNQueue) Close() {
	s := q.stack
	s.mu.Lock()
	all := maps.Clone(*s.synQueues.Load())
	maps.DeleteFunc(all, func(_ netip.AddrPort, o *SYNQueue) bool { return o == q })
	s.synQueues.Store(&all)
	s.mu.Unlock()
	q.mu.Lock()
	q.closed = true
	open := slices.Collect(maps.Values(q.attempts))
	q.mu.Unlock()
	for _, a := range open {
		a.Refuse()
	}
	q.await(open)
}

// await waits for the handshakes among open to end. One may begin just after a look
// at it, so it looks again.
func (q *SYNQueue) await(open []*Attempt) {
	ended := make(chan struct{})
	go func() {
		q.running.Wait()
		close(ended)
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, a := range open {
			a.abortHandshake()
		}
		select {
		case <-ended:
			return
		case <-tick.C:
		}
	}
}

// queueSYN takes a segment without an endpoint that is for a SYNQueue; false leaves it
// to others.
func (s *Stack) queueSYN(id tcpstack.TransportEndpointID, pkt *tcpstack.PacketBuffer) bool {
	all := *s.synQueues.Load()
	if len(all) == 0 {
		return false
	}
	_, dst := flowEnds(id)
	if s.owner(dst.Addr()) == nil && !dst.Addr().IsLoopback() {
		return false
	}
	q := all[dst]
	if q == nil {
		q = all[netip.AddrPortFrom(unspecified(dst.Addr()), dst.Port())]
	}
	if q == nil {
		return false
	}
	h := header.TCP(pkt.TransportHeader().Slice())
	switch flags := uint8(h.Flags()) & (tcpFlagSYN | tcpFlagACK | tcpFlagRST | tcpFlagFIN); {
	case flags&tcpFlagRST != 0:
		return q.reset(id, h.SequenceNumber())
	case flags == tcpFlagSYN:
		return q.syn(id, h.SequenceNumber(), pkt)
	}
	return false
}

func unspecified(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// syn takes a SYN. One that begins anew from the port of an attempt ends that one, and
// is taken up with its retransmission.
func (q *SYNQueue) syn(id tcpstack.TransportEndpointID, isn uint32, pkt *tcpstack.PacketBuffer) bool {
	q.mu.Lock()
	old := q.attempts[id]
	switch {
	case old != nil:
		q.mu.Unlock()
		if old.isn != isn {
			old.cancel()
		}
		return true
	case q.closed, q.paused:
		q.mu.Unlock()
		return false
	case len(q.attempts) >= q.backlog:
		q.mu.Unlock()
		return true
	}
	a := &Attempt{queue: q, id: id, isn: isn}
	q.attempts[id] = a
	q.running.Add(1)
	q.mu.Unlock()
	if !q.forwarder.HandlePacket(id, pkt) { // no goroutine was started: the checksum is wrong
		q.remove(a)
		q.running.Done()
	}
	return true
}

// begun is a goroutine of the forwarder's.
func (q *SYNQueue) begun(r *tcp.ForwarderRequest) {
	defer q.running.Done()
	q.mu.Lock()
	a := q.attempts[r.ID()]
	if a == nil {
		q.mu.Unlock()
		r.Complete(false)
		return
	}
	if a.decided {
		delete(q.attempts, a.id)
		q.mu.Unlock()
		r.Complete(a.refused)
		return
	}
	a.request = r
	q.waiting = append(q.waiting, a)
	q.mu.Unlock()
	q.wake()
}

// reset is an RST for an attempt that is not answered: RFC 9293 3.10.7.4, as for flows.
func (q *SYNQueue) reset(id tcpstack.TransportEndpointID, seq uint32) bool {
	q.mu.Lock()
	a := q.attempts[id]
	q.mu.Unlock()
	if a == nil {
		return false
	}
	if seq == a.isn+1 {
		a.cancel()
	}
	return true
}

func (q *SYNQueue) remove(a *Attempt) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.attempts[a.id] == a {
		delete(q.attempts, a.id)
	}
	q.waiting = slices.DeleteFunc(q.waiting, func(o *Attempt) bool { return o == a })
}

// QueuesSYNs reports whether a SYNQueue has exactly the address a.
func (s *Stack) QueuesSYNs(a netip.AddrPort) bool { return (*s.synQueues.Load())[a] != nil }
