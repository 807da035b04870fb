package kit

import (
	"context"
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// An Exchange is one connection, with the layer in its middle. It is valid
// until the function returns.
type Exchange struct {
	App Conn // towards the application
	Net Conn // towards the network: the storey below

	Socket   *provider.Socket
	Facts    provider.Facts // as known when the conversation began
	To       provider.Addr  // where the application connects to; the peer if Accepted
	Accepted bool           // taken by WSPAccept

	c       *conversation
	request provider.ConnectRequest
}

// Connect makes the connection below to the given destination and waits for
// it; it is for Config.Connect, which calls it once. The error is the Errno of
// the storey below, or os.ErrDeadlineExceeded if Net has a write deadline.
func (x *Exchange) Connect(to provider.Addr) error {
	q := x.request
	q.To = to
	x.c.mu.Lock()
	x.c.went = to
	x.c.mu.Unlock()
	return x.c.net.connect(&q)
}

// Handover takes the layer out of the way in both directions. The function
// should return after it; what it returns has no effect any more.
func (x *Exchange) Handover() error {
	if err := x.Net.Handover(); err != nil {
		return err
	}
	return x.App.Handover()
}

// Both runs up on a goroutine of the chain and down on this one, and waits for
// both. The first error aborts the connection, so that the other ends, and is
// returned.
func (x *Exchange) Both(up, down func() error) error {
	done := make(chan struct{})
	started := x.c.k.r.Go(x.c.s, func(context.Context) {
		var err error = wsa.ECONNABORTED // stands if up panics
		defer close(done)
		defer func() { x.failed(err) }()
		err = up()
	})
	if !started {
		return wsa.ENETDOWN
	}
	x.failed(down())
	<-done
	x.c.mu.Lock()
	defer x.c.mu.Unlock()
	return x.c.broken.Err()
}

func (x *Exchange) failed(err error) {
	if err != nil && !isEOF(err) {
		x.c.abort(Errno(err))
	}
}

// Dial opens a further stream connection through the storeys below, for a layer
// that has to ask somebody. It belongs to the exchange: it has its origin, and
// is closed when the function returns at the latest.
func (x *Exchange) Dial(to provider.Addr) (Conn, error) {
	k, parent := x.c.k, x.c.s
	s, e := k.next.WSPSocket(&provider.SocketRequest{
		AF: to.Family, Type: parent.Type, Protocol: parent.Protocol, Info: k.r.Info, Origin: parent.Origin,
	})
	if e != 0 {
		return nil, e
	}
	n := newNetConn(k, s)
	k.next.Watch(s, n, allEvents)
	if !x.c.extra.add(n) {
		n.Abort(wsa.ECONNABORTED)
		return nil, wsa.ECONNABORTED
	}
	if err := n.connect(&provider.ConnectRequest{To: to}); err != nil {
		n.Abort(wsa.ECONNABORTED)
		return nil, err
	}
	return n, nil
}

// abortWith is Conn.Abort.
func (c *conversation) abortWith(e wsa.Errno) { c.abort(known(e)) }

func known(e wsa.Errno) wsa.Errno {
	if e == 0 {
		return wsa.ECONNABORTED
	}
	return e
}

// extras are the further connections of an exchange.
type extras struct {
	mu   sync.Mutex
	over bool
	all  []*netConn
}

func (x *extras) add(n *netConn) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.over {
		x.all = append(x.all, n)
	}
	return !x.over
}

// reopen is for a connect phase that is tried again.
func (x *extras) reopen() {
	x.mu.Lock()
	x.over = false
	x.mu.Unlock()
}

// stop interrupts what runs on them.
func (x *extras) stop(e wsa.Errno) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, n := range x.all {
		n.stop(e)
	}
}

// close closes them and lets no more be added; one that was interrupted is reset.
func (x *extras) close() {
	x.mu.Lock()
	all := x.all
	x.all, x.over = nil, true
	x.mu.Unlock()
	for _, n := range all {
		if n.dead.Load() != 0 {
			n.Abort(wsa.ECONNABORTED)
			continue
		}
		n.Close()
	}
}
