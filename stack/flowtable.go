package stack

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// flowTable knows every flow from its SYN to its close.
//
// Lock order: Flow.mu before flowTable.mu. Neither is held while gVisor or a
// handler is called, but for ForwarderRequest.Complete(false), which takes the
// forwarder's lock only.
type flowTable struct {
	stack *Stack

	mu      sync.Mutex
	pending handshakes         // until the verdict is carried out
	live    map[*Flow]struct{} // accepted, until Close or Abort
	dialing map[*Flow]struct{} // until DialFlow returns
	silent  silences
}

// unboundedForwarder switches the bound of gVisor's forwarder off: ours counts
// per source as well, and its overflow is counted per NIC.
const unboundedForwarder = 1 << 30

func (t *flowTable) init(s *Stack) {
	t.stack = s
	t.pending.init()
	t.live = map[*Flow]struct{}{}
	t.dialing = map[*Flow]struct{}{}
	t.silent.init()
}

// syn takes a SYN of a new connection; false leaves it to gVisor, which
// answers RST.
func (t *flowTable) syn(n *NIC, id tcpstack.TransportEndpointID, src, dst netip.AddrPort, pkt *tcpstack.PacketBuffer) bool {
	key := flowKey{n, src, dst}
	isn := header.TCP(pkt.TransportHeader().Slice()).SequenceNumber()
	f, over := t.admit(key, isn, pkt)
	for _, old := range over {
		old.cancel()
		old.abortHandshake()
	}
	if f == nil || n.forwarder.HandlePacket(id, pkt) {
		return true
	}
	// Not a SYN that gVisor can read: no goroutine was started.
	t.forget(f)
	n.handlers.Done()
	n.counters.add(RxDropL4Header, 1)
	return true
}

// admit makes a Flow of a SYN that is new and within the bounds. Otherwise it may
// name attempts that are over then; the new one is taken up with its retransmission,
// when they are cleared away.
func (t *flowTable) admit(key flowKey, isn uint32, pkt *tcpstack.PacketBuffer) (f *Flow, over []*Flow) {
	n := key.nic
	t.mu.Lock()
	defer t.mu.Unlock()
	if n.ending {
		return nil, nil
	}
	if old := t.pending.flows[key]; old != nil {
		if old.isn != isn { // the program gave up and began anew
			over = append(over, old)
		}
		return nil, over
	}
	if t.silent.has(key, isn, time.Now()) {
		n.counters.add(FlowDropSilenced, 1)
		return nil, nil
	}
	if ok, over := t.room(key); !ok {
		return nil, over
	}
	return t.begin(key, isn, pkt), nil
}

// begun gives the flow its request; nil when it was canceled before.
func (t *flowTable) begun(key flowKey, r *tcp.ForwarderRequest) *Flow {
	t.mu.Lock()
	f := t.pending.flows[key]
	t.mu.Unlock()
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cut {
		f.phase = decided
		t.forget(f)
		return nil
	}
	f.request = r
	return f
}

func (t *flowTable) forget(f *Flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pending.remove(f)
}

// settle ends the pending time of f. An accepted flow becomes live; false when
// its NIC or the Stack was closed meanwhile.
func (t *flowTable) settle(f *Flow, accepted bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pending.remove(f)
	if !accepted {
		return false
	}
	if f.nic.ending || f.nic.Err() != nil {
		return false
	}
	t.live[f] = struct{}{}
	return true
}

func (t *flowTable) remove(f *Flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.live, f)
}

func (t *flowTable) silence(f *Flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.silent.add(f.key, f.isn, time.Now())
}

// reset is an RST for a flow that is not accepted yet: RFC 9293 3.10.7.4 wants
// it to be in the window, of which only the first byte is known.
func (t *flowTable) reset(key flowKey, seq uint32) {
	t.mu.Lock()
	f := t.pending.flows[key]
	t.mu.Unlock()
	if f != nil && seq == f.isn+1 {
		f.cancel()
	}
}

// cancel closes Canceled, and ends an attempt that is not accepted.
func (f *Flow) cancel() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cut {
		return
	}
	f.cut = true
	close(f.canceled)
}

// cut ends every flow of n with a cause, and waits until the leases among them
// have ended. Handshakes in progress fail as well.
func (t *flowTable) cut(n *NIC, cause error) {
	t.mu.Lock()
	var pending, live, dialing []*Flow
	for _, f := range t.pending.flows {
		if f.nic == n {
			pending = append(pending, f)
		}
	}
	for f := range t.live {
		if f.nic == n {
			live = append(live, f)
		}
	}
	for f := range t.dialing {
		if f.nic == n {
			dialing = append(dialing, f)
		}
	}
	t.mu.Unlock()
	for _, f := range dialing {
		f.cancel()
	}
	for _, f := range pending {
		f.cancel()
		f.abortHandshake()
	}
	for _, f := range live {
		f.fail(cause)
	}
}

// abortHandshake makes a blocked Accept return.
func (f *Flow) abortHandshake() {
	proto := netProto(f.key.dst.Addr())
	id := flowID(f.key.src, f.key.dst)
	if ep, ok := f.stack.tcpip.FindTransportEndpoint(proto, tcp.ProtocolNumber, id, f.nic.id).(*tcp.Endpoint); ok {
		if ep.EndpointState() == tcp.StateSynRecv {
			ep.Abort()
		}
	}
}

// end ends every flow of n for good, and waits for its handlers.
func (t *flowTable) end(n *NIC) {
	t.mu.Lock()
	n.ending = true
	t.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		n.handlers.Wait()
		close(ended)
	}()
	// A handshake may begin just after a look at it, so look again.
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		t.cut(n, net.ErrClosed)
		select {
		case <-ended:
			t.cut(n, net.ErrClosed)
			return
		case <-tick.C:
		}
	}
}
