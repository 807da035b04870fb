package dns

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// A Host is a name with an address of our own.
type Host struct {
	Name string // in lower case, without the final dot
	Addr netip.Addr
}

// ParseHost reads NAME=ADDR.
func ParseHost(s string) (Host, error) {
	name, addr, _ := strings.Cut(s, "=")
	a, err := netip.ParseAddr(addr)
	if err != nil || a.Zone() != "" {
		return Host{}, fmt.Errorf("%s: not a name and an address: write NAME=ADDR, db.example=192.0.2.1", s)
	}
	h := Host{Addr: a.Unmap()}
	h.Name, err = parseName(name)
	return h, err
}

// hosts are addresses by name, and names by what PTR asks for.
type hosts map[string]*host

type host struct {
	addrs []netip.Addr
	names []string // of an address
}

// maxAddrs bounds an answer: more than fit in a message are left out.
const maxAddrs = 1024

func (m hosts) at(name string) *host {
	if m[name] == nil {
		m[name] = new(host)
	}
	return m[name]
}

func (m hosts) add(h Host) {
	if forward := m.at(h.Name); !slices.Contains(forward.addrs, h.Addr) && len(forward.addrs) < maxAddrs {
		forward.addrs = append(forward.addrs, h.Addr)
	}
	// The canonical name comes first in hosts(5), and is the answer.
	if back := m.at(reverse(h.Addr)); len(back.names) == 0 {
		back.names = append(back.names, h.Name)
	}
}

func newHosts(all []Host) hosts {
	m := make(hosts)
	for _, h := range all {
		m.add(h)
	}
	return m
}

// parseHosts reads a hosts(5). Lines and names that cannot be understood are passed
// over, as the C library does.
func parseHosts(text string) hosts {
	m := make(hosts)
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		a, err := netip.ParseAddr(words[0])
		if err != nil || a.Zone() != "" {
			continue
		}
		for _, w := range words[1:] {
			if name, err := parseName(w); err == nil {
				m.add(Host{name, a.Unmap()})
			}
		}
	}
	return m
}

// reverse is the name whose PTR is that of an address.
func reverse(a netip.Addr) string {
	var s strings.Builder
	b := a.AsSlice()
	for i := len(b) - 1; i >= 0; i-- {
		if a.Is4() {
			fmt.Fprintf(&s, "%d.", b[i])
		} else {
			fmt.Fprintf(&s, "%x.%x.", b[i]&15, b[i]>>4)
		}
	}
	if a.Is4() {
		return s.String() + "in-addr.arpa"
	}
	return s.String() + "ip6.arpa"
}

var localhost = &host{addrs: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}}

// find is what hosts say of a name, nil for nothing; who comes first wins.
func find(name string, all ...hosts) *host {
	for _, m := range all {
		if h := m[name]; h != nil {
			return h
		}
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return localhost
	}
	return nil
}

// answer is what h says to a query, without a life time: it may change any time.
func (h *host) answer(q *Query) ([]byte, error) {
	var one dnsmessage.Parser
	if _, err := one.Start(q.Failure(dnsmessage.RCodeSuccess)); err != nil {
		return nil, err
	}
	question, err := one.Question()
	if err != nil {
		return nil, err
	}
	head := dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET}
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true}, Questions: []dnsmessage.Question{question}}
	add := func(b dnsmessage.ResourceBody) {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: b})
	}
	for _, a := range h.addrs {
		switch {
		case q.Type == dnsmessage.TypeA && a.Is4():
			add(&dnsmessage.AResource{A: a.As4()})
		case q.Type == dnsmessage.TypeAAAA && a.Is6():
			add(&dnsmessage.AAAAResource{AAAA: a.As16()})
		}
	}
	for _, n := range h.names {
		if name, err := dnsmessage.NewName(n + "."); err == nil && q.Type == dnsmessage.TypePTR {
			add(&dnsmessage.PTRResource{PTR: name})
		}
	}
	return m.Pack()
}
