//go:build linux

package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/chain"
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/gateway"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/tun"
)

// plane carries the program's bytes: device, stack, gateway, chains, host. From
// its creation on the rules hold; what it lacks until attach is a device.
type plane struct {
	chain   *chain.Chain
	session *sockets.Session
	gateway *gateway.Gateway
	stack   *stack.Stack
	nic     *stack.NIC
	log     *slog.Logger
	ran     bool // the program began
}

// newPlane reads the rules and builds every chain that a socket could take, so
// that what cannot be enforced is known before anything runs.
func newPlane(cfg Config, n network) (p *plane, err error) {
	p = &plane{log: cfg.Log}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.chain, err = chain.New(cfg.Chain); err != nil {
		return p, err
	}
	if p.session, err = p.chain.Startup(cfg.Log); err != nil {
		return p, err
	}
	gc := gateway.Config{
		Session: p.session, Attachment: chain.Attachment, Origin: origin,
		Addrs: slices.Concat(n.gateway, n.dns), HostLoopback: cfg.Chain.HostLoopback, Log: cfg.Log,
	}
	if !cfg.NoDNS {
		gc.DNS = gateway.DNS{Addrs: n.dns, Upstreams: cfg.DNS}
	}
	if p.gateway, err = gateway.New(gc); err != nil {
		return p, err
	}
	p.stack, err = stack.New(stack.Config{})
	return p, err
}

// adopt puts the stack on the program's device.
func (p *plane) adopt(fd, mtu int) error {
	device, err := tun.Adopt([]int{fd}, tun.Config{MTU: mtu})
	if err != nil {
		unix.Close(fd)
		return err
	}
	return p.attach(device)
}

// attach puts the stack on d, behind which there is nothing but the program.
func (p *plane) attach(d stack.Device) (err error) {
	p.nic, err = p.stack.AddNIC(stack.NICConfig{Name: deviceName, Device: d, Forward: p.gateway})
	if err != nil {
		return err
	}
	p.stack.SetRoutes([]stack.Route{
		{Dest: netip.PrefixFrom(netip.IPv4Unspecified(), 0), NIC: p.nic},
		{Dest: netip.PrefixFrom(netip.IPv6Unspecified(), 0), NIC: p.nic},
	})
	return nil
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
	if err := p.attach(d); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p.close, nil
}

// lost is closed when the device is gone, which nobody but root can bring about.
func (p *plane) lost() <-chan struct{} { return p.nic.Done() }

// Drain gives up when nothing has moved for idle, and at last after most: what
// a program leaves behind as daemons may talk on for ever.
const (
	drainTick = 5 * time.Millisecond
	drainIdle = time.Second
	drainMost = 30 * time.Second
)

// drain waits until what the program has sent before it ended is sent on. Its
// kernel keeps closed connections until their last byte is acknowledged, ours
// must not end before.
func (p *plane) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainMost)
	defer cancel()
	tick := time.NewTicker(drainTick)
	defer tick.Stop()
	moved, since := uint64(0), time.Now()
	for {
		open, now := p.streams()
		if open == 0 {
			return
		}
		if now != moved {
			moved, since = now, time.Now()
		}
		if time.Since(since) > drainIdle {
			p.log.Debug("connections outlive the program", "open", open)
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// drainUnlessTold is drain, cut short by who wants to end us too.
func (p *plane) drainUnlessTold(ctx context.Context) {
	ctx, stop := signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	p.drain(ctx)
}

// streams counts the open connections and the bytes that they have moved.
func (p *plane) streams() (open int, moved uint64) {
	for s := range p.session.Sockets() {
		if s.Chain().Info.MessageOriented() {
			continue
		}
		open++
		moved += s.Traffic.BytesIn.Load() + s.Traffic.BytesOut.Load()
	}
	return open, moved
}

// close ends everything from the device up; audit has its last line when it
// returns. It may be called on a plane that is half made.
func (p *plane) close() error {
	var errs []error
	if p.stack != nil {
		errs = append(errs, p.stack.Close())
	}
	if p.gateway != nil {
		errs = append(errs, p.gateway.Close())
	}
	if p.session != nil {
		errs = append(errs, p.session.Close())
	}
	if p.chain != nil {
		errs = append(errs, p.chain.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("while ending: %w", err)
	}
	return nil
}

// origin says who is behind every flow: the one user that the program runs as.
func origin(netip.AddrPort) *provider.Origin {
	return &provider.Origin{UID: os.Geteuid()}
}
