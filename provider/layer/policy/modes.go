package policy

import "github.com/netnsd/netnsd/provider"

const (
	portDNS   = 53
	portHTTPS = 443
	portDoT   = 853 // RFC 7858, 3.1; RFC 9250, 4.1.1
)

// stated is the verdict of a mode that is written at pos; left out it follows the
// default, from where that is written.
func stated(c Config, a provider.Action, name, pos, reason string) provider.Verdict {
	if a == provider.NoOpinion {
		a, pos = c.Default, c.Pos
	}
	v := verdict(a, c.DenyWith, name+": "+a.String(), pos)
	v.Reason = reason
	return v
}

// mode is the verdict of the mode that denies q, nil if none does.
func (p *Policy) mode(q *question) *provider.Verdict {
	switch {
	case p.dot.Denied() && q.dot():
		return &p.dot
	case p.doh.Denied() && q.doh():
		return &p.doh
	}
	return nil
}

// opens reports whether x names exactly what the mode m denies: the port alone, or
// the one resolver. Whoever writes that means it; one who allows a network, a
// pattern or everything did not think of it.
func (p *Policy) opens(x *Expr, m *provider.Verdict) bool {
	if m == &p.dot {
		for _, r := range x.ports {
			if r.First == portDoT && r.Last == portDoT {
				return true
			}
		}
		return false
	}
	return x.host.kind == exact || x.host.kind == network && x.host.prefix.IsSingleIP()
}

func (q *question) dot() bool { return q.port == portDoT && (q.proto == tcp || q.proto == udp) }

// doh: where a known resolver is asked, or asked for.
func (q *question) doh() bool {
	switch {
	case q.sni != "" && named(resolverNames, q.sni):
		return true
	case q.lookup:
	case q.port != portHTTPS || q.proto != tcp && q.proto != udp:
		return false
	case isResolver(q.addr) || isResolver(q.nat64):
		return true
	}
	for _, n := range q.names {
		if named(resolverNames, n) || q.lookup && named(heraldNames, n) {
			return true
		}
	}
	return false
}

// reason is why no rule matches, as far as it can be told.
type reason int

const (
	otherName reason = iota
	otherService
	byAddress
	otherDNS
	credentials
	otherServer
	reasons
)

var reasonTexts = [reasons]string{
	otherName:    "no rule allows this name",
	otherService: "no rule allows one of its names with this protocol and port",
	byAddress:    "by address: no name was looked up for it",
	otherDNS:     "port 53 is for asking another name service than the gateway's",
	credentials:  "an address where clouds hand out credentials",
	otherServer:  "no rule allows this server name at this address",
}

// unmatched is the verdict on what no rule matches, for each reason.
func unmatched(c Config) (all [reasons]provider.Verdict) {
	for i := range all {
		all[i] = verdict(c.Default, c.DenyWith, "default: "+c.Default.String(), c.Pos)
		if c.Default == provider.Deny {
			all[i].Reason = reasonTexts[i]
		}
	}
	return all
}

func (q *question) reason() reason {
	switch {
	case q.lookup:
		return otherName
	case metadata.has(q.addr) || metadata.has(q.nat64):
		return credentials
	case q.port == portDNS && (q.proto == tcp || q.proto == udp):
		return otherDNS
	case len(q.names) == 0:
		return byAddress
	case q.hello:
		return otherServer
	}
	return otherService
}

var metadata = host{kind: grouped, group: groupNamed("metadata")}
