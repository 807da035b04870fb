package gateway

import (
	"context"
	"iter"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Published is a publication that stands: its ports, one goroutine that takes what
// has come to any of them, and one for each connection on its way inside.
type Published struct {
	PublishedCounters

	g     *Gateway
	pub   Publication
	ports []*publicPort
	mask  netip.Addr // the gateway's, for clients whose own address cannot be used

	ctx      context.Context
	cancel   context.CancelFunc
	once     sync.Once
	visitors visitors // of UDP

	mu      sync.Mutex // no table call is made with it
	woken   sync.Cond
	ready   []*publicPort // each once
	inward  int           // connections on their way inside
	pause   *time.Timer   // runs while there is no descriptor for one more
	paused  bool
	closed  bool
	running sync.WaitGroup
	stopped chan struct{} // closed when run has ended
}

// PublishedCounters say what became of the clients of a publication.
type PublishedCounters struct {
	Connected    atomic.Uint64 // connections led inside
	Denied       atomic.Uint64 // by a layer: connections; of UDP datagrams
	Refused      atomic.Uint64 // by the program
	Failed       atomic.Uint64 // no answer from inside, the client had gone, or Limits.Flows
	Masked       atomic.Uint64 // clients led inside under the gateway's address
	Waited       atomic.Uint64 // times that no more were accepted: Limits.Inward, or no descriptors
	DatagramsIn  atomic.Uint64
	DatagramsOut atomic.Uint64
	Dropped      atomic.Uint64 // datagrams for which there was no room, or no port
	Evicted      atomic.Uint64 // clients forgotten: Limits.Visitors
}

// publicPort is one port: a socket of the chain that listens.
type publicPort struct {
	p  *Published
	s  *provider.Socket
	t  *provider.ProcTable
	at provider.Addr  // on this host
	to netip.AddrPort // inside

	queued bool // it is in p.ready, whose lock it has

	sendMu sync.Mutex // one send at a time (law 4); guards closed
	closed bool
}

func newPublished(g *Gateway, pub Publication, mask netip.Addr) *Published {
	p := &Published{g: g, pub: pub, mask: mask, stopped: make(chan struct{})}
	p.woken.L = &p.mu
	p.ctx, p.cancel = context.WithCancel(g.ctx)
	p.visitors.init(g.cfg.Limits)
	return p
}

// Publication is what was published, with the port that was chosen.
func (p *Published) Publication() Publication {
	pub := p.pub
	pub.Listen = netip.AddrPortFrom(pub.Listen.Addr(), p.ports[0].at.Port())
	return pub
}

// Sockets are those that its ports have, in their order. One that has failed
// ([provider.Socket.Failure]) serves nobody any more; Close all the same.
func (p *Published) Sockets() iter.Seq[*provider.Socket] {
	return func(yield func(*provider.Socket) bool) {
		for _, port := range p.ports {
			if !yield(port.s) {
				return
			}
		}
	}
}

func (p *Published) start() {
	for _, port := range p.ports {
		port.t.Watch(port.s, port, wsa.FD_ACCEPT|wsa.FD_READ|wsa.FD_CLOSE|wsa.EvError)
		p.mark(port) // what came before
	}
	p.running.Go(func() {
		defer close(p.stopped)
		p.run()
	})
}

// Wake implements provider.Watcher.
func (port *publicPort) Wake(*provider.Socket, wsa.Events) { port.p.mark(port) }

// mark has port looked at.
func (p *Published) mark(port *publicPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if port.queued || p.closed {
		return
	}
	port.queued = true
	p.ready = append(p.ready, port)
	p.woken.Signal()
}

// run takes from each port that has something, in turn.
func (p *Published) run() {
	for {
		port := p.next()
		if port == nil {
			return
		}
		take := port.accept
		if p.pub.Protocol == wsa.IPPROTO_UDP {
			take = port.receive
		}
		if take() {
			p.mark(port)
		}
	}
}

// next waits for a port that has something, and until one more can be taken. nil:
// it is the end.
func (p *Published) next() *publicPort {
	p.mu.Lock()
	defer p.mu.Unlock()
	waited := false
	for !p.closed && (len(p.ready) == 0 || p.full()) {
		if len(p.ready) > 0 && !waited {
			waited = true
			p.Waited.Add(1)
		}
		p.woken.Wait()
	}
	if p.closed {
		return nil
	}
	port := p.ready[0]
	p.ready = append(p.ready[:0], p.ready[1:]...)
	port.queued = false
	return port
}

// room is how many more may be on their way inside.
func (p *Published) room() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(0, p.g.cfg.Limits.Inward-p.inward)
}

func (p *Published) full() bool { return p.paused || p.inward >= p.g.cfg.Limits.Inward }

// descriptorPause is how long nothing is accepted after there was no descriptor:
// nobody tells when there is one again.
const descriptorPause = 100 * time.Millisecond

func (p *Published) wait() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.paused {
		return
	}
	p.paused = true
	p.pause = time.AfterFunc(descriptorPause, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.paused = false
		p.woken.Signal()
	})
}

// Close closes the ports and waits for the connections on their way inside, which
// are reset. Connections that stand go on until they end, as those of a server whose
// listener is closed; clients of UDP are forgotten. Closing again waits for the first.
func (p *Published) Close() error {
	p.once.Do(func() {
		p.g.mu.Lock()
		delete(p.g.published, p)
		p.g.mu.Unlock()
		p.shut()
		p.g.running.Done()
	})
	return nil
}

// Old reports whether a port stands on a chain that is none of the catalog's any
// more. Its clients are judged by the layers of both, and pass those of the old one.
func (p *Published) Old() bool {
	return slices.ContainsFunc(p.ports, func(port *publicPort) bool { return port.s.Chain().Retired() })
}

// Leave closes the ports for others to open them, and has connections that have come
// go on, those on their way inside, too. It waits for none of them; the gateway's Close
// does. Between Leave and the next Publish who comes is refused.
func (p *Published) Leave() {
	p.once.Do(func() {
		p.stop()
		<-p.stopped
		for _, port := range p.ports {
			for range p.room() {
				if p.pub.Protocol != wsa.IPPROTO_TCP || !port.accept() {
					break
				}
			}
		}
		p.closePorts()
		go func() {
			p.running.Wait()
			p.cancel()
			p.g.mu.Lock()
			delete(p.g.published, p)
			p.g.mu.Unlock()
			p.g.running.Done()
		}()
	})
}

func (p *Published) shut() {
	p.stop()
	p.cancel()
	p.running.Wait()
	p.closePorts()
}

// stop has run end.
func (p *Published) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.woken.Broadcast()
	if p.pause != nil {
		p.pause.Stop()
	}
}

func (p *Published) closePorts() {
	p.forgetVisitors()
	for _, port := range p.ports {
		port.t.Watch(port.s, nil, 0)
		port.sendMu.Lock()
		port.closed = true
		port.sendMu.Unlock()
		port.t.WSPCloseSocket(port.s, provider.CloseAbort)
	}
}

// source is who the client is inside: itself, if its address means itself there and
// its answers come to us. kept is false for who is behind the gateway's address.
func (p *Published) source(client netip.AddrPort) (src netip.AddrPort, kept bool) {
	if p.g.known(client.Addr(), p.pub.To.Addr()) {
		return client, true
	}
	return netip.AddrPortFrom(p.mask, 0), false
}

// known says that inside, where to is, the address means whom it means here.
func (g *Gateway) known(client, to netip.Addr) bool {
	if client.Is4() != to.Is4() || client.Zone() != "" || client == to ||
		closed(client) || client.Is6() && client.IsLinkLocalUnicast() {
		return false
	}
	for _, a := range g.cfg.Addrs {
		if a == client {
			return false
		}
	}
	for _, n := range g.cfg.Networks {
		if n.Contains(client) {
			return false
		}
	}
	return true
}

// chain is the one that a socket of the port would take now; nil if there is none.
func (port *publicPort) chain() *provider.Chain {
	s, session := port.s, port.p.g.cfg.Session
	entry, _, err := session.Resolve(&provider.SocketRequest{AF: s.Family, Type: s.Type, Protocol: s.Protocol, Origin: s.Origin})
	if err == nil {
		var c *provider.Chain
		if c, err = session.Chain(entry.Info.CatalogEntryID); err == nil {
			return c
		}
	}
	port.p.g.log.Error("a published port has no chain for its clients", "port", port.at.String(), "err", err)
	return nil
}

// admits asks the layers of c about a client, and tells its witnesses.
func (port *publicPort) admits(c *provider.Chain, client provider.Addr, local provider.Addr) bool {
	if c == nil {
		return false
	}
	f := provider.FactsOf(port.s, client)
	f.Local = local
	v := c.Decide(f, provider.OpAccept)
	c.Witness(f, provider.OpAccept, v)
	return !v.Denied()
}
