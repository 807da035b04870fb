package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/netnsd/netnsd/provider"
)

// Duration is a time.Duration that is written as 90s, 2m or 1h30m.
type Duration time.Duration

func (d Duration) String() string               { return time.Duration(d).String() }
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a time; write it as 30s, 2m or 1h30m", b)
	}
	*d = Duration(v)
	return nil
}

// Net is the address of a host in its network, or none.
type Net struct{ netip.Prefix } // invalid = none

func (n Net) String() string {
	if !n.IsValid() {
		return "none"
	}
	return n.Prefix.String()
}

func (n Net) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

func (n *Net) UnmarshalText(b []byte) error {
	if string(b) == "none" {
		n.Prefix = netip.Prefix{}
		return nil
	}
	p, err := netip.ParsePrefix(string(b))
	if err != nil {
		return fmt.Errorf("%q is neither a network as 10.0.2.0/24 nor none", b)
	}
	n.Prefix = p
	return nil
}

// Prefix is a network; a single address is a network of one.
type Prefix struct{ netip.Prefix }

func (p *Prefix) UnmarshalText(b []byte) (err error) {
	if a, err := netip.ParseAddr(string(b)); err == nil && a.Zone() == "" {
		p.Prefix = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	if p.Prefix, err = netip.ParsePrefix(string(b)); err != nil {
		return fmt.Errorf("%q is neither a network as 10.0.0.0/8 nor an address", b)
	}
	if p.Prefix != p.Masked() {
		return fmt.Errorf("%s has bits behind its network; write %s", b, p.Masked())
	}
	return nil
}

// Ports is a port, or a range of them.
type Ports struct{ provider.PortRange }

func (p Ports) String() string {
	if p.First == p.Last {
		return strconv.Itoa(int(p.First))
	}
	return fmt.Sprintf("%d-%d", p.First, p.Last)
}

// Len is how many ports they are; the zero value is none.
func (p Ports) Len() int {
	if p.First == 0 {
		return 0
	}
	return int(p.Last) - int(p.First) + 1
}

func (p Ports) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

func (p *Ports) UnmarshalText(b []byte) error {
	first, last, ranged := strings.Cut(string(b), "-")
	if !ranged {
		last = first
	}
	f, err1 := strconv.ParseUint(first, 10, 16)
	l, err2 := strconv.ParseUint(last, 10, 16)
	if err1 != nil || err2 != nil || f == 0 || l < f {
		return fmt.Errorf("%q is not a port of 1 to 65535, nor a range as 8000-8010", b)
	}
	p.PortRange = provider.PortRange{First: uint16(f), Last: uint16(l)}
	return nil
}

// Endpoints are an address and its ports. Without an address it is whatever the
// context says.
type Endpoints struct {
	Addr  netip.Addr
	Ports Ports
}

func (e Endpoints) String() string {
	switch {
	case e.Ports.Len() == 0:
		return ""
	case !e.Addr.IsValid():
		return e.Ports.String()
	case e.Addr.Is6():
		return "[" + e.Addr.String() + "]:" + e.Ports.String()
	}
	return e.Addr.String() + ":" + e.Ports.String()
}

func (e Endpoints) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

func (e *Endpoints) UnmarshalText(b []byte) (err error) {
	s := string(b)
	*e = Endpoints{}
	if s == "" { // as MarshalText writes what is left to a default
		return nil
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		host := s[:i]
		inner, six := strings.CutPrefix(host, "[")
		if inner, six = strings.CutSuffix(inner, "]"); !six && strings.Contains(host, ":") {
			return fmt.Errorf("%q: an IPv6 address stands in brackets, as [::1]:80", b)
		}
		if e.Addr, err = netip.ParseAddr(inner); err != nil || six != e.Addr.Is6() {
			return fmt.Errorf("%q is not an address and its port, as 127.0.0.1:80 or [::1]:80", b)
		}
		s = s[i+1:]
	}
	return e.Ports.UnmarshalText([]byte(s))
}
