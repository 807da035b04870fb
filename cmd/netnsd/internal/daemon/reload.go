//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/gateway"
)

// Reload implements [control.Daemon].
func (d *Daemon) Reload(_ context.Context, q control.ReloadQuery) (control.Reload, error) {
	d.cfg.Notify.reloading()
	defer d.cfg.Notify.ready()
	r, err := d.reread(q)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.problem = ""; err != nil {
		err = d.beyond(err)
		d.problem = err.Error()
		d.log.Error("reload refused, what was in force stays so", "error", err)
		return r, err
	}
	d.log.Info("reloaded", "generation", r.Generation, "attached", r.Attached, "detached", r.Detached, "changed", r.Changed, "denied", r.Denied, "old", r.Old, "reset", r.Reset)
	return r, nil
}

// reread reads the file when it is its turn: of two reloads at once the later is to
// have the last word.
func (d *Daemon) reread(q control.ReloadQuery) (control.Reload, error) {
	d.change.Lock()
	defer d.change.Unlock()
	next, err := config.Load(d.cfg.File)
	if _, wrong := errors.AsType[config.Errors](err); err != nil && !wrong {
		err = fmt.Errorf("%w: %w", control.ErrInvalid, err) // the file, not the daemon
	}
	if err != nil {
		return control.Reload{}, err
	}
	return d.put(next, q.Over(next.Daemon.Reload))
}

// A plan is what becomes of attachments.
type plan struct {
	all    []config.Attachment         // that there will be, first those of the file
	asked  map[string][]config.Publish // which of their ports came through the control socket
	begin  []config.Attachment         // those of them that are begun, or begun anew
	end    []*attachment               // those that there are and that are ended
	keep   []*attachment
	report control.Reload
}

// of is what a is to be; it is one of those that are kept.
func (p *plan) of(a *attachment) config.Attachment {
	return p.all[slices.IndexFunc(p.all, func(c config.Attachment) bool { return c.Name == a.cfg.Name })]
}

// replace is put when it is its turn.
func (d *Daemon) replace(next *config.Config) (control.Reload, error) {
	d.change.Lock()
	defer d.change.Unlock()
	return d.put(next, next.Daemon.Reload)
}

// put puts next in force: catalog first, then attachments. On an error nothing has
// changed. d.change is held.
func (d *Daemon) put(next *config.Config, flows config.Reload) (control.Reload, error) {
	p, err := d.plan(next)
	if err != nil {
		return control.Reload{}, err
	}
	d.mu.Lock()
	old := d.now
	d.mu.Unlock()
	rejudged, err := d.publish(next, p.all, flows)
	if err != nil {
		return control.Reload{}, err
	}
	d.mu.Lock()
	d.now, d.loaded = next, time.Now()
	d.generation++
	p.report.Generation = d.generation
	p.report.Denied, p.report.Old, p.report.Reset = rejudged.Denied, rejudged.Old, rejudged.Reset
	d.mu.Unlock()
	d.settle(&p)
	if old != nil {
		p.report.Notes = append(p.report.Notes, restarts(old.Daemon, next.Daemon)...)
	}
	d.cfg.level(next.Daemon.Log.Level)
	return p.report, nil
}

// plan compares what there is with what next says. What came through the control
// socket stays.
func (d *Daemon) plan(next *config.Config) (p plan, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ending {
		return p, control.ErrEnding
	}
	p.asked = make(map[string][]config.Publish)
	p.report = control.Reload{Attached: []string{}, Detached: []string{}, Changed: []string{}}
	named := make(map[string]bool)
	for _, c := range next.Attachments {
		named[c.Name] = true
		a := d.attachments[c.Name]
		if a != nil {
			c.Publish, p.asked[c.Name] = a.beside(c.Publish, c.Network)
		}
		p.all = append(p.all, c)
		switch {
		case a == nil:
			p.begin = append(p.begin, c)
			p.report.Attached = append(p.report.Attached, c.Name)
		case a.origin == fromAPI:
			return p, fmt.Errorf("attachment %s: %w: it was made through the control socket; detach it first", c.Name, control.ErrExists)
		case a.same(c):
			p.keep = append(p.keep, a)
		default:
			p.end, p.begin = append(p.end, a), append(p.begin, c)
			p.report.Changed = append(p.report.Changed, c.Name)
		}
	}
	for name, a := range d.attachments {
		switch {
		case named[name]:
		case a.origin == fromAPI:
			p.keep, p.all, p.asked[name] = append(p.keep, a), append(p.all, a.config()), a.asked
		default:
			p.end = append(p.end, a)
			p.report.Detached = append(p.report.Detached, name)
		}
	}
	slices.Sort(p.report.Detached)
	whole := *next
	whole.Attachments = p.all
	if err := whole.Check(); err != nil { // the file alone is right
		return p, fmt.Errorf("%w: beside what came through the control socket: %w", control.ErrInvalid, err)
	}
	return p, nil
}

// same says that c needs no other device and no other gateway.
func (a *attachment) same(c config.Attachment) bool {
	return reflect.DeepEqual(a.cfg.Netns, c.Netns) && reflect.DeepEqual(a.cfg.Settings, c.Settings)
}

// publish makes what c says of all the catalog's next state: whole, or not at all.
// flows says what becomes of those that live.
func (d *Daemon) publish(c *config.Config, all []config.Attachment, flows config.Reload) (sum gateway.Rejudged, err error) {
	draft := d.catalog.Draft()
	if err := d.lay(draft, c, all); err != nil {
		return sum, err
	}
	for _, a := range all {
		if _, found := chains(draft.Snapshot(), a.Name); !found {
			return sum, fmt.Errorf("attachment %s: not every socket finds a chain: name one", a.Name)
		}
	}
	trial, err := d.tryOut(draft)
	if err != nil {
		return sum, err
	}
	defer func() { // it is no reason to call a reload failed that is in force
		if e := trial.Close(); e != nil {
			d.log.Warn("while trying the chains", "error", e)
		}
	}()
	next := draft.Snapshot()
	planes := d.all()
	for _, a := range planes {
		if p := a.live(); p != nil {
			err = p.Session.Prepare(next, reachable(next, a.cfg.Name))
			if err != nil && a.live() == p { // else it has ended just now
				break
			}
			err = nil
		}
	}
	if err == nil {
		err = d.catalog.Publish(draft)
	}
	if err == nil {
		for _, update := range d.updates {
			if e := update(); e != nil { // it was tried when the file was read
				d.log.Error("a layer keeps its parameters", "error", e)
			}
		}
	}
	for _, a := range planes {
		p := a.live()
		switch {
		case p == nil:
		case err != nil:
			_ = p.Session.Prepare(nil, nil)
		default:
			r := p.Gateway.Rejudge(living(flows))
			sum.Denied += r.Denied
			sum.Old += r.Old
			sum.Reset += r.Reset
		}
	}
	return sum, err
}

func living(r config.Reload) gateway.Living {
	old := map[string]gateway.Old{config.OldPin: gateway.PinOld, config.OldDrain: gateway.DrainOld, config.OldReset: gateway.ResetOld}
	return gateway.Living{Old: old[r.Old], Drain: time.Duration(r.Drain), KeepDenied: r.KeepDenied}
}

// tryOut builds every chain, also those that no socket can take yet. The session
// holds their resources until those who use them have them too.
func (d *Daemon) tryOut(draft *provider.Catalog) (*sockets.Session, error) {
	s, err := sockets.Startup(sockets.Config{Catalog: draft, Resources: &d.resources, Log: d.log})
	if err != nil {
		return nil, err
	}
	for _, e := range draft.Snapshot().Entries {
		if e.Storeys == nil {
			continue
		}
		if _, err := s.Chain(e.Info.CatalogEntryID); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// settle ends and begins attachments as p says.
func (d *Daemon) settle(p *plan) {
	for _, a := range p.end {
		a.remove()
	}
	for _, a := range p.end {
		if err := a.close(); err != nil {
			a.log.Warn("while ending", "error", err)
		}
		d.mu.Lock()
		delete(d.attachments, a.cfg.Name)
		d.mu.Unlock()
	}
	for _, a := range p.keep { // before others want their ports
		a.withdraw(p.of(a).Publish)
	}
	var begun []*attachment
	for _, c := range p.begin {
		a := d.attach(c, fromConfig, p.asked[c.Name])
		begun = append(begun, a)
		d.mu.Lock()
		d.attachments[c.Name] = a
		d.mu.Unlock()
	}
	for _, a := range p.keep {
		if err := a.follows(p.of(a), p.asked[a.cfg.Name]); err != nil {
			p.report.Notes = append(p.report.Notes, err.Error())
		}
	}
	for _, a := range begun {
		if err := a.tried(); err != nil {
			p.report.Notes = append(p.report.Notes, fmt.Sprintf("attachment %s: %v", a.cfg.Name, err))
		}
	}
}

// follows takes over what can change while an attachment lives.
func (a *attachment) follows(c config.Attachment, asked []config.Publish) error {
	err := a.republish(c.Publish)
	a.mu.Lock()
	a.cfg.Chain, a.cfg.Select, a.asked = c.Chain, c.Select, asked
	a.mu.Unlock()
	return err
}

// restarts says what of the program itself stays as it was.
func restarts(old, next config.Daemon) (notes []string) {
	for _, c := range []struct {
		key       string
		different bool
	}{
		{"socket", old.Socket != next.Socket},
		{"socket_group", old.SocketGroup != next.SocketGroup},
		{"metrics", old.Metrics != next.Metrics},
		{"log.format", old.Log.Format != next.Log.Format},
	} {
		if c.different {
			notes = append(notes, "daemon."+c.key+" takes a restart")
		}
	}
	return notes
}

// Attach implements [control.Daemon].
func (d *Daemon) Attach(_ context.Context, c config.Attachment) (err error) {
	d.change.Lock()
	defer d.change.Unlock()
	defer func() {
		if err != nil {
			_ = closeNetns(c.Netns)
		}
	}()
	now, all, err := d.others(c.Name)
	if err != nil {
		return err
	}
	beside := *now
	beside.Attachments = all
	if err := beside.Admit(c); err != nil {
		return fmt.Errorf("attachment %s: %w: %w", c.Name, control.ErrInvalid, err)
	}
	if _, err := d.publish(now, append(all, c), now.Daemon.Reload); err != nil {
		return fmt.Errorf("attachment %s: %w: %w", c.Name, control.ErrInvalid, err)
	}
	a := d.attach(c, fromAPI, nil)
	d.mu.Lock()
	d.attachments[c.Name] = a
	d.mu.Unlock()
	if err = a.tried(); err == nil {
		return nil
	}
	a.cancel()
	<-a.done
	d.mu.Lock()
	delete(d.attachments, c.Name)
	d.mu.Unlock()
	_, back := d.publish(now, all, now.Daemon.Reload)
	err = errors.Join(err, back)
	if errors.Is(err, control.ErrExists) { // a port of the host
		return fmt.Errorf("attachment %s: %w", c.Name, err)
	}
	return fmt.Errorf("attachment %s: %w: %w", c.Name, control.ErrInvalid, err)
}

// others are all attachments but name, of which there must be none.
func (d *Daemon) others(name string) (now *config.Config, all []config.Attachment, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.ending:
		return nil, nil, control.ErrEnding
	case d.attachments[name] != nil:
		return nil, nil, fmt.Errorf("attachment %s: %w", name, control.ErrExists)
	}
	for _, a := range d.attachments {
		all = append(all, a.config())
	}
	return d.now, all, nil
}

// Detach implements [control.Daemon]. One of the file comes back with the next
// reload.
func (d *Daemon) Detach(_ context.Context, name string) error {
	d.change.Lock()
	defer d.change.Unlock()
	a, err := d.changing(name)
	if err != nil {
		return err
	}
	a.remove()
	err = a.close()
	d.mu.Lock()
	delete(d.attachments, name)
	d.mu.Unlock()
	now, all, gone := d.others(name)
	if gone != nil {
		return errors.Join(err, gone)
	}
	_, rest := d.publish(now, all, now.Daemon.Reload)
	return errors.Join(err, rest)
}
