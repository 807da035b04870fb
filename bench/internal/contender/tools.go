//go:build linux

package contender

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/netnsd/netnsd/bench/internal/lab"
	"github.com/netnsd/netnsd/bench/internal/load"
)

// mtu of every link that has no other.
const mtu = 1500

var (
	vethHost   = netip.MustParsePrefix("10.9.2.1/24")
	vethClient = netip.MustParsePrefix("10.9.2.2/24")
	tunClient  = netip.MustParsePrefix("10.0.2.100/24")
	tunRouter  = netip.MustParseAddr("10.0.2.2")
	slirpNames = netip.MustParseAddrPort("10.0.2.3:53")
	pastaNames = netip.MustParseAddrPort("10.9.1.3:53")
)

// pasta copies addresses and routes from the host's uplink. It forwards the ports that
// it is given, and is forbidden to look for others, every second.
func pasta(path string) func(context.Context, *Stage, *Running) error {
	return func(ctx context.Context, s *Stage, r *Running) error {
		if err := s.client(r); err != nil {
			return err
		}
		if err := s.publish(r); err != nil {
			return err
		}
		at := func(ports [2]uint16) string { return fmt.Sprintf("%s/%d-%d", r.Published, ports[0], ports[1]) }
		r.Target.DNS = pastaNames
		return r.run(ctx, s, path, "--foreground", "--quiet", "--runas", "0:0", "--netns", r.Client.Path, "--config-net", "--ipv4-only",
			"--dns-forward", pastaNames.Addr().String(), "--tcp-ports", at(load.PublishedTCP), "--udp-ports", at(load.PublishedUDP), "--tcp-ns", "none", "--udp-ns", "none")
	}
}

// slirp is slirp4netns at the MTU at which it is best.
func slirp(path string) func(context.Context, *Stage, *Running) error {
	return func(ctx context.Context, s *Stage, r *Running) error {
		if err := s.client(r); err != nil {
			return err
		}
		r.Target.DNS = slirpNames
		return r.run(ctx, s, path, "--configure", "--mtu", "65520", "--netns-type", "path", r.Client.Path, "tap0")
	}
}

// tun2socks connects directly, through no proxy. It makes its TUN where it runs;
// its descriptor goes on working when the interface is moved to the client.
func tun2socks(path string) func(context.Context, *Stage, *Running) error {
	return func(ctx context.Context, s *Stage, r *Running) error {
		if err := s.client(r); err != nil {
			return err
		}
		name := fmt.Sprint("t2s", s.next)
		if err := r.begin(s, path, "--device", "tun://"+name, "--proxy", "direct://", "--loglevel", "error"); err != nil {
			return err
		}
		if err := r.await(ctx, s.Host, name, func() bool { return lab.HasLink(name) }); err != nil {
			return err
		}
		if err := lab.Move(s.Host, r.Client, name, tunClient); err != nil {
			return err
		}
		return lab.DefaultRoute(r.Client, name, tunRouter)
	}
}

// run starts a program and waits until the client has its way out.
func (r *Running) run(ctx context.Context, s *Stage, path string, args ...string) error {
	if err := r.begin(s, path, args...); err != nil {
		return err
	}
	return r.await(ctx, r.Client, "its default route", lab.HasDefaultRoute)
}

// begin starts a program in the host's namespace, with our name server as the
// host's.
func (r *Running) begin(s *Stage, path string, args ...string) error {
	cmd, err := s.Lab.Resolving(host.String(), append([]string{path}, args...)...)
	if err != nil {
		return err
	}
	r.proc, err = s.Lab.Start(s.Host, cmd)
	return err
}

// await is lab.Await, but for the program's own end.
func (r *Running) await(ctx context.Context, n *lab.Netns, what string, ready func() bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-r.proc.Gone():
			cancel(fmt.Errorf("it ended: %w", r.proc.Err()))
		case <-ctx.Done():
		}
	}()
	return lab.Await(ctx, n, what, ready)
}
