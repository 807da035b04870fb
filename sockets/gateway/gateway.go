package gateway

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets/gateway/dns"
	"github.com/netnsd/netnsd/stack"
)

// Gateway is the stack.FlowHandler of one attachment.
type Gateway struct {
	cfg   Config
	log   *slog.Logger
	names *names
	dns   *resolver
	dgram *associations
	Counters
	everybody []netip.Addr // broadcast addresses of the link

	ctx     context.Context
	cancel  context.CancelFunc
	trying  context.Context // of attempts that are not answered yet; ends with ctx, or when draining begins
	giveUp  context.CancelFunc
	late    *time.Timer // of Drain; guarded by mu
	mu      sync.Mutex  // guards closed against running, flows and published
	closed  bool
	drained atomic.Bool
	flows   map[*splice]struct{}
	running sync.WaitGroup
	loops   *loops
	starts  starts

	published map[*Published]struct{}  // guarded by mu
	drains    map[*time.Timer]struct{} // of flows on old chains; guarded by mu
	living    Living                   // of the last Rejudge; guarded by mu
	visiting  visiting
}

var _ stack.FlowHandler = (*Gateway)(nil)

// New makes a gateway; hand it to stack.NICConfig.Forward.
func New(cfg Config) (*Gateway, error) {
	if cfg.Session == nil {
		if cfg.DNS.Resolver != nil {
			cfg.DNS.Resolver.Close()
		}
		return nil, errNoSession
	}
	cfg.Limits = cfg.Limits.withDefaults()
	cfg.Addrs, cfg.DNS.Addrs = unmapped(cfg.Addrs), unmapped(cfg.DNS.Addrs)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{cfg: cfg, log: cfg.Log.With("attachment", cfg.Attachment), names: newNames(cfg.Limits.Names)}
	var err error
	if g.dns, err = newResolver(g); err != nil {
		return nil, err
	}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.trying, g.giveUp = context.WithCancel(g.ctx)
	g.flows = make(map[*splice]struct{})
	g.everybody = broadcasts(cfg.Networks)
	g.loops = newLoops()
	g.dgram = newAssociations(g)
	return g, nil
}

// Close resets all flows, ends the datagram sockets and what is published, and waits
// for every goroutine. Flows that arrive later are dropped. Close the NIC first, so that
// none does.
func (g *Gateway) Close() error {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.cancel()
	for _, p := range g.Published() {
		p.Close()
	}
	g.dgram.close()
	g.mu.Lock()
	for p := range g.flows {
		p.wake(0)
	}
	if g.late != nil {
		g.late.Stop()
	}
	g.undrain()
	g.mu.Unlock()
	g.running.Wait()
	g.starts.close()
	g.dns.names.Close()
	g.loops.close()
	return nil
}

// Drain has the flows that there are go on, and no other begin: their packets are
// dropped, so that a program tries again until it reaches whoever comes after us. So
// does who waits for an answer to its attempt. Who has not acknowledged the answer after
// a second has gone.
func (g *Gateway) Drain() {
	g.drained.Store(true)
	g.giveUp()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.late == nil && !g.closed {
		g.late = time.AfterFunc(drainAnswer, g.abandon)
	}
}

const drainAnswer = time.Second

// abandon ends the handshakes that there are.
func (g *Gateway) abandon() {
	g.mu.Lock()
	flows := slices.Collect(maps.Keys(g.flows))
	g.mu.Unlock()
	for _, p := range flows {
		p.f.Abandon()
	}
}

// Resolver is what answers the name service's queries; its counters may be read.
func (g *Gateway) Resolver() *dns.Resolver { return g.dns.names }

func unmapped(addrs []netip.Addr) []netip.Addr {
	plain := make([]netip.Addr, len(addrs))
	for i, a := range addrs {
		plain[i] = a.Unmap()
	}
	return plain
}

// enter counts a flow among what Close waits for; false once it has begun.
func (g *Gateway) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.drained.Load() {
		return false
	}
	g.running.Add(1)
	return true
}

// origin are the facts of a flow from src to dst.
func (g *Gateway) origin(src, dst netip.AddrPort) *provider.Origin {
	return g.fill(new(provider.Origin), src, dst)
}

func (g *Gateway) fill(o *provider.Origin, src, dst netip.AddrPort) *provider.Origin {
	owner := o.Owner
	o.UID = -1
	if g.cfg.Origin != nil {
		if known := g.cfg.Origin(src); known != nil {
			*o = *known
		}
	}
	if owner != nil {
		o.Owner = owner
	}
	o.Attachment, o.Names = g.cfg.Attachment, g.names
	o.Source, o.Destination = provider.AddrFrom(src), provider.AddrFrom(dst)
	return o
}

// Target is where a flow to dst really goes: own are the gateway's addresses on
// the link. EACCES: it would reach the host's loopback, which is not open to this
// attachment, or a group of the host's networks, which no connection of ours
// stands for. It is pure; explain asks it too.
func Target(own []netip.Addr, hostLoopback bool, dst netip.AddrPort) (netip.AddrPort, wsa.Errno) {
	ip := dst.Addr().Unmap()
	if slices.Contains(own, ip) {
		if !hostLoopback {
			return dst, wsa.EACCES
		}
		return netip.AddrPortFrom(loopback(ip), dst.Port()), 0
	}
	if closed(ip) || closed(embedded(ip)) {
		return dst, wsa.EACCES
	}
	return netip.AddrPortFrom(ip, dst.Port()), 0
}

func (g *Gateway) target(dst netip.AddrPort) (netip.AddrPort, wsa.Errno) {
	return Target(g.cfg.Addrs, g.cfg.HostLoopback, dst)
}

// closed addresses are the host's own affair. The kernel connects an
// unspecified address to its loopback.
func closed(ip netip.Addr) bool {
	return ip.IsLoopback() || ip.IsUnspecified() || ip.IsMulticast() || ip == broadcast4
}

// embedded is the IPv4 address in a NAT64 address (RFC 6052, 2.1), which a
// translator in the host's network would send on to it; else ip.
func embedded(ip netip.Addr) netip.Addr {
	if nat64.Contains(ip) {
		b := ip.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return ip
}

var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// chain is the one that a socket of o would take.
func (g *Gateway) chain(o *provider.Origin, typ, protocol int32) (*provider.Chain, error) {
	af := o.Destination.Family
	if af == 0 {
		af = wsa.AF_INET
	}
	entry, _, err := g.cfg.Session.Resolve(&provider.SocketRequest{AF: af, Type: typ, Protocol: protocol, Origin: o})
	if err != nil {
		return nil, err
	}
	return g.cfg.Session.Chain(entry.Info.CatalogEntryID)
}

// refused tells the chain's witnesses of a flow that the loopback rule ended
// before it had a socket.
func (g *Gateway) refused(src, dst netip.AddrPort, typ, protocol int32, e wsa.Errno) {
	o := g.owned(protocol, src, dst, dst)
	c, err := g.chain(o, typ, protocol)
	if err != nil {
		return
	}
	f := provider.Facts{Origin: o, Type: typ, Protocol: protocol, Remote: o.Destination}
	c.Witness(f, provider.OpConnect, provider.Verdict{Action: provider.Deny, Errno: e, Layer: "gateway", Rule: "no host loopback"})
}

func loopback(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// family is the address family of ip, IPv4-mapped counting as IPv4.
func family(ip netip.Addr) int32 {
	if ip.Unmap().Is4() {
		return wsa.AF_INET
	}
	return wsa.AF_INET6
}

// isDNS reports whether a flow goes to our name service.
func (g *Gateway) isDNS(dst netip.AddrPort) bool {
	return dst.Port() == 53 && slices.Contains(g.cfg.DNS.Addrs, dst.Addr().Unmap())
}
