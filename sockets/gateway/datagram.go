package gateway

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// association is one unconnected datagram socket and those whom its guest has
// spoken to. Sends come from the NIC's readers; receives happen on the shared
// loops if no layer stands in the path of the bytes, else on a goroutine of its own.
type association struct {
	g     *Gateway
	key   assocKey
	s     *provider.Socket
	t     *provider.ProcTable
	pairs []*pair       // guarded by associations.mu, as is
	place *list.Element // its place in associations.recent
	peers peers

	used      atomic.Int64 // by associations.now
	dns       atomic.Bool  // the last that came was a DNS answer
	forgotten atomic.Bool  // set with associations.mu held, as is
	shared    atomic.Bool  // task runs it, else the goroutine that waits for bell
	task      task
	bell      bell

	whole atomic.Bool // the socket does not fragment; written with sendMu held

	sendMu sync.Mutex // one send at a time (law 4); guards closed
	closed bool

	recvMu sync.Mutex // held by turn; guards ended
	ended  bool
}

func newAssociation(g *Gateway, key assocKey, s *provider.Socket) *association {
	a := &association{g: g, key: key, s: s, t: &s.Chain().Table}
	a.peers.max = g.cfg.Limits.Peers
	a.task = task{loops: g.loops, turn: a.turn}
	return a
}

// begin has whatever comes received. associations.mu is held.
func (a *association) begin() {
	shared := a.s.Direct() != nil
	if a.shared.Store(shared); !shared {
		a.bell = newBell()
	}
	a.t.Watch(a.s, a, wsa.FD_READ|wsa.FD_CLOSE|wsa.EvError)
	if shared {
		a.task.wake()
	} else {
		go a.run()
	}
}

// Wake implements provider.Watcher.
func (a *association) Wake(*provider.Socket, wsa.Events) {
	if a.shared.Load() {
		a.task.wake()
		return
	}
	a.bell.ring()
}

// errClosing: the association ended between find and send; find again.
const errClosing = wsa.ESHUTDOWN

// errTooMany: there are Limits.Datagram, and their allowance is used up.
const errTooMany = wsa.EUSERS

// trust is how long a verdict stands for further datagrams of the same flow. Then
// one is judged anew: names expire, rules change, and audit hears of it.
const trust = time.Second

// send hands one datagram to the chain. The answer is a code for the program's
// wire: EWOULDBLOCK is a full socket, which a network answers with loss. If the
// chain only decides, those that follow may take the short cut.
func (a *association) send(p *pair, data [][]byte, k marks, quote func() stack.Quote) wsa.Errno {
	a.sendMu.Lock()
	defer a.sendMu.Unlock()
	if a.closed || p.generation != a.g.cfg.Session.Generation() { // as Rejudge wants it
		return errClosing
	}
	if len(data) == 0 {
		data = empty
	}
	spoken, fresh := a.peers.speaksTo(p, quote)
	a.keepWhole(k.whole)
	o := outgoing.Get().(*parcel)
	_, e := a.t.WSPSendTo(a.s, o.fill(data, p.to, k))
	o.release()
	switch {
	case e == wsa.EMSGSIZE: // the report that follows quotes it
		p.shut()
	case e != 0:
		p.shut()
		if fresh || a.denied(e) {
			a.peers.unspoken(p.to.AddrPort)
		}
	case a.key.protocol == wsa.IPPROTO_UDP && a.s.Direct() != nil:
		p.peer.Store(spoken)
		p.until.Store(a.g.dgram.now() + int64(trust))
	}
	return e
}

// denied says that e is a verdict's: who may not be spoken to any more may not
// answer either.
func (a *association) denied(e wsa.Errno) bool {
	v := a.s.Verdict()
	return v != nil && v.Denied() && v.Errno == e
}

// empty is the buffer of a datagram without payload: a Msg has at least one.
var empty = [][]byte{{}}

// close ends the socket, once: who took a out of the tables begins it.
func (a *association) close() {
	defer a.g.running.Done()
	a.sendMu.Lock()
	a.closed = true
	a.sendMu.Unlock()
	a.recvMu.Lock()
	a.ended = true
	a.recvMu.Unlock()
	a.t.Watch(a.s, nil, 0)
	a.t.WSPCloseSocket(a.s, provider.CloseBackground)
}
