package provider

import (
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
)

// edge makes a base usable under one chain. It is the only code that knows of
// the substitution of winsock-spi 5.4 (law 10): no layer can get it wrong, and
// no base knows of chains. It also ties a socket's life to the chain's: all of
// its entries are cold.
func (c *Chain) edge(base ProcTable, own *ProtocolInfo) ProcTable {
	t := base
	t.WSPSocket = func(r *SocketRequest) (*Socket, wsa.Errno) {
		q := *r
		q.Info = substitute(r.Info, own, r)
		s, e := base.WSPSocket(&q)
		if e != 0 || s.Opened() { // by a token of WSPDuplicateSocket it is one that lives already
			return s, e
		}
		return c.adopt(s, r.Origin, r.made), 0
	}
	t.WSPAccept = func(l *Socket, r *AcceptRequest) (*Socket, wsa.Errno) {
		s, e := base.WSPAccept(l, r)
		if e != 0 || r.Into != nil {
			return s, e
		}
		return c.adopt(s, l.Origin, r.made), 0
	}
	t.WSPJoinLeaf = func(l *Socket, r *JoinRequest) (*Socket, wsa.Errno) {
		s, e := base.WSPJoinLeaf(l, r)
		if e != 0 || s == l {
			return s, e
		}
		return c.adopt(s, l.Origin, nil), 0
	}
	t.WSPAddressToString = func(a Addr, i *ProtocolInfo) (string, wsa.Errno) {
		return base.WSPAddressToString(a, substitute(i, own, nil))
	}
	t.WSPStringToAddress = func(x string, af int32, i *ProtocolInfo) (Addr, wsa.Errno) {
		return base.WSPStringToAddress(x, af, substitute(i, own, nil))
	}
	t.WSPDuplicateSocket = func(s *Socket, p uint32) (*ProtocolInfo, wsa.Errno) {
		i, e := base.WSPDuplicateSocket(s, p)
		if e != 0 {
			return nil, e
		}
		up := c.Info // the target must come back through the layers
		up.ProviderReserved = i.ProviderReserved
		up.AddressFamily, up.SocketType, up.Protocol = i.AddressFamily, i.SocketType, i.Protocol
		return &up, 0
	}
	t.WSPCloseSocket = func(s *Socket, m CloseMode) (e wsa.Errno) {
		if !s.closed.CompareAndSwap(false, true) {
			return wsa.ENOTSOCK
		}
		defer func() { // also if the base panics: the handle and the chain's hold go with the socket
			if e == wsa.EWOULDBLOCK { // a lingering non-blocking socket stays open (8.3)
				s.closed.Store(false)
				return
			}
			s.SetWatch(nil, 0)
			c.gone(s)
			if s.Failed() == 0 {
				for _, b := range s.trials {
					b.tried()
				}
			}
			c.host.CloseHandle(s)
			c.release()
		}()
		return base.WSPCloseSocket(s, m)
	}
	return t
}

func (c *Chain) adopt(s *Socket, o *Origin, made *[]*Socket) *Socket {
	s.Info, s.Origin = &c.Info, o
	if o == nil {
		s.Origin = &Origin{UID: -1}
	}
	s.opened.Store(true)
	if made != nil {
		*made = append(*made, s)
	}
	return s
}

// createSocketHandle is WPUCreateSocketHandle for this chain.
func (c *Chain) createSocketHandle(_ CatalogID, ctx any) (*Socket, wsa.Errno) {
	if !c.retain() {
		return nil, wsa.ENETDOWN
	}
	s := &Socket{Info: &c.Info, Origin: &Origin{UID: -1}, Base: ctx, chain: c, slots: make([]any, c.slots), since: time.Now()}
	if c.flying > 0 {
		s.flights = newFlights(c.flying)
	}
	h, e := c.host.CreateHandle(s)
	if e != 0 {
		c.release()
		return nil, e
	}
	s.handle = h
	c.live(s)
	return s, 0
}

// substitute is the base's own entry as the base is to see it in place of in.
// dwProviderReserved is carried over, and fields that the caller takes from the
// entry are those of the entry it gave.
func substitute(in, own *ProtocolInfo, r *SocketRequest) *ProtocolInfo {
	c := *own
	if in == nil {
		return &c
	}
	c.ProviderReserved = in.ProviderReserved
	if r != nil {
		if r.AF == wsa.FROM_PROTOCOL_INFO || r.AF == 0 {
			c.AddressFamily = in.AddressFamily
		}
		if r.Type == wsa.FROM_PROTOCOL_INFO || r.Type == 0 {
			c.SocketType = in.SocketType
		}
		if r.Protocol == wsa.FROM_PROTOCOL_INFO || r.Protocol == 0 {
			c.Protocol = in.Protocol
		}
	}
	return &c
}
