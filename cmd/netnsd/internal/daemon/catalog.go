//go:build linux

package daemon

import (
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/chain"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/confine"
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/layer/audit"
	"github.com/netnsd/netnsd/provider/layer/metrics"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/layer/redirect"
	"github.com/netnsd/netnsd/provider/layer/shadow"
	"github.com/netnsd/netnsd/provider/layer/shape"
	"github.com/netnsd/netnsd/provider/layer/sni"
	"github.com/netnsd/netnsd/provider/layer/trace"
)

// lay makes draft what c says, for the attachments all.
func (d *Daemon) lay(draft *provider.Catalog, c *config.Config, all []config.Attachment) error {
	if err := draft.Reset(); err != nil {
		return err
	}
	d.updates = nil
	bases, err := d.bases(draft, c.Catalog.Providers)
	if err != nil {
		return err
	}
	layers := make(map[string]provider.CatalogID)
	for _, l := range c.Catalog.Layers {
		layer, err := d.layer(l)
		if err != nil {
			return fmt.Errorf("layer %s: %w", l.Name, err)
		}
		if layers[l.Name], err = draft.InstallLayer(l.Name, layer); err != nil {
			return err
		}
	}
	// The last installed is found first, and the first of the file is to be.
	for _, ch := range slices.Backward(c.Catalog.Chains) {
		ids, err := storeys(draft, c, ch, layers)
		if err != nil {
			return err
		}
		if _, err := draft.InstallMandatoryChain(ch.Name, ids, bases[ch.Base]...); err != nil {
			return err
		}
	}
	return draft.SetSelection(selections(c, all))
}

// bases installs those that are new and removes those that are named no more.
func (d *Daemon) bases(draft *provider.Catalog, providers []config.Provider) (map[string][]provider.CatalogID, error) {
	there := make(map[string][]provider.CatalogID)
	for _, e := range draft.Snapshot().Entries {
		there[e.Name] = append(there[e.Name], e.Info.CatalogEntryID)
	}
	named := make(map[string][]provider.CatalogID)
	for _, p := range providers {
		if named[p.Name] = there[p.Name]; named[p.Name] != nil {
			continue
		}
		ids, err := draft.InstallBase(p.Name, base.New(base.Config{Driver: d.host, Name: p.Name}))
		if err != nil {
			return nil, err
		}
		named[p.Name] = ids
	}
	for name, ids := range there {
		for _, id := range ids {
			if named[name] != nil {
				break
			}
			if err := draft.Remove(id, false); err != nil {
				return nil, err
			}
		}
	}
	return named, nil
}

// layer makes l, or takes the one there is if the configuration in force has it alike.
// An audit is the same through all versions, as is what it counts; so is a shape, whose
// limits change under those who use them when the draft is in force.
func (d *Daemon) layer(l config.Layer) (provider.Layer, error) {
	if as := d.inForce(l.Name); as != nil && d.alike(l) {
		return as, nil
	}
	switch l.Type {
	case config.LayerAudit:
		return d.audit(l)
	case config.LayerTrace:
		if err := writable(l.File); err != nil {
			return nil, err
		}
		return trace.New(trace.Config{Path: l.File}), nil
	case config.LayerShape:
		if s, ok := d.inForce(l.Name).(*shape.Layer); ok {
			d.updates = append(d.updates, func() error { return s.Update(l.Shape) })
			return s, nil
		}
		return shape.New(l.Shape)
	case config.LayerMetrics:
		return metrics.New(metrics.Config{Processes: true}), nil
	case config.LayerRedirect:
		return redirect.New(l.Redirect)
	}
	if l.Shadow {
		return shadow.New(policy.Layer(l.Decides)), nil
	}
	return policy.Layer(l.Decides), nil
}

func (d *Daemon) audit(l config.Layer) (provider.Layer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.audits[l.File] == nil {
		if err := writable(l.File); err != nil {
			return nil, err
		}
		d.audits[l.File] = audit.New(audit.Config{Path: l.File, Owners: true})
	}
	return d.audits[l.File], nil
}

// inForce is the layer of the catalog that has this name, nil if there is none.
func (d *Daemon) inForce(name string) provider.Layer {
	for _, e := range d.catalog.Snapshot().Entries {
		if e.Layer != nil && e.Name == name {
			return e.Layer
		}
	}
	return nil
}

// alike says that the configuration in force has l, made of the same.
func (d *Daemon) alike(l config.Layer) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now != nil && slices.ContainsFunc(d.now.Catalog.Layers, l.Equal)
}

// writable says why a new audit cannot be written: a chain whose layer does not start
// has a code for it, and no words. What is no file, as a FIFO, is not tried: whoever
// reads it would see an end.
func writable(file string) error {
	if file == "-" || confine.Folder(file) == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// storeys are the layers of ch, and under rules by name the one that learns them.
func storeys(draft *provider.Catalog, c *config.Config, ch config.Chain, layers map[string]provider.CatalogID) (ids []provider.CatalogID, err error) {
	byName, obeyed := false, false
	for _, name := range ch.Layers {
		id, ok := layers[name]
		if !ok {
			return nil, fmt.Errorf("chain %s: there is no layer %s", ch.Name, name)
		}
		ids = append(ids, id)
		for _, l := range c.Catalog.Layers {
			if l.Name == name && l.Decides != nil && l.Decides.ByName() {
				byName, obeyed = true, obeyed || !l.Shadow
			}
		}
	}
	if !byName {
		return ids, nil
	}
	id, err := draft.InstallLayer(chain.SNI, sni.Layer(sni.Config{Shadow: !obeyed}))
	return append(ids, id), err
}

// selections are what each attachment says, then what the catalog says.
func selections(c *config.Config, all []config.Attachment) (rules []provider.Selection) {
	for _, a := range all {
		for _, s := range a.Select {
			rules = append(rules, selection(a.Name, s))
		}
		if a.Chain != "" {
			rules = append(rules, provider.Selection{Attachment: a.Name, Chain: a.Chain})
		}
	}
	for _, s := range c.Catalog.Select {
		rules = append(rules, selection("", s))
	}
	return rules
}

func selection(attachment string, s config.Selection) provider.Selection {
	r := provider.Selection{Attachment: attachment, Chain: s.Chain}
	for _, p := range s.To {
		r.To = append(r.To, p.Prefix)
	}
	for _, p := range s.Ports {
		r.Ports = append(r.Ports, p.PortRange)
	}
	return r
}

// reachable says of an entry of s whether sockets of the attachment can take it.
func reachable(s *provider.Snapshot, attachment string) func(*provider.Entry) bool {
	names, _ := chains(s, attachment)
	return func(e *provider.Entry) bool { return e.Storeys != nil && slices.Contains(names, e.Name) }
}

// chains are the names of the chains that sockets of the attachment can take; all
// says that every socket finds one.
func chains(s *provider.Snapshot, attachment string) (names []string, all bool) {
	for _, r := range s.Select {
		if r.Attachment != "" && r.Attachment != attachment {
			continue
		}
		if !slices.Contains(names, r.Chain) {
			names = append(names, r.Chain)
		}
		if len(r.To) == 0 && len(r.Ports) == 0 {
			return names, true
		}
	}
	return names, false
}
