package gateway

import (
	"net/netip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// TCP is called by the stack for each flow, on a goroutine of the flow's own,
// which stays with it to the end.
func (g *Gateway) TCP(f *stack.Flow) {
	if !g.enter() {
		f.Drop()
		return
	}
	defer g.running.Done()
	g.TCPFlows.Add(1)
	if g.isDNS(f.Destination()) {
		g.dns.serveTCP(f)
		return
	}
	dst, e := g.target(f.Destination())
	if e != 0 {
		g.TCPDenied.Add(1)
		g.refused(f.Source(), f.Destination(), wsa.SOCK_STREAM, wsa.IPPROTO_TCP, e)
		end(f, e)
		return
	}
	s, e := g.open(f.Source(), dst, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	if e != 0 {
		g.TCPFailed.Add(1)
		end(f, e)
		return
	}
	newSplice(g, f, s).run(dst)
}

// open makes a socket of the chain that the flow resolves to.
func (g *Gateway) open(src, dst netip.AddrPort, typ, protocol int32) (*provider.Socket, wsa.Errno) {
	s, err := g.cfg.Session.Socket(&provider.SocketRequest{
		AF: family(dst.Addr()), Type: typ, Protocol: protocol,
		Flags: wsa.WSA_FLAG_OVERLAPPED, Origin: g.origin(src, dst),
	})
	if err != nil {
		g.log.Debug("no socket for a flow", "src", src, "dst", dst, "err", err)
		return nil, codeOf(err)
	}
	return s, 0
}

func codeOf(err error) wsa.Errno {
	if e, ok := wsa.Code(err); ok {
		return e
	}
	return wsa.ENETDOWN
}

// bell is a provider.Watcher that remembers one ring.
type bell chan struct{}

func newBell() bell { return make(bell, 1) }

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}

// Wake may only mark: it is called under the base's locks.
func (b bell) Wake(*provider.Socket, wsa.Events) { b.ring() }

var _ provider.Watcher = bell(nil)
