package gateway

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// visitor is whom d answers, if its answers may leave many in a call: nobody stands in
// their path, and none has to say from which address of this host it comes.
func (c *shortcut) visitor(d *stack.Datagram) *visitor {
	v := c.g.visiting.find(flowKey{c.nic, d.Src, d.Dst, wsa.IPPROTO_UDP})
	if v == nil || v.local.IsValid() || v.port.s.Direct() == nil {
		return nil
	}
	return v
}

// answer sends what is held for visitors of a port, in its order.
func (c *shortcut) answer(port *publicPort, held []heldDatagram) {
	n := 0
	for i := range held {
		if v := held[i].v; v != nil && v.port == port {
			c.out[n] = provider.Datagram{Data: held[i].data, Addr: v.client}
			c.visitors[n] = v
			held[i].v = nil
			n++
		}
	}
	if refused := port.answer(c.out[:n]); refused {
		for i, v := range c.visitors[:n] {
			if e := wsa.Errno(c.out[i].N); e != 0 {
				v.refuse(e)
			}
		}
	}
	clear(c.visitors[:n])
}

// answer sends ds. refused says that some were, those whose N is the errno.
func (port *publicPort) answer(ds []provider.Datagram) (refused bool) {
	p := port.p
	port.sendMu.Lock()
	defer port.sendMu.Unlock()
	if port.closed {
		p.Dropped.Add(uint64(len(ds)))
		return false
	}
	path := port.s.Direct()
	for done := 0; done < len(ds); {
		n, e := sendBatch(path, port.s, ds[done:])
		p.DatagramsOut.Add(uint64(n))
		if done += n; e == 0 {
			continue
		}
		p.Dropped.Add(1)
		switch e {
		case wsa.EWOULDBLOCK: // the socket is full, for those behind it too
			p.Dropped.Add(uint64(len(ds) - done - 1))
			return refused
		case wsa.ENOBUFS, wsa.EMSGSIZE, wsa.ENOTSOCK:
		default:
			ds[done].N, refused = int(e), true
		}
		done++
	}
	return refused
}
