//go:build linux

package daemon

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/explain"
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// Status implements [control.Daemon].
func (d *Daemon) Status(context.Context) control.Status {
	all := d.all()
	d.mu.Lock()
	s := control.Status{
		Version: d.cfg.Version, PID: os.Getpid(), Started: d.started, Config: d.cfg.File,
		Generation: d.generation, Loaded: d.loaded, Problem: d.problem, Ending: d.ending,
		Missing: d.missing, Attachments: []control.Attachment{},
	}
	d.mu.Unlock()
	for _, a := range all {
		s.Attachments = append(s.Attachments, a.status())
	}
	return s
}

func (a *attachment) status() control.Attachment {
	a.mu.Lock()
	defer a.mu.Unlock()
	names, _ := chains(a.d.catalog.Snapshot(), a.cfg.Name)
	s := control.Attachment{
		Name: a.cfg.Name, State: a.state, Netns: netnsText(a.cfg.Netns), Interface: a.cfg.Interface.Name,
		Addrs: []string{}, Origin: a.origin, Since: a.since, Chains: names,
		Published: slices.Sorted(maps.Keys(a.published)), BytesIn: a.in, BytesOut: a.out,
	}
	if err := a.wrong(); err != nil {
		s.Problem = err.Error()
	}
	for _, p := range a.link.addrs {
		s.Addrs = append(s.Addrs, p.String())
	}
	if a.plane == nil {
		return s
	}
	for range a.plane.Session.Sockets() {
		s.Flows++
	}
	in, out := a.plane.Session.Traffic()
	s.BytesIn += in
	s.BytesOut += out
	return s
}

// Flows implements [control.Daemon].
func (d *Daemon) Flows(_ context.Context, name string) ([]control.Flow, error) {
	all := d.all()
	if name != "" {
		a, err := d.attachment(name)
		if err != nil {
			return nil, err
		}
		all = []*attachment{a}
	}
	flows := []control.Flow{}
	for _, a := range all {
		if p := a.live(); p != nil {
			ports := a.ports()
			for s := range p.Session.Sockets() {
				f := flow(a.cfg.Name, s)
				if ports[f.ID] != "" && f.State == stateOpen {
					f.State = statePublished
				}
				flows = append(flows, f)
			}
		}
	}
	slices.SortFunc(flows, func(a, b control.Flow) int { return int(a.ID) - int(b.ID) })
	return flows, nil
}

// States of a flow that has not failed.
const (
	stateOpen      = "open"
	statePublished = "published"
)

func flow(attachment string, s *provider.Socket) control.Flow {
	o, late := s.Origin, s.Learned()
	uid, process := o.Seen()
	f := control.Flow{
		ID: s.Handle(), Attachment: attachment, Proto: protocol(s.Protocol), Source: text(o.Source), Dest: text(o.Destination),
		Name: late.SNI, Process: process.Executable, PID: process.PID, UID: uid, Chain: chainName(s.Chain()), State: stateOpen,
		Since: s.Since(), BytesIn: s.Traffic.BytesIn.Load(), BytesOut: s.Traffic.BytesOut.Load(),
	}
	if names := o.NamesOf(o.Destination.Addr()); f.Name == "" && len(names) > 0 {
		f.Name = names[0]
	}
	if why := s.Failure(); why != nil {
		f.State = "failed: " + why.Errno.Name()
	}
	return f
}

// chainName is what the chain was installed under ([provider.Catalog.InstallChain]
// names its entries); its catalog may be gone.
func chainName(c *provider.Chain) string {
	name, _, _ := strings.Cut(c.Info.Name, " over [")
	return name
}

// text is "*" for a datagram socket's destinations, which are many.
func text(a provider.Addr) string {
	if a.AddrPort == (netip.AddrPort{}) {
		return "*"
	}
	return a.String()
}

func protocol(p int32) string {
	switch p {
	case wsa.IPPROTO_TCP:
		return "tcp"
	case wsa.IPPROTO_UDP:
		return "udp"
	case wsa.IPPROTO_ICMP, wsa.IPPROTO_ICMPV6:
		return "icmp"
	}
	return wsa.ProtocolName(p)
}

// Kill implements [control.Daemon].
func (d *Daemon) Kill(_ context.Context, id uint64) error {
	for _, a := range d.all() {
		p := a.live()
		if p == nil {
			continue
		}
		for s := range p.Session.Sockets() {
			if s.Handle() != id {
				continue
			}
			if port := a.ports()[id]; port != "" {
				return fmt.Errorf("flow %d: %w: it is the published port %s; `netnsd unpublish %s %[3]s` closes it", id, control.ErrInvalid, port, a.cfg.Name)
			}
			s.Fail(wsa.ECONNABORTED, "killed through the control socket")
			return nil
		}
	}
	return fmt.Errorf("flow %d: %w", id, control.ErrNotFound)
}

// Explain implements [control.Daemon].
func (d *Daemon) Explain(_ context.Context, attachment string, q explain.Query) (explain.Answer, error) {
	a, err := d.attachment(attachment)
	if err != nil {
		return explain.Answer{}, err
	}
	// A session of its own: that of a plane may end any time.
	s, err := sockets.Startup(sockets.Config{Catalog: &d.catalog, Resources: &d.resources, Log: d.log})
	if err != nil {
		return explain.Answer{}, err
	}
	defer s.Close()
	n := explain.Network{Attachment: attachment, UID: -1, Own: slices.Concat(a.link.gateway, a.link.dns), HostLoopback: a.cfg.HostLoopback}
	if !a.cfg.DNS.Off {
		n.DNS = a.link.dns
	}
	return n.Explain(s, q)
}

// Defaults implements [control.Daemon].
func (d *Daemon) Defaults() config.Settings {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now.Defaults
}
