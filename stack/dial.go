package stack

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// DialFlow connects from src to dst, a program behind the NIC, and returns the
// accepted flow: Source is src, Destination is dst. src may be anybody's address
// (the NIC has a FlowHandler, so it answers for all); port 0 is a free one of it.
// It blocks until the program's kernel has answered or ctx ends. The Flow is the
// caller's to Close or Abort.
//
// Errors: ECONNREFUSED (RST, or ICMP port unreachable), EHOSTUNREACH and
// ENETUNREACH (ICMP, or no route), ETIMEDOUT (no answer), EADDRINUSE (a flow between
// src and dst exists, or one of the program's to src), EINVAL (addresses of two
// families, no port in dst, a NIC without FlowHandler), ENOBUFS
// (Config.MaxHandshakes of such calls wait), net.ErrClosed, the NIC's Err, or that of
// ctx.
func (n *NIC) DialFlow(ctx context.Context, src, dst netip.AddrPort) (*Flow, error) {
	f, err := n.dialFlow(ctx, unmapped(src), unmapped(dst))
	if err != nil {
		return nil, fmt.Errorf("stack: connect from %v to %v inside: %w", src, dst, err)
	}
	return f, nil
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func (n *NIC) dialFlow(ctx context.Context, src, dst netip.AddrPort) (*Flow, error) {
	from, to := src.Addr(), dst.Addr()
	if n.handler == nil || !from.IsValid() || !to.IsValid() || from.Is4() != to.Is4() || dst.Port() == 0 {
		return nil, syscall.EINVAL
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := n.stack.flows.dial(flowKey{n, src, dst})
	if err != nil {
		return nil, err
	}
	defer n.handlers.Done()
	err = f.connect(ctx)
	if lost := n.stack.flows.dialed(f, err == nil); lost != nil && err == nil {
		f.ep.Abort()
		err = lost
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// dial registers an attempt, so that the end of its NIC is its end.
func (t *flowTable) dial(key flowKey) (*Flow, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if key.nic.ending {
		return nil, net.ErrClosed
	}
	if err := key.nic.Err(); err != nil {
		return nil, err
	}
	if len(t.dialing) >= t.stack.config.MaxHandshakes {
		key.nic.counters.add(FlowDropLimit, 1)
		return nil, syscall.ENOBUFS
	}
	f := &Flow{stack: t.stack, nic: key.nic, key: key, phase: accepting, canceled: make(chan struct{})}
	f.unleased = sync.Cond{L: &f.mu}
	t.dialing[f] = struct{}{}
	key.nic.handlers.Add(1)
	return f, nil
}

// dialed ends the attempt. A flow that was connected becomes live, unless its NIC
// has gone meanwhile.
func (t *flowTable) dialed(f *Flow, connected bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.dialing, f)
	switch {
	case f.nic.ending:
		return net.ErrClosed
	case f.nic.Err() != nil:
		return f.nic.Err()
	case connected:
		t.live[f] = struct{}{}
	}
	return nil
}

// connect makes the endpoint and waits for the end of its handshake.
func (f *Flow) connect(ctx context.Context) error {
	s, n := f.stack, f.nic
	made, err := s.tcpip.NewEndpoint(tcp.ProtocolNumber, netProto(f.key.src.Addr()), &f.queue)
	if err != nil {
		return errno(err)
	}
	ep := made.(*tcp.Endpoint)
	// One client may come from one port to several of ours: only the 4-tuple has to
	// be free.
	ep.SocketOptions().SetReuseAddress(true)
	s.endTimeWait(f.key)
	told := make(chan struct{}, 1)
	w := waiter.NewFunctionEntry(^waiter.EventMask(0), func(waiter.EventMask) {
		select {
		case told <- struct{}{}:
		default:
		}
	})
	f.queue.EventRegister(&w)
	defer f.queue.EventUnregister(&w)
	if err := f.begin(ep); err != nil {
		ep.Abort()
		return err
	}
	for handshaking(ep) {
		select {
		case <-told:
			continue
		case <-ctx.Done():
			ep.Abort()
			return ctx.Err()
		case <-f.canceled:
			ep.Abort()
			if err := n.Err(); err != nil {
				return err
			}
			return net.ErrClosed
		}
	}
	if ep.EndpointState() == tcp.StateError {
		err := dialErrno(ep.LastError())
		ep.Close()
		return err
	}
	src, err := ep.GetLocalAddress()
	if err != nil {
		ep.Abort()
		return errno(err)
	}
	f.mu.Lock()
	f.ep, f.phase = ep, accepted
	f.key.src = netip.AddrPortFrom(f.key.src.Addr(), src.Port)
	f.mu.Unlock()
	s.FitBuffers(ep)
	return nil
}

func (f *Flow) begin(ep *tcp.Endpoint) error {
	from := tcpip.FullAddress{NIC: f.nic.id, Addr: ToAddress(f.key.src.Addr()), Port: f.key.src.Port()}
	if err := ep.Bind(from); err != nil {
		return dialErrno(err)
	}
	to := tcpip.FullAddress{NIC: f.nic.id, Addr: ToAddress(f.key.dst.Addr()), Port: f.key.dst.Port()}
	switch err := ep.Connect(to); err.(type) {
	case *tcpip.ErrConnectStarted:
		return nil
	case *tcpip.ErrBadLocalAddress: // what Connect calls a 4-tuple that is taken
		return syscall.EADDRINUSE
	default:
		return dialErrno(err)
	}
}

// endTimeWait lets a connection between the two begin anew: the other side has
// done with the old one, or it would not.
func (s *Stack) endTimeWait(key flowKey) {
	ep, ok := s.tcpip.FindTransportEndpoint(netProto(key.dst.Addr()), tcp.ProtocolNumber, flowID(key.dst, key.src), key.nic.id).(*tcp.Endpoint)
	if ok && ep.EndpointState() == tcp.StateTimeWait {
		ep.Abort()
	}
}

func handshaking(ep *tcp.Endpoint) bool {
	switch ep.EndpointState() {
	case tcp.StateBound, tcp.StateConnecting, tcp.StateSynSent, tcp.StateSynRecv:
		return true
	}
	return false
}

// dialErrno is errno for an attempt, of which a reset is the refusal.
func dialErrno(err tcpip.Error) error {
	switch err.(type) {
	case *tcpip.ErrConnectionRefused, *tcpip.ErrConnectionReset:
		return syscall.ECONNREFUSED
	case *tcpip.ErrNoPortAvailable:
		return syscall.EADDRINUSE
	case nil:
		return syscall.ECONNABORTED
	}
	return errno(err)
}
