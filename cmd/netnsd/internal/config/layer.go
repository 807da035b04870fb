package config

import (
	"encoding/json"
	"reflect"

	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/layer/redirect"
	"github.com/netnsd/netnsd/provider/layer/shape"
)

// Layer types.
const (
	LayerPolicy   = "policy"
	LayerAudit    = "audit"
	LayerTrace    = "trace"
	LayerShape    = "shape"
	LayerRedirect = "redirect"
	LayerMetrics  = "metrics"
)

// Layer is a layered provider.
type Layer struct {
	// What chains call it, and verdicts name.
	Name string `json:"name" jsonschema:"required"`
	// policy: decides by rules. audit: writes a JSON line per event of a socket. trace: a line per operation. shape: limits bandwidth, connections and bytes. redirect: leads elsewhere. metrics: totals by rule, name and process, among the metrics.
	Type string `json:"type" jsonschema:"required,enum=policy,enum=audit,enum=trace,enum=shape,enum=redirect,enum=metrics"`
	// Of a policy: the file with its rules. Of an audit or a trace: the file to append to; - is stderr.
	File string `json:"file,omitempty"`
	// Of a policy: its rules, in place of file; the content of a policy file.
	Policy json.RawMessage `json:"policy,omitempty"`
	// Of a policy: the rules are tried and not obeyed; the audit says what would have been denied. Default false.
	Shadow bool `json:"shadow,omitempty"`
	// Of a shape or a redirect: its rules, as --shape and --redirect of netnsd run take them.
	Rules []string `json:"rules,omitempty"`

	// What File, Policy or Rules say, of the layer's type.
	Decides  *policy.Policy  `json:"-"`
	Shape    shape.Config    `json:"-"`
	Redirect redirect.Config `json:"-"`
}

// Equal reports whether l and m are one layer under one name, its rules written alike.
func (l Layer) Equal(m Layer) bool {
	if (l.Decides == nil) != (m.Decides == nil) || l.Decides != nil && !l.Decides.Equal(m.Decides) {
		return false
	}
	l.Policy, m.Policy, l.Decides, m.Decides = nil, nil, nil, nil
	return reflect.DeepEqual(l, m)
}

// layerKeys are those that a type takes besides name and type, the first of them what
// it cannot be without.
var layerKeys = map[string][]string{
	LayerPolicy:   {"file", "policy", "shadow"},
	LayerAudit:    {"file"},
	LayerTrace:    {"file"},
	LayerShape:    {"rules"},
	LayerRedirect: {"rules"},
	LayerMetrics:  {},
}

// given are the keys of l, besides name and type, that say something.
func (l Layer) given() (keys []string) {
	for _, k := range []struct {
		key   string
		given bool
	}{{"file", l.File != ""}, {"policy", l.Policy != nil}, {"shadow", l.Shadow}, {"rules", l.Rules != nil}} {
		if k.given {
			keys = append(keys, k.key)
		}
	}
	return keys
}

// read makes ready what stands in rules. What is wrong is about one of them, but for -1,
// which is about all.
func (l *Layer) read() (at int, err error) {
	for i, text := range l.Rules {
		switch l.Type {
		case LayerShape:
			var c shape.Config
			if c, err = shape.Parse(text); err == nil {
				l.Shape.Rules = append(l.Shape.Rules, c.Rules...)
			}
		case LayerRedirect:
			var r redirect.Rule
			if r, err = redirect.ParseRule(text); err == nil {
				l.Redirect.Rules = append(l.Redirect.Rules, r)
			}
		}
		if err != nil {
			return i, err
		}
	}
	switch {
	case len(l.Rules) == 0:
	case l.Type == LayerShape:
		l.Shape.Name = l.Name // by which versions of it share their buckets
		err = l.Shape.Validate()
	case l.Type == LayerRedirect:
		_, err = redirect.New(l.Redirect)
	}
	return -1, err
}
