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

// publishAll opens what is to be open. A port that cannot be had is a problem of
// its own: the namespace is served all the same.
func (a *attachment) publishAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.published = make(map[string]*gateway.Published)
	for _, port := range a.cfg.Publish {
		if err := a.publish(port); err != nil {
			a.log.Error("a port is not published", "port", port.ID(), "error", err)
		}
	}
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
	a.published = nil
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

// republish closes and opens ports until they are those of next. One that cannot be
// had is an error; the others are there.
func (a *attachment) republish(next []config.Publish) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.cfg.Publish
	a.cfg.Publish = next
	for _, port := range before {
		if p := a.published[port.ID()]; p != nil && !slices.Contains(next, port) {
			delete(a.published, port.ID())
			a.closePublished([]*gateway.Published{p})
		}
	}
	var errs []error
	for _, port := range next {
		if a.published != nil && a.published[port.ID()] == nil {
			errs = append(errs, a.publish(port))
		}
	}
	return errors.Join(errs...)
}

// Publish implements [control.Daemon]. While the namespace is gone the port is
// noted, and opened when it is back.
func (d *Daemon) Publish(_ context.Context, attachment string, port config.Publish) error {
	a, err := d.attachment(attachment)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	port.Complete(a.cfg.Network)
	if err := port.Check(a.cfg.Network); err != nil {
		return err
	}
	if slices.ContainsFunc(a.cfg.Publish, func(p config.Publish) bool { return p.ID() == port.ID() }) {
		return fmt.Errorf("publish %s: %w", port.ID(), control.ErrExists)
	}
	if a.published != nil {
		if err := a.publish(port); err != nil {
			return err
		}
	}
	a.cfg.Publish = append(slices.Clone(a.cfg.Publish), port)
	return nil
}

// Unpublish implements [control.Daemon].
func (d *Daemon) Unpublish(_ context.Context, attachment, id string) error {
	a, err := d.attachment(attachment)
	if err != nil {
		return err
	}
	a.mu.Lock()
	i := slices.IndexFunc(a.cfg.Publish, func(p config.Publish) bool { return p.ID() == id })
	if i < 0 {
		a.mu.Unlock()
		return fmt.Errorf("port %s: %w", id, control.ErrNotFound)
	}
	a.cfg.Publish = slices.Delete(slices.Clone(a.cfg.Publish), i, i+1)
	p := a.published[id]
	delete(a.published, id)
	a.mu.Unlock()
	if p == nil {
		return nil
	}
	return p.Close()
}
