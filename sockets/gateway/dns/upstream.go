package dns

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// An Upstream is a server that is asked. The zero value is none. Comparable: two
// that are equal share connections.
type Upstream struct {
	scheme string // system, "" (UDP, then TCP), tcp, tls, https
	host   string // an address, or of tls and https a name that the host's resolver finds
	port   uint16
	server string // the name in its certificate
	path   string // of https
}

// System stands for the servers of the host's resolv.conf.
var System = Upstream{scheme: "system"}

// At is the server at an address, asked by UDP, and by TCP for what is larger.
func At(a netip.AddrPort) Upstream {
	return Upstream{host: a.Addr().Unmap().String(), port: a.Port()}
}

var ports = map[string]uint16{"": 53, "tcp": 53, "tls": 853, "https": 443}

// ParseUpstream reads how a server is written:
//
//	system                               those of the host's resolv.conf
//	192.0.2.1  [2001:db8::1]:5353        by UDP, and by TCP for what is larger; so is udp://192.0.2.1
//	tcp://192.0.2.1:53                   by TCP alone
//	tls://192.0.2.1:853#dns.example      by TLS; the name is the one in its certificate
//	tls://dns.example                    its address is looked up by the host
//	tls://192.0.2.1                      the certificate is for the address
//	https://dns.example/dns-query        by HTTPS; https://192.0.2.1/dns-query#dns.example likewise
func ParseUpstream(s string) (Upstream, error) {
	if s == System.scheme {
		return System, nil
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		scheme, rest = "udp", s
	}
	u := Upstream{scheme: strings.ToLower(scheme)}
	if u.scheme == "udp" {
		u.scheme = ""
	}
	if _, known := ports[u.scheme]; !known || ok && scheme == "" {
		return Upstream{}, fmt.Errorf("%s: not a kind of server: there are udp, tcp, tls and https", s)
	}
	secure := u.scheme == "tls" || u.scheme == "https"
	if secure {
		rest, u.server, _ = strings.Cut(rest, "#")
	}
	if u.scheme == "https" {
		rest, u.path, _ = strings.Cut(rest, "/")
		u.path = "/" + u.path
	}
	if err := u.authority(rest, secure); err != nil {
		return Upstream{}, fmt.Errorf("%s: %w", s, err)
	}
	if u.scheme == "https" {
		if p, err := url.Parse(u.url()); err != nil || p.RequestURI() != u.path {
			return Upstream{}, fmt.Errorf("%s: not a path: write https://dns.example/dns-query", s)
		}
	}
	return u, nil
}

// authority reads HOST[:PORT].
func (u *Upstream) authority(s string, named bool) error {
	u.port = ports[u.scheme]
	bare := s
	if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inner, "]") {
		bare = strings.TrimSuffix(inner, "]")
	}
	a, err := netip.ParseAddr(bare)
	if err != nil {
		var ap netip.AddrPort
		if ap, err = netip.ParseAddrPort(s); err == nil {
			a, u.port = ap.Addr(), ap.Port()
		}
	}
	if err == nil && strings.ContainsAny(a.Zone(), "[]%/# ") {
		err = fmt.Errorf("zone %s", a.Zone())
	}
	switch {
	case err == nil:
		u.host = a.Unmap().String()
	case !named:
		return fmt.Errorf("not an address: write 192.0.2.1, 192.0.2.1:5353, 2001:db8::1 or [2001:db8::1]:5353")
	default:
		host, port, found := strings.Cut(s, ":")
		if n, err := strconv.ParseUint(port, 10, 16); found && err != nil {
			return fmt.Errorf("port %q: not a number below 65536", port)
		} else if found {
			u.port = uint16(n)
		}
		if u.host, err = parseName(host); err != nil {
			return err
		}
	}
	if u.port == 0 {
		return fmt.Errorf("port 0: nobody can be asked there")
	}
	if u.server == "" || !named {
		u.server = u.host
		return nil
	}
	if ip, err := netip.ParseAddr(u.server); err == nil && ip.Zone() == "" {
		return nil
	}
	u.server, err = parseName(u.server)
	return err
}

// ParseDomain reads a domain for a search list.
func ParseDomain(s string) (string, error) { return parseName(s) }

// parseName reads a host name or a zone, into lower case without the final dot.
func parseName(s string) (string, error) {
	name := lower(strings.TrimSuffix(s, "."))
	for _, label := range strings.Split(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", fmt.Errorf("%q: not a name of letters, digits and hyphens (xn-- for others)", s)
		}
	}
	if _, err := dnsmessage.NewName(name + "."); err != nil || len(name) > 253 {
		return "", fmt.Errorf("%q: too long for a name", s)
	}
	return name, nil
}

func (u Upstream) addr() string { return net.JoinHostPort(u.host, strconv.Itoa(int(u.port))) }

func (u Upstream) url() string {
	return "https://" + net.JoinHostPort(u.server, strconv.Itoa(int(u.port))) + u.path
}

// String is u as ParseUpstream reads it.
func (u Upstream) String() string {
	switch u.scheme {
	case System.scheme:
		return u.scheme
	case "":
		return u.addr()
	}
	s := u.scheme + "://" + u.addr() + u.path
	if u.server != u.host {
		s += "#" + u.server
	}
	return s
}

// A Zone is asked of servers of its own, with all names below it.
type Zone struct {
	Name   string // in lower case, without the final dot
	Server Upstream
}

// ParseZone reads ZONE=UPSTREAM.
func ParseZone(s string) (Zone, error) {
	name, server, ok := strings.Cut(s, "=")
	if !ok {
		return Zone{}, fmt.Errorf("%s: write ZONE=SERVER, corp.example=192.0.2.1", s)
	}
	u, err := ParseUpstream(server)
	if err != nil {
		return Zone{}, err
	}
	z := Zone{Server: u}
	z.Name, err = parseName(name)
	return z, err
}

// zones are the servers by zone.
type zones map[string][]Upstream

func newZones(all []Zone) zones {
	m := make(zones)
	for _, z := range all {
		m[z.Name] = append(m[z.Name], z.Server)
	}
	return m
}

// of is who to ask for a name: the longest zone that it is in, else other.
func (z zones) of(name string, other []Upstream) []Upstream {
	for len(z) > 0 {
		if servers, ok := z[name]; ok {
			return servers
		}
		_, rest, ok := strings.Cut(name, ".")
		if !ok {
			break
		}
		name = rest
	}
	return other
}
