package stacktest

import (
	"context"
	"io"
	"net/netip"
	"sync"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/netnsd/netnsd/stack"
)

// NewNaive is the stack that everybody would write first, `water-1500` of
// perf.md B: rw is a songgao/water device (or whatever reads and writes one IP
// packet per call, without virtio_net_hdr), behind it gVisor's link/channel
// endpoint, with a goroutine and a system call per packet each way. Buffers,
// SACK, loss recovery and congestion control are those of our own stack, so
// that a comparison compares links.
//
// Close of the Stack or the NIC closes rw and waits for both goroutines, so rw
// must return from Read then, as water's devices do.
func NewNaive(cfg stack.Config, rw io.ReadWriteCloser, mtu int, addrs []netip.Prefix, forward stack.FlowHandler) (*stack.Stack, *stack.NIC, error) {
	s, err := stack.New(cfg)
	if err != nil {
		rw.Close()
		return nil, nil, err
	}
	e := &naive{Endpoint: channel.New(1024, uint32(mtu), ""), rw: rw}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	nic, err := s.AddNIC(stack.NICConfig{Name: "naive", Endpoint: e, Addrs: addrs, Forward: forward})
	if err != nil {
		rw.Close()
		s.Close()
		return nil, nil, err
	}
	e.pumps.Go(e.receive)
	e.pumps.Go(e.send)
	return s, nic, nil
}

// naive is a channel endpoint with its pumps.
type naive struct {
	*channel.Endpoint
	rw     io.ReadWriteCloser
	ctx    context.Context
	cancel context.CancelFunc
	pumps  sync.WaitGroup
	once   sync.Once
}

func (e *naive) receive() {
	buf := make([]byte, 65536+64)
	for {
		n, err := e.rw.Read(buf)
		if err != nil {
			return
		}
		if n == 0 {
			continue
		}
		pkt := tcpstack.NewPacketBuffer(tcpstack.PacketBufferOptions{Payload: buffer.MakeWithData(buf[:n])})
		switch header.IPVersion(buf) {
		case header.IPv4Version:
			e.InjectInbound(header.IPv4ProtocolNumber, pkt)
		case header.IPv6Version:
			e.InjectInbound(header.IPv6ProtocolNumber, pkt)
		}
		pkt.DecRef()
	}
}

func (e *naive) send() {
	for {
		pkt := e.ReadContext(e.ctx)
		if pkt == nil {
			return
		}
		v := pkt.ToView()
		e.rw.Write(v.AsSlice())
		v.Release()
		pkt.DecRef()
	}
}

// Close ends the pumps. gVisor calls it again when it takes the NIC away.
func (e *naive) Close() {
	e.once.Do(func() {
		e.cancel()
		e.rw.Close()
		e.pumps.Wait()
		e.Endpoint.Close()
	})
}
