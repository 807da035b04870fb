package stack

import (
	"container/list"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// A FlowHandler is a gateway: it decides what becomes of the flows of a NIC
// that nobody in the Stack owns. That is, flows to foreign addresses, and flows
// to one of our own addresses without a socket.
type FlowHandler interface {
	// TCP is called on a goroutine of its own for each connection attempt,
	// which it decides with one of Accept, Refuse, Unreachable and Drop. If it
	// returns undecided the flow is refused. Retransmissions of the SYN are the
	// same Flow. It may go on using an accepted Flow, also after it has returned,
	// until Close or Abort; it must return soon after Canceled, or after errors of
	// the Flow: Stack.Close waits for it.
	TCP(f *Flow)
	// UDP is called on the reading goroutine and must not block.
	UDP(d *Datagram)
	// Echo, too: a ping to an address that is not one of ours.
	Echo(e *Echo)
}

// A Limiter is a FlowHandler that bounds the handshakes in flight of each of its
// NICs: in all, and of one source address. Config.MaxHandshakes and
// MaxHandshakesPerSource hold besides, over all NICs. Asked once, by AddNIC.
type Limiter interface {
	FlowHandler
	Handshakes() (all, perSource int)
}

// A Flow is a TCP connection from a program behind a NIC: first an attempt,
// after Accept a byte stream; or one to such a program, by DialFlow. Until Accept only Source, Destination, NIC, TTL, TOS,
// Canceled and the four verdicts may be used; afterwards everything else, from
// any goroutine, but one Peek and one Fill at a time.
type Flow struct {
	stack *Stack
	nic   *NIC
	key   flowKey
	isn   uint32 // of the SYN
	ttl   uint8
	tos   uint8
	quote Quote

	began  tcpip.MonotonicTime
	listed struct{ nic, source *list.Element } // among the attempts of flowTable.pending

	canceled chan struct{}

	mu       sync.Mutex
	phase    phase
	request  *tcp.ForwarderRequest // from the start of runFlow to the verdict
	cut      bool                  // canceled is closed
	peeking  bool                  // Peek runs
	leases   int                   // Peek or Fill run
	closed   bool                  // Close or Abort was called
	finSent  bool                  // CloseWrite was called
	deferred func()                // what Close or Abort do when the leases end
	unleased sync.Cond             // signaled when leases falls to 0
	watch    *waiter.Entry
	cause    error // first hard error of the connection, sticky

	queue waiter.Queue
	ep    *tcp.Endpoint
	chunk filler
}

// flowKey tells flows apart.
type flowKey struct {
	nic      *NIC
	src, dst netip.AddrPort
}

type phase uint8

const (
	undecided phase = iota
	accepting
	accepted
	decided // refused, dropped, or accepting failed
)

// Source is the program's address and port, or who was said to dial it.
func (f *Flow) Source() netip.AddrPort { return f.key.src }

// Destination is what the program connects to, or the program's address and port.
func (f *Flow) Destination() netip.AddrPort { return f.key.dst }

// NIC is where the program is.
func (f *Flow) NIC() *NIC { return f.nic }

// TTL is that of the SYN, for gateways that answer TCP traceroutes.
func (f *Flow) TTL() uint8 { return f.ttl }

// TOS is the type of service or traffic class of the SYN.
func (f *Flow) TOS() uint8 { return f.tos }

// Canceled is closed when the attempt is known to be over: the program reset
// it or began anew from the same port, it has waited for 4 s and has to make room
// (Config.MaxHandshakes), the NIC went away, or the Stack closes.
// The last two close it after Accept as well.
// A program that merely stops waiting says nothing; Accept finds out.
func (f *Flow) Canceled() <-chan struct{} { return f.canceled }

// decide takes the flow from undecided to p, once.
func (f *Flow) decide(p phase) (*tcp.ForwarderRequest, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.phase != undecided {
		return nil, fmt.Errorf("stack: flow from %v to %v is decided already: %w", f.key.src, f.key.dst, syscall.EALREADY)
	}
	f.phase = p
	if f.cut {
		f.phase = decided
		f.request.Complete(false)
		f.request = nil
		f.stack.flows.forget(f)
		return nil, fmt.Errorf("stack: flow from %v to %v was canceled: %w", f.key.src, f.key.dst, syscall.ECONNABORTED)
	}
	r := f.request
	f.request = nil
	return r, nil
}

// Accept completes the handshake with the program and blocks until that is
// done or has failed: ECONNRESET (the program reset it, for it had stopped
// waiting), ETIMEDOUT (no ACK), ECONNABORTED (canceled), EADDRINUSE (the
// 4-tuple is taken), or what the route says.
func (f *Flow) Accept() error {
	r, err := f.decide(accepting)
	if err != nil {
		return err
	}
	ep, terr := r.CreateEndpoint(&f.queue)
	r.Complete(false)
	f.mu.Lock()
	defer f.mu.Unlock()
	if terr != nil {
		f.phase = decided
		f.stack.flows.settle(f, false)
		return fmt.Errorf("stack: accept flow from %v to %v: %w", f.key.src, f.key.dst, errno(terr))
	}
	f.phase = accepted
	f.quote = Quote{}
	f.ep = ep.(*tcp.Endpoint)
	f.stack.FitBuffers(f.ep)
	if !f.stack.flows.settle(f, true) {
		f.closed = true
		f.ep.Abort()
		return fmt.Errorf("stack: accept flow from %v to %v: %w", f.key.src, f.key.dst, syscall.ECONNABORTED)
	}
	return nil
}

// Abandon ends the attempt unless it has been accepted: who waits in Accept, or calls it
// later, gets ECONNABORTED. It does not block.
func (f *Flow) Abandon() {
	f.mu.Lock()
	over := f.phase == undecided || f.phase == accepting
	f.mu.Unlock()
	if over {
		f.cancel()
		f.abortHandshake()
	}
}

// Refuse answers with RST: connection refused.
func (f *Flow) Refuse() {
	if r, err := f.decide(decided); err == nil {
		r.Complete(true)
		f.stack.flows.settle(f, false)
	}
}

// Unreachable answers with an ICMP error that quotes the SYN.
func (f *Flow) Unreachable(u Unreachable) { f.UnreachableFrom(netip.Addr{}, u) }

// UnreachableBy answers with the ICMP error e, which quotes the SYN. One that is none
// about a packet is a refusal.
func (f *Flow) UnreachableBy(e ICMPError) {
	if r, err := f.decide(decided); err == nil {
		err := f.nic.SendICMPError(f.quote, e)
		r.Complete(errors.Is(err, syscall.EINVAL))
		f.stack.flows.settle(f, false)
	}
}

// UnreachableFrom is Unreachable in the name of from.
func (f *Flow) UnreachableFrom(from netip.Addr, u Unreachable) {
	if r, err := f.decide(decided); err == nil {
		f.nic.SendUnreachableFrom(from, f.quote, u)
		r.Complete(false)
		f.stack.flows.settle(f, false)
	}
}

// Drop answers nothing, and nothing to the retransmissions of the SYN either:
// the program's connect times out as it would on a real network.
func (f *Flow) Drop() {
	if r, err := f.decide(decided); err == nil {
		f.stack.flows.silence(f)
		r.Complete(false)
		f.stack.flows.settle(f, false)
	}
}

var errFlowClosed = fmt.Errorf("stack: flow: %w", net.ErrClosed)
