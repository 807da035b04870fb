package sockets

import (
	"unicode/utf16"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// bind is WSPBind (winsock-spi 3.6).
func (f *functions) bind(h SOCKET, name []byte) wsa.Errno {
	k, e := f.find(h)
	if e != 0 {
		return e
	}
	a, e := parseSockaddr(name)
	if e != 0 {
		return e
	}
	if e = k.alongside(func() wsa.Errno { return k.table.WSPBind(k.s, a) }); e == 0 {
		k.winsock.enable(0, 0) // a datagram socket is writable from now on
	}
	return e
}

// connect is WSPConnect (winsock-spi 3.9).
func (f *functions) connect(h SOCKET, name, callerData, _ []byte, sqos, gqos *QOS) wsa.Errno {
	k, e := f.find(h)
	if e != 0 {
		return e
	}
	to, e := peerName(k.s, name)
	switch {
	case e != 0:
		return e
	case sqos != nil || gqos != nil:
		return wsa.EOPNOTSUPP
	}
	w := k.winsock
	w.forgiven.Store(false)
	r := &provider.ConnectRequest{To: to, CallerData: callerData}
	blocks := !w.nonblocking.Load()
	e = w.run(f.t, &k.wr, -1, &call{now: !blocks, direct: !blocks, other: func(started bool) wsa.Errno {
		if started {
			return k.attempt()
		}
		if e := k.conclude(wsa.EALREADY); e != 0 {
			return e
		}
		e := k.table.WSPConnect(k.s, r)
		if blocks {
			k.waited = waited{running: e == wsa.EWOULDBLOCK}
		}
		return e
	}})
	switch {
	case blocks && e == wsa.EINTR:
		k.s.Fail(wsa.ECONNABORTED, "a connect was cancelled")
	case blocks && e != 0:
		w.forgiven.Store(true)
	case !blocks && (e == wsa.EWOULDBLOCK || e == 0) && k.s.Type == wsa.SOCK_STREAM:
		w.enable(wsa.FD_CONNECT|wsa.FD_WRITE|wsa.FD_CLOSE, 0)
	}
	return e
}

// peerName is name as the peer of s: a datagram socket has its peer taken away by
// an address of zeros.
func peerName(s *provider.Socket, name []byte) (provider.Addr, wsa.Errno) {
	a, e := parseSockaddr(name)
	if e == 0 && s.Type != wsa.SOCK_STREAM && (a.Family == wsa.AF_UNSPEC || a.Port() == 0 && a.Addr().IsUnspecified()) {
		return provider.Addr{}, 0
	}
	return a, e
}

// listen is WSPListen (winsock-spi 3.20).
func (f *functions) listen(h SOCKET, backlog int) wsa.Errno {
	k, e := f.find(h)
	if e != 0 {
		return e
	}
	return k.alongside(func() wsa.Errno {
		return k.winsock.run(nil, &k.wr, -1, &call{now: true, direct: true, other: func(bool) wsa.Errno {
			if e := k.conclude(wsa.EINVAL); e != 0 {
				return e
			}
			e := k.table.WSPListen(k.s, backlog)
			if e == 0 {
				k.winsock.listens.Store(true)
			}
			return e
		}})
	})
}

// getPeerName is WSPGetPeerName (winsock-spi 3.14).
func (f *functions) getPeerName(h SOCKET, name []byte, namelen *int32) wsa.Errno {
	return f.name(h, name, namelen, func(t *provider.ProcTable) func(*provider.Socket) (provider.Addr, wsa.Errno) {
		return t.WSPGetPeerName
	})
}

// getSockName is WSPGetSockName (winsock-spi 3.15).
func (f *functions) getSockName(h SOCKET, name []byte, namelen *int32) wsa.Errno {
	return f.name(h, name, namelen, func(t *provider.ProcTable) func(*provider.Socket) (provider.Addr, wsa.Errno) {
		return t.WSPGetSockName
	})
}

func (f *functions) name(h SOCKET, name []byte, namelen *int32, of func(*provider.ProcTable) func(*provider.Socket) (provider.Addr, wsa.Errno)) wsa.Errno {
	k, e := f.find(h)
	switch {
	case e != 0:
		return e
	case name == nil || namelen == nil:
		return wsa.EFAULT
	}
	if k.winsock.context.Load() { // it has no names before SO_UPDATE_ACCEPT_CONTEXT or SO_UPDATE_CONNECT_CONTEXT
		return wsa.ENOTCONN
	}
	var a provider.Addr
	e = k.alongside(func() (e wsa.Errno) {
		a, e = of(k.table)(k.s)
		return e
	})
	if e != 0 {
		return e
	}
	return putSockaddr(name, namelen, a)
}

// chainOf is a chain of the provider that info is an entry of: EINVAL if none is.
func (f *functions) chainOf(info *provider.ProtocolInfo) (*provider.Chain, wsa.Errno) {
	if info == nil {
		return nil, wsa.EINVAL
	}
	c, err := f.s.Chain(info.CatalogEntryID)
	if err != nil {
		return nil, code(err)
	}
	return c, 0
}

// addressToString is WSPAddressToString (winsock-spi 3.4).
func (f *functions) addressToString(address []byte, info *provider.ProtocolInfo, text []uint16, length *uint32) wsa.Errno {
	c, e := f.chainOf(info)
	switch {
	case e != 0:
		return e
	case text == nil || length == nil:
		return wsa.EFAULT
	}
	a, e := parseSockaddr(address)
	if e != 0 {
		return wsa.EINVAL
	}
	s, e := c.Table.WSPAddressToString(a, info)
	if e != 0 {
		return e
	}
	wide := append(utf16.Encode([]rune(s)), 0)
	if *length < uint32(len(wide)) || len(text) < len(wide) {
		*length = uint32(len(wide))
		return wsa.EFAULT
	}
	*length = uint32(copy(text, wide))
	return 0
}

// stringToAddress is WSPStringToAddress (winsock-spi 3.30).
func (f *functions) stringToAddress(text string, af int32, info *provider.ProtocolInfo, address []byte, length *int32) wsa.Errno {
	c, e := f.chainOf(info)
	switch {
	case e != 0:
		return e
	case address == nil || length == nil:
		return wsa.EFAULT
	}
	a, e := c.Table.WSPStringToAddress(text, af, info)
	if e != 0 {
		return e
	}
	if e := putSockaddr(address, length, a); e != 0 {
		*length = sockaddrLen(a)
		return e
	}
	return 0
}

// getQOSByName is WSPGetQOSByName (winsock-spi 3.17): there are no templates.
func (f *functions) getQOSByName(h SOCKET, name []byte, qos *QOS) wsa.Errno {
	if _, e := f.find(h); e != 0 {
		return e
	}
	if name == nil || qos == nil {
		return wsa.EFAULT
	}
	return wsa.EINVAL
}
