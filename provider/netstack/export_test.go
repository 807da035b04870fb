package netstack

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Rows are the names of the errors that the table has, each with its codes by operation.
func Rows() map[string][ops]wsa.Errno {
	m := make(map[string][ops]wsa.Errno)
	for t, c := range codes {
		m[t.Elem().Name()] = c
	}
	return m
}

// Dead is the operation whose codes are those of base.State.Err.
const Dead = opDead

// Terminal are the codes that Dead may have.
func Terminal(e wsa.Errno) bool { return terminal[e] }

// Quote is the parser of ICMP errors.
func Quote(v6 bool, pkt []byte, whole bool) (from, to netip.AddrPort, e wsa.Errno, ok bool) {
	q, ok := quote(v6, pkt, whole)
	return q.from, q.to, q.errno, ok
}

// Gate is the gate of a stream.
type Gate = gate

// Enter, Leave and Outside are its methods.
func (g *gate) Enter()        { g.enter() }
func (g *gate) Leave() bool   { return g.leave() }
func (g *gate) Outside() bool { return g.outside() }

// Bindings is the number of addresses that are taken.
func (d *Driver) Bindings() int { return d.bound.Len() }

// Known is the number of ports whose ICMP errors are waited for.
func (d *Driver) Known() int {
	d.icmp.mu.Lock()
	defer d.icmp.mu.Unlock()
	return len(d.icmp.byPort)
}

// Bare is gVisor's own endpoint under e.
func Bare(e base.Endpoint) tcpip.Endpoint {
	switch e := e.(type) {
	case *stream:
		return e.ep
	case *datagram:
		return e.ep
	}
	return nil
}
