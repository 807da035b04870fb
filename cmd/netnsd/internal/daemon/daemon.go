//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/plane"
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/layer/audit"
	"github.com/netnsd/netnsd/sockets"
)

// A Daemon serves network namespaces. It is made by [New], and ends with Close.
type Daemon struct {
	cfg       Config
	log       *slog.Logger
	started   time.Time
	catalog   provider.Catalog
	host      *host.Host
	resources provider.Resources
	handles   atomic.Uint64 // a flow's id is its handle
	audits    map[string]*audit.Layer
	updates   []func() error // of layers in force, for when the draft is; d.change is held
	routes    *plane.Routes
	missing   []string // of what is to hold us, and why

	change sync.Mutex // held by what changes the configuration, one at a time

	mu          sync.Mutex // guards what follows, and audits
	now         *config.Config
	generation  uint64
	loaded      time.Time
	problem     string // of the last reload
	attachments map[string]*attachment
	ending      bool
}

var _ control.Daemon = (*Daemon)(nil)

// New lays out what file says and begins to serve its attachments. It returns
// when each has been tried once; one that is not there is no error.
func New(cfg Config, file *config.Config) (d *Daemon, err error) {
	d = &Daemon{cfg: cfg, log: cfg.Log, started: time.Now(), audits: make(map[string]*audit.Layer), attachments: make(map[string]*attachment)}
	if d.host, err = host.New(host.Config{}); err != nil {
		return nil, err
	}
	if d.routes, err = plane.OpenRoutes(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if cfg.Confine {
		if err := d.confine(file); err != nil {
			return nil, errors.Join(err, d.Close())
		}
	}
	if _, err := d.replace(file); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// all are the attachments, by name.
func (d *Daemon) all() []*attachment {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]*attachment, 0, len(d.attachments))
	for _, a := range d.attachments {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *attachment) int { return strings.Compare(a.cfg.Name, b.cfg.Name) })
	return all
}

func (d *Daemon) attachment(name string) (*attachment, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a := d.attachments[name]; a != nil {
		return a, nil
	}
	return nil, fmt.Errorf("attachment %s: %w", name, control.ErrNotFound)
}

// session is an attachment's view of the catalog, with the chains built that its
// sockets can take.
func (d *Daemon) session(name string) (*sockets.Session, error) {
	s, err := sockets.Startup(sockets.Config{Catalog: &d.catalog, Handles: &d.handles, Resources: &d.resources, Log: d.log.With("attachment", name)})
	if err != nil {
		return nil, err
	}
	now := d.catalog.Snapshot()
	wanted := reachable(now, name)
	for i := range now.Entries {
		if e := &now.Entries[i]; wanted(e) {
			if _, err := s.Chain(e.Info.CatalogEntryID); err != nil && d.catalog.Snapshot() == now {
				return nil, errors.Join(err, s.Close())
			}
		}
	}
	return s, nil
}

// Drain lets flows end and begins none, until all have ended or ctx does. It
// returns how many are left.
func (d *Daemon) Drain(ctx context.Context) (open int) {
	d.end()
	var left atomic.Int64
	var wg sync.WaitGroup
	for _, a := range d.all() {
		if p := a.live(); p != nil {
			a.unpublishAll()
			p.Gateway.Drain()
			wg.Go(func() { left.Add(int64(p.Drain(ctx, 0))) })
		}
	}
	wg.Wait()
	return int(left.Load())
}

// end has further changes refused.
func (d *Daemon) end() {
	d.mu.Lock()
	d.ending = true
	d.mu.Unlock()
}

// Close resets all flows, lets the namespaces go, and waits. What layers had to
// write down is written when it returns.
func (d *Daemon) Close() error {
	d.end()
	d.change.Lock()
	defer d.change.Unlock()
	all := d.all()
	for _, a := range all {
		a.cancel()
	}
	var errs []error
	for _, a := range all {
		errs = append(errs, a.close())
	}
	return errors.Join(append(errs, d.host.Close(), d.routes.Close())...)
}
