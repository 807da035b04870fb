package stack

import (
	"fmt"
	"net/netip"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// An Attempt is a SYN in a SYNQueue, which nothing was answered to. Its retransmissions
// are the same Attempt. A peer that merely stops waiting says nothing; Answer finds out.
type Attempt struct {
	queue *SYNQueue
	id    tcpstack.TransportEndpointID
	isn   uint32

	// Guarded by queue.mu.
	request *tcp.ForwarderRequest // from begun to the decision
	decided bool
	refused bool // decided before the request was there: begun answers RST
}

// Source is the address and port that connects.
func (a *Attempt) Source() netip.AddrPort { src, _ := flowEnds(a.id); return src }

// Destination is the address of ours that it connects to.
func (a *Attempt) Destination() netip.AddrPort { _, dst := flowEnds(a.id); return dst }

// decide takes the request, once; nil if the attempt is over or not begun.
func (a *Attempt) decide(refuse bool) *tcp.ForwarderRequest {
	q := a.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if a.decided {
		return nil
	}
	a.decided, a.refused = true, refuse
	r := a.request
	a.request = nil
	return r
}

// end completes a request that is not answered.
func (a *Attempt) end(reset bool) {
	if r := a.decide(reset); r != nil {
		r.Complete(reset)
		a.queue.remove(a)
	}
}

// Refuse answers with RST. After Answer, or when the attempt is over, it does nothing.
func (a *Attempt) Refuse() { a.end(true) }

// cancel forgets an attempt that its peer has withdrawn. A handshake that runs is
// gVisor's own matter.
func (a *Attempt) cancel() { a.end(false) }

// Answer has the handshake completed in the background. Then done is called once, on a
// goroutine of its own: with the endpoint and its queue, which are the callee's, or
// with why there is none. ECONNABORTED: the attempt is over, done is not called.
func (a *Attempt) Answer(done func(tcpip.Endpoint, *waiter.Queue, tcpip.Error)) error {
	q := a.queue
	q.mu.Lock()
	if a.decided || q.closed {
		q.mu.Unlock()
		return fmt.Errorf("stack: attempt from %v: %w", a.Source(), syscall.ECONNABORTED)
	}
	a.decided = true
	r := a.request
	a.request = nil
	q.running.Add(1)
	q.mu.Unlock()
	go func() {
		defer q.running.Done()
		queue := new(waiter.Queue)
		ep, err := r.CreateEndpoint(queue)
		r.Complete(false)
		q.remove(a)
		if err == nil {
			q.stack.FitBuffers(ep)
		}
		done(ep, queue, err)
	}()
	return nil
}

// abortHandshake makes a handshake fail.
func (a *Attempt) abortHandshake() {
	proto := netProto(a.Destination().Addr())
	ep, ok := a.queue.stack.tcpip.FindTransportEndpoint(proto, tcp.ProtocolNumber, a.id, 0).(*tcp.Endpoint)
	if ok && ep.EndpointState() == tcp.StateSynRecv {
		ep.Abort()
	}
}
