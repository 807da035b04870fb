//go:build linux

package subject

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime/debug"
	"runtime/pprof"

	"github.com/netnsd/netnsd/bench/internal/load"
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/gateway"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
	"github.com/netnsd/netnsd/tun"
)

// txQueueLen is what the opener of run sets.
const txQueueLen = 10000

// plane is what has to be ended, the last first.
type plane struct{ ends []func() error }

func (p *plane) close() error {
	var errs []error
	for i := len(p.ends) - 1; i >= 0; i-- {
		errs = append(errs, p.ends[i]())
	}
	return errors.Join(errs...)
}

// Run is the process: see lab.Serve. It answers "memory": its resident set after
// a garbage collection, in bytes.
func Run(s Spec) (serve func(string, json.RawMessage) (any, error), end func() error, err error) {
	p := new(plane)
	if s.Profile != "" {
		if err := p.profile(s.Profile); err != nil {
			return nil, p.close, err
		}
	}
	if s.Mode == Sockets {
		err = p.sockets(s)
	} else {
		err = p.gateways(s)
	}
	return func(op string, _ json.RawMessage) (any, error) {
		if op != "memory" {
			return nil, fmt.Errorf("bench: no %q here", op)
		}
		debug.FreeOSMemory()
		return load.Resident(os.Getpid()), nil
	}, p.close, err
}

func (p *plane) profile(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	p.ends = append(p.ends, func() error { pprof.StopCPUProfile(); return f.Close() })
	return pprof.StartCPUProfile(f)
}

// gateways are what cmd/netnsd's run makes, or its daemon of two namespaces.
func (p *plane) gateways(s Spec) error {
	stop := gateway.Pace()
	p.ends = append(p.ends, func() error { stop(); return nil })
	err := p.gateway(s)
	if s.Netns, s.Publish = s.Beside, (netip.Addr{}); s.Beside != "" && err == nil {
		err = p.gateway(s)
	}
	return err
}

func (p *plane) gateway(s Spec) error {
	h, err := host.New(host.Config{})
	if err != nil {
		return err
	}
	p.ends = append(p.ends, h.Close)
	session, err := p.session(s, base.New(base.Config{Driver: h, Name: "host"}))
	if err != nil {
		return err
	}
	g, err := gateway.New(gateway.Config{
		Session: session, Attachment: "bench", Addrs: []netip.Addr{Router, Names},
		Origin: func(netip.AddrPort) *provider.Origin { return &provider.Origin{UID: os.Geteuid()} },
		DNS:    gateway.DNS{Addrs: []netip.Addr{Names}, Upstreams: []netip.AddrPort{netip.AddrPortFrom(s.Host, 53)}},
	})
	if err != nil {
		return err
	}
	p.ends = append(p.ends, g.Close)
	st, nic, err := p.stack(s, Client, Router, nil, g)
	if err != nil {
		return err
	}
	st.SetRoutes([]stack.Route{{Dest: netip.PrefixFrom(netip.IPv4Unspecified(), 0), NIC: nic}})
	if s.Publish.IsValid() {
		return publish(g, nic, s.Publish)
	}
	return nil
}

// publish leads the ports of the servers inside, where somebody may serve them.
func publish(g *gateway.Gateway, nic *stack.NIC, at netip.Addr) error {
	for protocol, ports := range map[int32][2]uint16{wsa.IPPROTO_TCP: load.PublishedTCP, wsa.IPPROTO_UDP: load.PublishedUDP} {
		_, err := g.Publish(context.Background(), gateway.Publication{
			NIC: nic, Protocol: protocol, Ports: int(ports[1]-ports[0]) + 1,
			Listen: netip.AddrPortFrom(at, ports[0]), To: netip.AddrPortFrom(Client.Addr(), ports[0]),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sockets serves on the stack itself.
func (p *plane) sockets(s Spec) error {
	page, err := load.OpenPage(s.Page)
	if err != nil {
		return err
	}
	st, _, err := p.stack(s, nearest, netip.Addr{}, []netip.Prefix{netip.PrefixFrom(s.Host, nearest.Bits())}, nil)
	if err != nil {
		return err
	}
	b := netstack.NewBase(netstack.Config{Stack: st})
	if c, ok := b.(io.Closer); ok {
		p.ends = append(p.ends, c.Close)
	}
	session, err := p.session(s, b)
	if err != nil {
		return err
	}
	return load.ServeSession(context.Background(), session.Listen, s.Host, page)
}

// session builds the chain over b, so that one that cannot be is known now.
func (p *plane) session(s Spec, b provider.Base) (*sockets.Session, error) {
	cat, err := s.install(b)
	if err != nil {
		return nil, err
	}
	session, err := sockets.Startup(sockets.Config{Catalog: cat})
	if err != nil {
		return nil, err
	}
	p.ends = append(p.ends, session.Close)
	for _, e := range cat.Snapshot().Entries {
		if e.Storeys != nil {
			if _, err := session.Chain(e.Info.CatalogEntryID); err != nil {
				return nil, err
			}
		}
	}
	return session, nil
}

// stack puts a stack behind a TUN in the client's namespace.
func (p *plane) stack(s Spec, client netip.Prefix, via netip.Addr, own []netip.Prefix, forward stack.FlowHandler) (*stack.Stack, *stack.NIC, error) {
	driver := tun.DriverVNET
	if s.Naive {
		driver = tun.DriverWater
	}
	d, err := tun.Open(tun.Config{Name: Device, Netns: s.Netns, Driver: driver, MTU: s.MTU, Persist: !s.Naive})
	if err != nil {
		return nil, nil, err
	}
	if err := configure(d, client, via); err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	if s.Naive {
		rw := struct {
			io.ReadWriter
			io.Closer
		}{d.ReadWriter(0), d}
		st, nic, err := stacktest.NewNaive(stack.Config{}, rw, s.MTU, own, forward)
		if err == nil {
			p.ends = append(p.ends, st.Close)
		}
		return st, nic, err
	}
	st, err := stack.New(stack.Config{})
	if err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	p.ends = append(p.ends, st.Close)
	nic, err := st.AddNIC(stack.NICConfig{Name: Device, Device: d, Addrs: own, Forward: forward})
	return st, nic, err
}

func configure(d *tun.Device, client netip.Prefix, via netip.Addr) error {
	l, err := d.Link()
	if err != nil {
		return err
	}
	if err := errors.Join(l.SetTxQueueLen(txQueueLen), l.AddAddr(client), l.SetUp()); err != nil || !via.IsValid() {
		return err
	}
	return l.AddRoute(tun.Route{Dst: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Via: via})
}
