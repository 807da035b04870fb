//go:build linux

package contender

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"

	"github.com/netnsd/netnsd/bench/internal/lab"
	"github.com/netnsd/netnsd/bench/internal/load"
)

// Parts that a process of ours plays.
const (
	PartServe = "serve"
	PartLoad  = "load"
	PartOurs  = "ours"
)

// host is the servers' address: on the host's loopback interface, reached over
// whatever leads there, and not one of those that tools take for the host's own.
var host = netip.MustParseAddr("10.9.0.1")

var (
	uplink    = netip.MustParsePrefix("10.9.1.2/24")
	uplinkVia = netip.MustParseAddr("10.9.1.1")
)

// A Stage is the host's namespace, with the servers at work.
type Stage struct {
	Lab     *lab.Lab
	Host    *lab.Netns
	Profile string // directory for CPU profiles of our own processes; "": none

	servers []*lab.Child
	page    string
	next    int
}

// NewStage builds it in l.
func NewStage(ctx context.Context, l *lab.Lab) (*Stage, error) {
	s := &Stage{Lab: l, page: filepath.Join(l.Dir, "servers")}
	var err error
	if s.Host, err = l.Netns("host"); err != nil {
		return nil, err
	}
	if err := lab.Uplink(s.Host, uplink, uplinkVia); err != nil {
		return nil, err
	}
	for _, a := range []netip.Addr{host, load.Flooded} {
		if err := lab.AddAddr(s.Host, netip.PrefixFrom(a, 32)); err != nil {
			return nil, err
		}
	}
	for _, many := range []bool{false, true} {
		c, err := l.StartChild(ctx, s.Host, PartServe, load.Serving{Host: host, Page: s.page, Many: many})
		if err != nil {
			return nil, err
		}
		s.servers = append(s.servers, c)
	}
	return s, nil
}

// Addr is where the servers are.
func (s *Stage) Addr() netip.Addr { return host }

// Err is not nil when the servers are gone, and says why.
func (s *Stage) Err() error {
	for _, c := range s.servers {
		select {
		case <-c.Gone():
			return fmt.Errorf("bench: the servers have ended: %w", c.Err())
		default:
		}
	}
	return nil
}

// Running is a contender that stands.
type Running struct {
	Client *lab.Netns
	Beside *lab.Netns // with another gateway of the same process; nil: there is none
	Target load.Target
	// Published is where the host reaches servers in the client's namespace; not
	// valid: nowhere.
	Published netip.Addr

	stage *Stage
	own   *lab.Netns   // the client's, if it goes with the contender
	proc  *lab.Process // of the contender
	child *lab.Child   // the same, if it is ours
}

// client makes a namespace for one contender.
func (s *Stage) client(r *Running) (err error) {
	s.next++
	r.Client, err = s.Lab.Netns(fmt.Sprint("client", s.next))
	r.own = r.Client
	return err
}

// publish gives r an address of the host's of its own: others stand beside it.
func (s *Stage) publish(r *Running) error {
	r.Published = netip.AddrFrom4([4]byte{10, 10, byte(s.next >> 8), byte(s.next)})
	return lab.AddAddr(s.Host, netip.PrefixFrom(r.Published, 32))
}

func (s *Stage) beside(r *Running) (err error) {
	r.Beside, err = s.Lab.Netns(fmt.Sprint("beside", s.next))
	return err
}

// Start sets c up. Stop ends it; so does the lab's end.
func (s *Stage) Start(ctx context.Context, c Contender) (*Running, error) {
	r := &Running{stage: s, Target: load.Target{Host: host, DNS: netip.AddrPortFrom(host, 53), Page: s.page}}
	if err := c.start(ctx, s, r); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, errors.Join(err, r.Stop()))
	}
	if r.proc != nil {
		r.Target.Pid = r.proc.Pid
	}
	return r, nil
}

// Load starts a load generator in the client's namespace.
func (r *Running) Load(ctx context.Context) (*lab.Child, error) {
	return r.stage.Lab.StartChild(ctx, r.Client, PartLoad, r.Target)
}

// Serve starts servers in the client's namespace, for few connections, at any of its
// addresses.
func (r *Running) Serve(ctx context.Context) (*lab.Child, error) {
	return r.stage.Lab.StartChild(ctx, r.Client, PartServe, load.Serving{Host: netip.IPv4Unspecified(), Page: r.stage.page})
}

// Visit starts a load generator in the host's namespace whose target are the servers
// inside.
func (r *Running) Visit(ctx context.Context) (*lab.Child, error) {
	t := r.Target
	t.Host, t.Page = r.Published, r.stage.page
	return r.stage.Lab.StartChild(ctx, r.stage.Host, PartLoad, t)
}

// Flood starts a process that floods in the namespace beside.
func (r *Running) Flood(ctx context.Context) (*lab.Child, error) {
	return r.stage.Lab.StartChild(ctx, r.Beside, PartLoad, r.Target)
}

// Memory is the contender's resident set in bytes, ours after a garbage
// collection: what is garbage is not held by a connection.
func (r *Running) Memory(ctx context.Context) (n int64, err error) {
	if r.child == nil {
		return load.Resident(r.Target.Pid), nil
	}
	err = r.child.Call(ctx, "memory", nil, &n)
	return n, err
}

// Stop ends the contender and removes its client's namespace.
func (r *Running) Stop() error {
	var errs []error
	switch {
	case r.child != nil:
		errs = append(errs, r.child.Stop())
	case r.proc != nil:
		errs = append(errs, r.proc.Stop())
	}
	if r.own != nil {
		errs = append(errs, r.own.Close())
	}
	if r.Beside != nil {
		errs = append(errs, r.Beside.Close())
	}
	return errors.Join(errs...)
}
