//go:build linux

package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/signal"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/chain"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/confine"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/opener"
	dataplane "github.com/netnsd/netnsd/cmd/netnsd/internal/plane"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/publish"
	"github.com/netnsd/netnsd/sockets/gateway"
	"github.com/netnsd/netnsd/sockets/gateway/dns"
	"github.com/netnsd/netnsd/sockets/gateway/owner"
	"github.com/netnsd/netnsd/stack"
)

// plane carries the program's bytes, under the rules of the run.
type plane struct {
	*dataplane.Plane // nil while there is none
	chain            *chain.Chain
	log              *slog.Logger
	owners           owner.Lookup
	ran              bool // the program began
	needs            confine.Config
	identifies       bool              // somebody may ask for processes
	resident         *opener.Resident  // nil if nobody does
	routes           *dataplane.Routes // nil without a name service

	specs     []publish.Spec
	published []*gateway.Published
}

// newPlane reads the rules and builds every chain that a socket could take, so
// that what cannot be enforced is known before anything runs.
func newPlane(cfg Config, n network) (p *plane, err error) {
	p = &plane{log: cfg.Log, identifies: cfg.Chain.Identifies(), specs: cfg.Publish}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.chain, err = chain.New(cfg.Chain); err != nil {
		return p, err
	}
	session, err := p.chain.Startup(cfg.Log)
	if err != nil {
		return p, err
	}
	gc := gateway.Config{
		Session: session, Attachment: chain.Attachment, Owners: &p.owners, UDPPerFlow: cfg.UDPPerFlow,
		Addrs: slices.Concat(n.gateway, n.dns), Networks: n.program, HostLoopback: cfg.Chain.HostLoopback, Log: cfg.Log,
	}
	if !cfg.NoDNS {
		if p.routes, err = dataplane.OpenRoutes(); err != nil {
			return p, errors.Join(err, session.Close())
		}
		cfg.DNS.NoIPv6 = p.routes.NoIPv6
		names, err := dns.New(cfg.DNS)
		if err != nil {
			return p, errors.Join(err, session.Close())
		}
		gc.DNS = gateway.DNS{Addrs: n.dns, Resolver: names}
	}
	p.Plane, err = dataplane.New(gc)
	return p, err
}

// Behind serves a device that is there already, without opener and program; it
// is what a demonstration stands on where no TUN is to be had. The device is
// closed with it.
func Behind(cfg Config, d stack.Device) (end func() error, err error) {
	n, _, err := prepare(&cfg)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	p, err := newPlane(cfg, n)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if err := p.Attach(dataplane.DeviceName, d); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p.close, nil
}

// A run gives up when nothing has moved for drainIdle, and at last after
// drainMost: what a program leaves behind as daemons may talk on for ever.
const (
	drainIdle = time.Second
	drainMost = 30 * time.Second
)

// drainUnlessTold is Drain, cut short by who wants to end us too.
func (p *plane) drainUnlessTold(ctx context.Context) {
	ctx, stop := signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, drainMost)
	defer cancel()
	if open := p.Drain(ctx, drainIdle); open > 0 {
		p.log.Debug("connections outlive the program", "open", open)
	}
}

// close ends everything from the device up; audit has its last line when it
// returns. It may be called on a plane that is half made.
func (p *plane) close() error {
	var errs []error
	if p.Plane != nil {
		errs = append(errs, p.Plane.Close())
	}
	errs = append(errs, p.owners.Close(), p.resident.Close(), p.routes.Close())
	if p.chain != nil {
		errs = append(errs, p.chain.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("while ending: %w", err)
	}
	return nil
}
