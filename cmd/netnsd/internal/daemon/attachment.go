//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/opener"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/plane"
	"github.com/netnsd/netnsd/sockets/gateway"
	"github.com/netnsd/netnsd/sockets/gateway/owner"
	"github.com/netnsd/netnsd/tun"
)

// Where an attachment comes from.
const (
	fromConfig = "config"
	fromAPI    = "api"
)

// An attachment serves one namespace, through its goings and comings.
type attachment struct {
	d      *Daemon
	log    *slog.Logger
	link   link
	origin string
	since  time.Time

	cancel context.CancelFunc
	first  chan struct{} // closed when it has been tried once
	done   chan struct{} // closed when it has ended

	mu        sync.Mutex // guards what follows
	cfg       config.Attachment
	plane     *plane.Plane // nil while there is none
	state     string
	problem   error
	published map[string]*gateway.Published // by ID; nil: packets do not pass
	held      map[string]error              // why others of cfg.Publish are not there
	asked     []config.Publish              // those of cfg.Publish that came through the control socket, as they came
	in, out   uint64                        // bytes of the planes that were
	forget    bool                          // a persistent device goes with the attachment
}

// attach begins an attachment; asked are those of c's ports that its file does not have.
func (d *Daemon) attach(c config.Attachment, origin string, asked []config.Publish) *attachment {
	ctx, cancel := context.WithCancel(context.Background())
	a := &attachment{
		d: d, cfg: c, link: layout(c.Network), origin: origin, since: time.Now(), state: control.StateGone, asked: asked,
		log: d.log.With("attachment", c.Name), cancel: cancel, first: make(chan struct{}), done: make(chan struct{}),
	}
	go a.run(ctx) // ended by close
	return a
}

// config is what it is made of, as it is now.
func (a *attachment) config() config.Attachment {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cfg
}

// remove is cancel, and has the device removed though it be persistent: it is the
// daemon's end that such a one outlives.
func (a *attachment) remove() {
	a.mu.Lock()
	a.forget = true
	a.mu.Unlock()
	a.cancel()
}

// close lets the namespace go, and waits.
func (a *attachment) close() error {
	a.cancel()
	<-a.done
	return closeNetns(a.cfg.Netns)
}

// tried waits for the first try, and says what came of it.
func (a *attachment) tried() error {
	<-a.first
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.wrong()
}

// wrong is what a user would want to know; a.mu is held.
func (a *attachment) wrong() error {
	errs := []error{a.problem}
	for _, port := range a.cfg.Publish {
		errs = append(errs, a.held[port.ID()])
	}
	return errors.Join(errs...)
}

// live is the plane, nil if there is none.
func (a *attachment) live() *plane.Plane {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.plane
}

// How long to wait before the next try.
const (
	soon = 200 * time.Millisecond
	late = 5 * time.Second
)

// run serves until ctx ends.
func (a *attachment) run(ctx context.Context) {
	defer close(a.done)
	first := sync.OnceFunc(func() { close(a.first) })
	defer first()
	path := netnsPath(a.cfg.Netns)
	for wait := soon; ; {
		began := time.Now()
		err := a.serve(ctx, first)
		if ctx.Err() != nil {
			return
		}
		a.note(control.StateGone, err)
		first()
		if !comesBack(a.cfg.Netns) {
			<-ctx.Done()
			return
		}
		if time.Since(began) > late {
			wait = soon // it was there
		}
		if !a.await(ctx, path, wait) {
			return
		}
		wait = min(2*wait, late)
	}
}

// await waits at least that long, and until there is a namespace at path; false if
// ctx ends first. It looks at the path: an inotify event for a name comes before
// the namespace is mounted on it, so it would have to look all the same.
func (a *attachment) await(ctx context.Context, path string, wait time.Duration) bool {
	for {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false
		}
		if a.d.cfg.Opener.Look(path) == nil {
			return true
		}
		wait = soon
	}
}

// note says how it is, and logs what is new.
func (a *attachment) note(state string, problem error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if state != a.state || fmt.Sprint(problem) != fmt.Sprint(a.problem) {
		if problem != nil {
			a.log.Warn("attachment "+state, "problem", problem)
		} else {
			a.log.Info("attachment " + state)
		}
	}
	a.state, a.problem = state, problem
}

// serve serves the namespace until ctx ends, or with an error until it can be served
// no longer. up is called when packets pass.
func (a *attachment) serve(ctx context.Context, up func()) (err error) {
	var owners owner.Lookup
	defer owners.Close()
	p, err := a.begin(&owners)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.end(p)) }()
	device, err := a.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, device.Close()) }()
	a.identify(&owners, device)
	if err := p.Attach(a.cfg.Interface.Name, device.TUN); err != nil {
		return err
	}
	defer a.forgetting(device.TUN)
	if err := device.SetUp(); err != nil {
		return err
	}
	if err := a.configure(device); err != nil {
		return err
	}
	if err := a.publishAll(); err != nil && a.begins() && a.origin == fromAPI {
		return err // to who waits for it
	}
	a.note(control.StateUp, nil)
	up()
	return a.follow(ctx, device)
}

// open has the opener make the device, or take over the one that is there.
func (a *attachment) open() (*opener.Device, error) {
	place, netns, err := a.link.place(a.cfg)
	if err != nil {
		return nil, err
	}
	if netns != nil {
		defer netns.Close()
	}
	return a.d.cfg.Opener.Open(place, netns)
}

// configure gives a device that is up all that it lacks.
func (a *attachment) configure(d *opener.Device) error {
	warning, err := d.Configure()
	if warning != "" {
		a.log.Warn(warning)
	}
	return err
}

// begins says that this is the first try.
func (a *attachment) begins() bool {
	select {
	case <-a.first:
		return false
	default:
		return true
	}
}

func (a *attachment) forgetting(device *tun.Device) {
	a.mu.Lock()
	forget := a.forget
	a.mu.Unlock()
	if forget && a.cfg.Interface.Persist {
		_ = device.SetPersist(false) // it may be gone already
	}
}

// begin makes the plane. It is known before there is a device, so that nothing
// runs behind a plane that a reload or the control socket does not know of.
func (a *attachment) begin(owners *owner.Lookup) (*plane.Plane, error) {
	session, err := a.d.session(a.cfg.Name)
	if err != nil {
		return nil, err
	}
	gc, err := a.gateway()
	if err != nil {
		return nil, errors.Join(err, session.Close())
	}
	gc.Session, gc.Owners = session, owners
	p, err := plane.New(gc)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.plane = p
	return p, nil
}

func (a *attachment) gateway() (gateway.Config, error) {
	l := a.cfg.Limits
	gc := gateway.Config{
		Attachment: a.cfg.Name, Addrs: slices.Concat(a.link.gateway, a.link.dns), Networks: a.link.addrs, HostLoopback: a.cfg.HostLoopback, Log: a.d.log,
		UDPPerFlow: a.cfg.UDP == config.UDPPerFlow,
		Limits: gateway.Limits{
			Handshakes: l.TCPHandshakes, HandshakesPerClient: l.TCPHandshakesPerClient, Flows: l.TCPFlows,
			Inward: l.PublishHandshakes, Answer: time.Duration(l.PublishAnswer), Visitors: l.PublishClients,
			KeepAlive: time.Duration(l.KeepAlive), UserTimeout: time.Duration(l.UserTimeout),
			Datagram: l.UDPSources, Peers: l.UDPPeers, Queries: l.DNSQueries, Names: l.DNSNames,
			Idle: time.Duration(l.UDPIdle), IdleDNS: time.Duration(l.DNSIdle), HalfClose: time.Duration(l.HalfClosed),
		},
	}
	if a.cfg.DNS.Off {
		return gc, nil
	}
	names, err := resolver(a.cfg.DNS, a.d.routes, a.log)
	gc.DNS = gateway.DNS{Addrs: a.link.dns, Resolver: names}
	return gc, err
}

// end resets what is left, and lets the device go.
func (a *attachment) end(p *plane.Plane) error {
	a.unpublishAll()
	in, out := p.Session.Traffic()
	a.mu.Lock()
	a.plane, a.in, a.out = nil, a.in+in, a.out+out
	a.mu.Unlock()
	return p.Close()
}

var (
	errDevice = errors.New("the device was deleted")
	errNetns  = errors.New("the namespace was deleted")
)

// follow sees to it that the device has what it needs, until it is gone.
func (a *attachment) follow(ctx context.Context, d *opener.Device) error {
	served := uint64(0) // the Downs after which addresses and routes were put back
	for {
		s, changed := d.TUN.State()
		again := (<-chan time.Time)(nil)
		switch {
		case s.Err != nil:
			return errDevice
		case s.Downs == served: // up, or the kernel has not said so yet
		case !s.Up:
			a.note(control.StateDown, nil)
		default:
			err := a.configure(d)
			if err == nil {
				served = s.Downs
			} else { // down again, mostly
				again = time.After(late)
			}
			a.note(control.StateUp, err)
		}
		select {
		case <-changed:
		case <-again:
		case <-d.Gone():
			return errNetns
		case <-ctx.Done():
			return nil
		}
	}
}
