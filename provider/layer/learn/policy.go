package learn

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/policy"
)

// heading is left free in the file for words of whoever writes it.
const heading = 1 << 10

// maxRanges is how many ports or ranges of them stand in one expression: as many
// as fit its length and can be read.
const maxRanges = 32

// ErrTooMuch is that of a program whose destinations are more than a policy holds.
var ErrTooMuch = errors.New("learn: more destinations than a policy can hold; allow such a program whole networks instead")

// Policy is what was learnt so far: sorted, the same whatever came first, and
// names before addresses. What it is made of is parsed once more, so that a
// policy which cannot be read is an error here and not when it is used.
func (l *Layer) Policy() (policy.Config, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.live {
		l.end(s)
	}
	c := policy.Config{Default: provider.Deny}
	if l.seen.lost > 0 {
		return c, fmt.Errorf("%w (%d were not kept)", ErrTooMuch, l.seen.lost)
	}
	hosts := l.seen.all()
	for _, h := range slices.SortedFunc(maps.Keys(hosts), compareHosts) {
		rules, err := rulesOf(h, hosts[h])
		if err != nil {
			return c, err
		}
		c.Rules = append(c.Rules, rules...)
	}
	text := c.Text()
	if len(text) > policy.MaxFile-heading {
		return c, fmt.Errorf("%w (%d bytes, and %d are read)", ErrTooMuch, len(text), policy.MaxFile)
	}
	_, err := policy.Parse("learnt", []byte(text))
	return c, err
}

// entry is what is written about a host.
type entry struct {
	services map[service]bool
	note     string
}

// all are the hosts that were visited, and the names that were only looked up.
func (r *record) all() map[host]entry {
	all := make(map[host]entry)
	for h, v := range r.hosts {
		all[h] = entry{v.services, v.note(h)}
	}
	for name, l := range r.names {
		_, visited := r.hosts[host{name: name}]
		switch {
		case visited:
		case len(l.beside) > 0:
			all[host{name: name}] = entry{l.beside, "looked up; connected to at an address that has another name too"}
		default:
			all[host{name: name}] = entry{map[service]bool{{protocol: "icmp"}: true}, "looked up and not connected to; icmp: is the least that lets a name be looked up"}
		}
	}
	return all
}

// note says how the host was known, and what a run needs besides the rule.
func (v *visit) note(h host) string {
	switch {
	case h.name != "" && v.hello:
		return "named by a ClientHello"
	case h.name != "":
		return "looked up"
	case h.addr.IsLoopback():
		return "this host; needs --host-loopback"
	case v.private != "":
		return fmt.Sprintf("by address: %s leads to a private one", v.private)
	case v.asked != "":
		return fmt.Sprintf("by address: a ClientHello named %s, which was not looked up for it", v.asked)
	case v.hello:
		return "by address: a ClientHello named no server"
	}
	return "by address: no name was looked up for it"
}

func compareHosts(a, b host) int {
	if a.name == "" || b.name == "" { // names first
		return cmp.Or(cmp.Compare(b.name, a.name), a.addr.Compare(b.addr))
	}
	return cmp.Compare(a.name, b.name)
}

// protocols are in the order in which they are written.
var protocols = []string{"tcp", "udp", "icmp", ""}

func rulesOf(h host, e entry) ([]policy.Rule, error) {
	var rules []policy.Rule
	for _, protocol := range protocols {
		for _, text := range expressions(protocol, h, e.services) {
			x, err := policy.ParseExpr(text)
			if err != nil {
				return nil, err // writable has let pass what it must not
			}
			rules = append(rules, policy.Rule{Action: provider.Allow, Expr: x, Note: e.note})
		}
	}
	return rules, nil
}

// expressions allow the services of one protocol; none, one or, with very many
// ports, several.
func expressions(protocol string, h host, services map[service]bool) (all []string) {
	var ports []uint16
	bare := false
	for s := range services {
		if s.protocol == protocol {
			bare = bare || s.port == 0
			ports = append(ports, s.port)
		}
	}
	begin := h.text()
	if protocol != "" {
		begin = protocol + ":" + begin
	}
	if bare {
		return []string{begin}
	}
	slices.Sort(ports)
	for part := range slices.Chunk(ranges(ports), maxRanges) {
		all = append(all, begin+":"+strings.Join(part, ","))
	}
	return all
}

// text is the host as it stands in an expression. The dot keeps a name from being
// read as anything else; Expr.String leaves it out where it can.
func (h host) text() string {
	switch {
	case h.name != "":
		return h.name + "."
	case h.addr.Is6():
		return "[" + h.addr.String() + "]"
	}
	return h.addr.String()
}

// portDoT stands by itself: a rule opens it then alone (package policy, dot).
const portDoT = 853

// ranges writes sorted ports; those in a row as a range, which means the same.
func ranges(ports []uint16) (all []string) {
	for i := 0; i < len(ports); {
		n := i + 1
		for n < len(ports) && ports[n]-ports[n-1] == 1 && ports[n] != portDoT && ports[n-1] != portDoT {
			n++
		}
		switch text := strconv.Itoa(int(ports[i])); {
		case n-i > 2:
			all = append(all, text+"-"+strconv.Itoa(int(ports[n-1])))
			i = n
		default:
			all = append(all, text)
			i++
		}
	}
	return all
}
