//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets/gateway"
)

// publishAll opens what is to be open. A port that cannot be had is a problem of its
// own, which a reload tries again: the namespace is served all the same, unless
// somebody waits for the whole.
func (a *attachment) publishAll() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.published, a.held = make(map[string]*gateway.Published), make(map[string]error)
	return a.publishRest()
}

// publishRest opens those that are not open; a.mu is held, and a.published is there.
func (a *attachment) publishRest() error {
	var errs []error
	for _, port := range a.cfg.Publish {
		if a.published[port.ID()] != nil {
			continue
		}
		err := a.publish(port)
		if err != nil {
			a.log.Error("a port is not published", "port", port.ID(), "error", err)
		}
		a.held[port.ID()] = err
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// publish is called with a.mu held, while a.published is there.
func (a *attachment) publish(port config.Publish) error {
	pub := gateway.Publication{
		NIC: a.plane.NIC, Protocol: wsa.IPPROTO_TCP, Ports: port.Listen.Ports.Len(),
		Listen: netip.AddrPortFrom(port.Listen.Addr, port.Listen.Ports.First),
		To:     netip.AddrPortFrom(port.To.Addr, port.To.Ports.First),
	}
	if port.Proto == "udp" {
		pub.Protocol = wsa.IPPROTO_UDP
	}
	switch port.ProxyProtocol {
	case config.ProxyV1:
		pub.Proxy = gateway.ProxyV1
	case config.ProxyV2:
		pub.Proxy = gateway.ProxyV2
	}
	p, err := a.plane.Gateway.Publish(context.Background(), pub)
	switch {
	case errors.Is(err, wsa.EADDRINUSE):
		return fmt.Errorf("publish %s: %w: %w", port.ID(), control.ErrExists, err)
	case errors.Is(err, wsa.EACCES), errors.Is(err, wsa.EADDRNOTAVAIL):
		return fmt.Errorf("publish %s: %w: %w", port.ID(), control.ErrInvalid, err)
	case err != nil:
		return fmt.Errorf("publish %s: %w", port.ID(), err)
	}
	a.published[port.ID()] = p
	return nil
}

func (a *attachment) unpublishAll() {
	a.mu.Lock()
	ends := slices.Collect(maps.Values(a.published))
	a.published, a.held = nil, nil
	a.mu.Unlock()
	a.closePublished(ends)
}

func (a *attachment) closePublished(all []*gateway.Published) {
	for _, p := range all {
		if err := p.Close(); err != nil {
			a.log.Warn("while closing a published port", "error", err)
		}
	}
}

// withdraw closes ports that next does not have, those that new rules have failed, and
// those whose chain has changed.
func (a *attachment) withdraw(next []config.Publish) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, p := range a.published {
		i := slices.IndexFunc(a.cfg.Publish, func(p config.Publish) bool { return p.ID() == id })
		switch {
		case i < 0 || !slices.Contains(next, a.cfg.Publish[i]) || failed(p):
			delete(a.published, id)
			a.closePublished([]*gateway.Published{p})
		case p.Old(): // opened again by republish
			delete(a.published, id)
			p.Leave()
		}
	}
}

// republish opens those of next that are not open, after withdraw has closed others. One
// that cannot be had is an error; the others are there.
func (a *attachment) republish(next []config.Publish) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cfg.Publish = next
	if a.published == nil {
		return nil
	}
	clear(a.held)
	return a.publishRest()
}

func failed(p *gateway.Published) bool {
	for s := range p.Sockets() {
		if s.Failed() != 0 {
			return true
		}
	}
	return false
}

// ports are the IDs of what is published, by the handles of its sockets.
func (a *attachment) ports() map[uint64]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make(map[uint64]string)
	for id, p := range a.published {
		for s := range p.Sockets() {
			all[s.Handle()] = id
		}
	}
	return all
}

// beside are the ports that there are to be when the file has those of listed: what came
// through the control socket outlives a reload.
func (a *attachment) beside(listed []config.Publish, n config.Network) (all, asked []config.Publish) {
	a.mu.Lock()
	defer a.mu.Unlock()
	all = slices.Clone(listed)
	for _, port := range a.asked {
		if !has(listed, port.ID()) {
			asked = append(asked, port)
			port.Complete(n)
			all = append(all, port)
		}
	}
	return all, asked
}

func has(all []config.Publish, id string) bool {
	return slices.ContainsFunc(all, func(p config.Publish) bool { return p.ID() == id })
}

// without is a copy of all that lacks id.
func without(all []config.Publish, id string) []config.Publish {
	return slices.DeleteFunc(slices.Clone(all), func(p config.Publish) bool { return p.ID() == id })
}

// Publish implements [control.Daemon]. While the namespace is gone the port is
// noted, and opened when it is back.
func (d *Daemon) Publish(_ context.Context, attachment string, port config.Publish) error {
	d.change.Lock()
	defer d.change.Unlock()
	a, err := d.changing(attachment)
	if err != nil {
		return err
	}
	for _, other := range d.all() {
		for _, p := range other.config().Publish {
			if p.Overlaps(port) {
				return fmt.Errorf("publish %s: %w: %s has %s", port.ID(), control.ErrExists, other.cfg.Name, p.ID())
			}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	asked := port
	port.Complete(a.cfg.Network)
	if err := port.Check(a.cfg.Network); err != nil {
		return err
	}
	if a.published != nil {
		if err := a.publish(port); err != nil {
			return err
		}
	}
	a.cfg.Publish, a.asked = append(slices.Clone(a.cfg.Publish), port), append(slices.Clone(a.asked), asked)
	return nil
}

// changing is an attachment that can be changed still; d.change is held.
func (d *Daemon) changing(name string) (*attachment, error) {
	d.mu.Lock()
	ending := d.ending
	d.mu.Unlock()
	if ending {
		return nil, control.ErrEnding
	}
	return d.attachment(name)
}

// Unpublish implements [control.Daemon].
func (d *Daemon) Unpublish(_ context.Context, attachment, id string) error {
	d.change.Lock()
	defer d.change.Unlock()
	a, err := d.changing(attachment)
	if err != nil {
		return err
	}
	a.mu.Lock()
	if !has(a.cfg.Publish, id) {
		a.mu.Unlock()
		return fmt.Errorf("port %s: %w", id, control.ErrNotFound)
	}
	a.cfg.Publish, a.asked = without(a.cfg.Publish, id), without(a.asked, id)
	p := a.published[id]
	delete(a.held, id)
	delete(a.published, id)
	a.mu.Unlock()
	if p == nil {
		return nil
	}
	return p.Close()
}
