package winsocktest

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// A PortServer is an echo server the Winsock way: all its sockets on one completion
// port, for which a fixed number of goroutines wait. A connection that is idle has
// an overlapped receive of no bytes pending, so that no buffer waits with it.
type PortServer struct {
	s     *sockets.Session
	t     sockets.WSPProcTable
	port  *sockets.CompletionPort
	wg    sync.WaitGroup
	conns atomic.Int64
}

// Conns is how many connections are open.
func (p *PortServer) Conns() int { return int(p.conns.Load()) }

// accepting is one AcceptEx.
type accepting struct {
	o         sockets.Overlapped
	l, s      sockets.SOCKET
	addresses [2 * (28 + 16)]byte
}

// serving is one connection. It has one operation at a time: a receive, or a send
// of what lent holds.
type serving struct {
	o    sockets.Overlapped
	s    sockets.SOCKET
	lent []byte
}

// echoSize is the most that is echoed at a time, bytes.
const echoSize = 16 << 10

// ServePort serves what the listeners accept, with n goroutines, accepts AcceptEx
// pending on each listener. Close ends it; the listeners stay their owner's.
func ServePort(s *sockets.Session, n, accepts int, listeners ...sockets.SOCKET) (*PortServer, wsa.Errno) {
	p := &PortServer{s: s, t: s.ProcTable(), port: sockets.CreateCompletionPort(0)}
	for _, l := range listeners {
		if e := s.Associate(l, p.port, 0); e != 0 {
			return nil, e
		}
		for range accepts {
			a := &accepting{l: l}
			a.o.Context = a
			if e := p.accept(a); e != 0 {
				return nil, e
			}
		}
	}
	for range n {
		p.wg.Go(p.run)
	}
	return p, 0
}

// Close ends the goroutines. Who closes the session's sockets comes first, or after.
func (p *PortServer) Close() {
	p.port.Close()
	p.wg.Wait()
}

// A worker is one goroutine of the server, with the out-parameters of its calls,
// so that none is made anew. Its buffer it lends to sends that wait.
type worker struct {
	*PortServer
	array [1][]byte
	n     uint32
	flags wsa.MsgFlags
}

func (p *PortServer) run() {
	w := &worker{PortServer: p}
	w.array[0] = make([]byte, echoSize)
	for {
		r, e := p.port.Get(-1)
		if e != 0 {
			return
		}
		switch c := r.Overlapped.Context.(type) {
		case *accepting:
			w.accepted(c, r.Errno)
		case *serving:
			c.lent = nil
			if r.Errno != 0 || w.serve(c) != 0 {
				p.close(c)
			}
		}
	}
}

// accept issues an AcceptEx into a new socket.
func (p *PortServer) accept(a *accepting) (e wsa.Errno) {
	if a.s, e = p.socket(a.l); e != 0 {
		return e
	}
	e = p.s.AcceptEx(a.l, a.s, a.addresses[:], 0, 44, 44, nil, &a.o)
	if e == wsa.IO_PENDING {
		return 0
	}
	if e != 0 {
		p.t.WSPCloseSocket(a.s)
	}
	return e
}

// socket is a new socket of the listener's kind.
func (p *PortServer) socket(l sockets.SOCKET) (sockets.SOCKET, wsa.Errno) {
	k, e := p.s.Lookup(l)
	if e != 0 {
		return 0, e
	}
	return p.t.WSPSocket(k.Family, k.Type, k.Protocol, nil, 0, wsa.WSA_FLAG_OVERLAPPED)
}

// accepted begins to serve, and accepts the next.
func (p *worker) accepted(a *accepting, e wsa.Errno) {
	s := a.s
	if e != 0 {
		p.t.WSPCloseSocket(s)
	} else {
		c := &serving{s: s}
		c.o.Context = c
		p.conns.Add(1)
		if p.prepare(c, a.l) != 0 || p.wait(c) != 0 {
			p.close(c)
		}
	}
	if e != wsa.ECONNABORTED { // the listener is open
		p.accept(a)
	}
}

// prepare gives the socket its context, its port, and the mode in which it is read
// as long as there is something.
func (p *worker) prepare(c *serving, l sockets.SOCKET) wsa.Errno {
	var listener [8]byte
	binary.LittleEndian.PutUint64(listener[:], uint64(l))
	if e := p.t.WSPSetSockOpt(c.s, wsa.SOL_SOCKET, wsa.SO_UPDATE_ACCEPT_CONTEXT, listener[:]); e != 0 {
		return e
	}
	if e := p.t.WSPIoctl(c.s, wsa.FIONBIO, []byte{1, 0, 0, 0}, nil, &p.n, nil, nil, nil); e != 0 {
		return e
	}
	return p.s.Associate(c.s, p.port, 0)
}

// nothing is an array of one buffer without room.
var nothing = [][]byte{{}}

// wait issues the receive of no bytes.
func (p *worker) wait(c *serving) wsa.Errno {
	p.flags = 0
	if e := p.t.WSPRecv(c.s, nothing, nil, &p.flags, &c.o, nil, nil); e != wsa.IO_PENDING {
		return e
	}
	return 0
}

// serve echoes what there is, or waits for more; EDISCON at the end of the stream.
func (p *worker) serve(c *serving) wsa.Errno {
	p.flags = 0
	switch e := p.t.WSPRecv(c.s, p.array[:], &p.n, &p.flags, nil, nil, nil); {
	case e == wsa.EWOULDBLOCK:
		return p.wait(c)
	case e != 0:
		return e
	case p.n == 0:
		return wsa.EDISCON
	}
	b := p.array[0]
	c.lent = b // from now on another goroutine may complete it
	p.array[0] = b[:p.n]
	e := p.t.WSPSend(c.s, p.array[:], nil, 0, &c.o, nil, nil)
	p.array[0] = b
	if e == wsa.IO_PENDING {
		p.array[0], e = make([]byte, echoSize), 0
	}
	return e // 0 as well if it is complete: then b is free again, and the record will come
}

func (p *PortServer) close(c *serving) {
	p.conns.Add(-1)
	p.t.WSPCloseSocket(c.s)
}
