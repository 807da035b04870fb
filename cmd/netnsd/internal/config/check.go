package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/audit"
	"github.com/netnsd/netnsd/provider/layer/metrics"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/layer/redirect"
	"github.com/netnsd/netnsd/provider/layer/shape"
	"github.com/netnsd/netnsd/provider/layer/trace"
)

// checker finds what cannot be in a configuration that has its defaults. wrong
// takes what it finds, with the path of the value.
type checker struct {
	*Config
	wrong func(path, format string, args ...any)
}

func (c *checker) all() {
	if c.Version != 1 {
		c.wrong("version", "version %d is not known here; there is 1", c.Version)
	}
	c.daemon()
	c.catalog()
	c.settings("defaults", c.Defaults)
	names := make(map[string]bool)
	spaces := make(map[string]string)
	for i, a := range c.Attachments {
		path := item("attachments", i)
		c.name(below(path, "name"), "attachment", a.Name, names)
		c.alone(path, a)
		c.chains(path, a)
		space := a.Netns.String()
		if a.Netns.File != nil {
			continue // fd:3 is another's 3
		}
		if other, taken := spaces[space]; taken && space != "" {
			c.wrong(below(path, "netns"), "the namespace %s is served as %s already", space, other)
		}
		spaces[space] = a.Name
	}
	c.published()
}

func (c *checker) daemon() {
	d := c.Daemon
	if d.Socket == "" {
		c.wrong("daemon.socket", "the path of a socket is missing; the default is %s", DefaultSocket)
	}
	if len(d.Socket) > maxSocket {
		c.wrong("daemon.socket", "%d bytes are too long for the path of a unix socket; at most %d", len(d.Socket), maxSocket)
	}
	if d.Metrics != "" {
		if a, err := netip.ParseAddrPort(d.Metrics); err != nil || a.Port() == 0 {
			c.wrong("daemon.metrics", "%q is not ADDR:PORT, as 127.0.0.1:9469 or [::1]:9469", d.Metrics)
		}
	}
	c.word("daemon.log.level", d.Log.Level, "debug", "info", "warn", "error")
	c.word("daemon.log.format", d.Log.Format, "auto", "text", "json")
	c.word("daemon.reload.old", d.Reload.Old, OldPin, OldDrain, OldReset)
}

// maxSocket is what sun_path takes (unix(7)), less a zero and the dot and the PID behind
// the name that the socket has while it is made.
const maxSocket = 107 - len(".4194304")

func (c *checker) word(path, got string, words ...string) {
	if !slices.Contains(words, got) {
		c.wrong(path, "%q cannot stand here; possible is %s", got, strings.Join(words, ", "))
	}
}

// name takes a name into seen.
func (c *checker) name(path, what, name string, seen map[string]bool) {
	switch {
	case name == "":
		c.wrong(path, "the name of the %s is missing", what)
	case !isName(name):
		c.wrong(path, "%q is no name: 1 to 64 letters, digits, dots, dashes and underscores, the first a letter or digit", name)
	case seen[name]:
		c.wrong(path, "the name %s is taken already", name)
	}
	seen[name] = true
}

func isName(s string) bool {
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || !strings.ContainsRune("._-", rune(c))) {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 64
}

func (c *checker) catalog() {
	// Chains and bases share their names: selections and explain name either.
	names, layers := make(map[string]bool), make(map[string]bool)
	for i, p := range c.Catalog.Providers {
		path := item("catalog.providers", i)
		c.name(below(path, "name"), "provider", p.Name, names)
		c.word(below(path, "type"), p.Type, "host")
	}
	for i, l := range c.Catalog.Layers {
		path := item("catalog.layers", i)
		c.name(below(path, "name"), "layer", l.Name, layers)
		c.layer(path, l)
	}
	for i, k := range c.Catalog.Chains {
		path := item("catalog.chains", i)
		c.name(below(path, "name"), "chain", k.Name, names)
		c.chain(path, k)
	}
	c.selections("catalog.select", c.Catalog.Select)
}

func (c *checker) layer(path string, l Layer) {
	c.word(below(path, "type"), l.Type, LayerPolicy, LayerAudit, LayerTrace, LayerShape, LayerRedirect, LayerMetrics)
	keys, known := layerKeys[l.Type]
	for _, k := range l.given() {
		if known && !slices.Contains(keys, k) {
			c.wrong(below(path, k), "%s %s has no %s; it takes name, type%s", article(l.Type), l.Type, k, strings.Join(append([]string{""}, keys...), ", "))
		}
	}
	switch {
	case l.Type == LayerPolicy && (l.File == "") == (l.Policy == nil):
		c.wrong(path, "a policy has its rules in file or in policy; one of them")
	case l.Type == LayerPolicy && l.File == "-":
		c.wrong(below(path, "file"), "a policy is read from a file, as it is read again by a reload")
	case (l.Type == LayerAudit || l.Type == LayerTrace) && l.File == "":
		c.wrong(path, "%s %s needs the file that it writes to; - is stderr", article(l.Type), l.Type)
	case (l.Type == LayerShape || l.Type == LayerRedirect) && len(l.Rules) == 0:
		c.wrong(path, "a %s needs rules, a list of texts", l.Type)
	}
}

func article(word string) string {
	if strings.ContainsRune("aeiou", rune(word[0])) {
		return "an"
	}
	return "a"
}

// maxLayers leaves room in a chain for the base and for sni (provider.MaxStoreys).
const maxLayers = 14

func (c *checker) chain(path string, k Chain) {
	if len(k.Layers) == 0 {
		c.wrong(path, "a chain needs at least one layer")
	}
	if len(k.Layers) > maxLayers {
		c.wrong(below(path, "layers"), "%d layers are too many; at most %d", len(k.Layers), maxLayers)
	}
	for i, name := range k.Layers {
		at := item(below(path, "layers"), i)
		switch {
		case !slices.ContainsFunc(c.Catalog.Layers, func(l Layer) bool { return l.Name == name }):
			c.wrong(at, "there is no layer %q in catalog.layers", name)
		case slices.Index(k.Layers, name) < i:
			c.wrong(at, "the layer %s stands in this chain already", name)
		}
	}
	c.order(below(path, "layers"), k.Layers)
	if !slices.ContainsFunc(c.Catalog.Providers, func(p Provider) bool { return p.Name == k.Base }) {
		c.wrong(below(path, "base"), "there is no provider %q in catalog.providers", k.Base)
	}
}

// order holds the layers of a chain to their contracts.
func (c *checker) order(path string, names []string) {
	var known []string
	var layers []provider.Layer
	for _, name := range names {
		for _, l := range c.Catalog.Layers {
			if stands := contracts[l.Type]; l.Name == name && stands != nil {
				known, layers = append(known, name), append(layers, stands)
			}
		}
	}
	if e, ok := errors.AsType[*provider.CatalogError](provider.CheckOrder(known, layers)); ok {
		c.wrong(path, "%s", e.Reason)
	}
}

// contracts are layers to be asked for theirs.
var contracts = map[string]provider.Layer{
	LayerPolicy: policy.Layer(nil), LayerAudit: (*audit.Layer)(nil), LayerTrace: (*trace.Layer)(nil),
	LayerShape: (*shape.Layer)(nil), LayerRedirect: (*redirect.Layer)(nil), LayerMetrics: (*metrics.Layer)(nil),
}

func (c *checker) selections(path string, all []Selection) {
	for i, s := range all {
		c.chainNamed(below(item(path, i), "chain"), s.Chain)
		if i > 0 && all[i-1].matchesAll() {
			c.wrong(item(path, i), "this is never reached: the one before it matches everything")
		}
	}
}

func (s Selection) matchesAll() bool { return len(s.To) == 0 && len(s.Ports) == 0 }

func (c *checker) chainNamed(path, name string) {
	if name == "" {
		c.wrong(path, "the name of a chain is missing")
	} else if !slices.ContainsFunc(c.Catalog.Chains, func(k Chain) bool { return k.Name == name }) {
		c.wrong(path, "there is no chain %q in catalog.chains", name)
	}
}

// String is the namespace as a user names it, which is also how it is told from others.
func (n Netns) String() string {
	switch {
	case n.Name != "":
		return n.Name
	case n.Path != "":
		return n.Path
	case n.PID != 0:
		return fmt.Sprintf("pid:%d", n.PID)
	case n.FD != 0:
		return fmt.Sprintf("fd:%d", n.FD)
	}
	return ""
}
