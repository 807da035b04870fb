//go:build linux

package explain

import (
	"fmt"
	"os"
	"strings"

	"github.com/netnsd/netnsd/provider"
)

// Given is what a Query says beyond where it goes: what would be known if the
// connection were made.
type Given struct {
	Names  []string `json:"names,omitempty"` // that the name service gave for the address
	Hello  *Hello   `json:"hello,omitempty"` // what a stream begins with; nil: it is not asked about
	UID    int      `json:"uid"`             // of the process; -1: our own
	PID    int      `json:"pid,omitempty"`   // 0 is not known, as is "" below
	Exe    string   `json:"exe,omitempty"`
	CGroup string   `json:"cgroup,omitempty"`
}

// Hello is what a ClientHello says.
type Hello struct {
	ServerName string `json:"server_name"`    // "" is none
	ALPN       string `json:"alpn,omitempty"` // with commas
	ECH        bool   `json:"ech,omitempty"`
}

func (h *Hello) learned() provider.Learned {
	return provider.Learned{Hello: true, SNI: h.ServerName, ALPN: h.ALPN, ECH: h.ECH}
}

// Check refuses what does not belong together.
func (q Query) Check() error {
	if q.Given != nil && q.Given.Hello != nil && q.Protocol != "tcp" {
		return fmt.Errorf("--server-name: a ClientHello is read of tcp alone, not of %s", q.Protocol)
	}
	return nil
}

// names are those that the gateway would know for the destination.
func (q Query) names() (all []string) {
	if q.Name != "" {
		all = append(all, q.Name)
	}
	if q.Given != nil {
		for _, n := range q.Given.Names {
			all = append(all, strings.ToLower(strings.TrimSuffix(n, ".")))
		}
	}
	return all
}

// hello is nil where a stream's beginning is not asked about.
func (q Query) hello() *Hello {
	if q.Given == nil {
		return nil
	}
	return q.Given.Hello
}

// owner fills in the process behind the connection, as far as it is said.
func (q Query) owner(o *provider.Origin) {
	if g := q.Given; g != nil {
		o.PID, o.Executable, o.CGroup = g.PID, g.Exe, g.CGroup
		if g.UID >= 0 {
			o.UID = g.UID
		}
	}
	if o.UID == 0 && o.PID == 0 {
		o.PID = os.Getpid() // root is believed together with a process only
	}
}

// said is the Given as it stands behind the query.
func (q Query) said() string {
	g := q.Given
	if g == nil {
		return ""
	}
	s := ""
	if len(g.Names) > 0 {
		s += " as " + strings.Join(g.Names, ",")
	}
	if h := g.Hello; h != nil {
		s += fmt.Sprintf(" asking for %q", h.ServerName)
	}
	return s
}
