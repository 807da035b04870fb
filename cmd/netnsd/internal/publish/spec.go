//go:build linux

package publish

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/sockets/gateway"
)

// A Spec is one -p, read.
type Spec struct {
	Text     string             // as written
	Host     netip.Addr         // not valid: all addresses of both families
	Outside  provider.PortRange // of this host; 0 is any free port
	To       netip.Addr         // inside; not valid: the program's
	Inside   provider.PortRange // as many
	TCP, UDP bool
	Proxy    gateway.ProxyProtocol
}

const usage = "write [HOSTADDR:]HOSTPORT[-LAST][:[ADDR:]PORT[-LAST]][/tcp|/udp|/both][,proxy=v1|v2]"

// Parse reads a Spec. The error says what is wrong and what to write.
func Parse(text string) (Spec, error) {
	s, err := parse(text)
	if err != nil {
		return Spec{}, fmt.Errorf("%q: %w", text, err)
	}
	s.Text = text
	return s, nil
}

func parse(text string) (s Spec, err error) {
	const longest = 100 // of two IPv6 addresses, and all the rest
	if text == "" || len(text) > longest {
		return s, fmt.Errorf("not a publication; %s", usage)
	}
	ports, options, has := strings.Cut(text, ",")
	if has {
		if s.Proxy, err = parseProxy(options); err != nil {
			return s, err
		}
	}
	ports, protocol, has := strings.Cut(ports, "/")
	if !has {
		protocol = "tcp"
	}
	switch protocol {
	case "tcp":
		s.TCP = true
	case "udp":
		s.UDP = true
	case "both":
		s.TCP, s.UDP = true, true
	default:
		return s, fmt.Errorf("%q is not a protocol; known are tcp, udp and both", protocol)
	}
	if s.Proxy == gateway.ProxyV1 && s.UDP {
		return s, fmt.Errorf("PROXY protocol v1 knows no udp; v2 does")
	}
	return s, s.ends(ports)
}

func parseProxy(option string) (gateway.ProxyProtocol, error) {
	name, value, _ := strings.Cut(option, "=")
	if name != "proxy" {
		return 0, fmt.Errorf("%q is not an option; known is proxy=v1 or proxy=v2", option)
	}
	for _, v := range []gateway.ProxyProtocol{gateway.ProxyV1, gateway.ProxyV2} {
		if value == v.String() {
			return v, nil
		}
	}
	return 0, fmt.Errorf("proxy=%s is not a version of PROXY protocol; known are v1 and v2", value)
}

// ends reads what stands before protocol and options.
func (s *Spec) ends(text string) (err error) {
	if text, err = s.host(text); err != nil {
		return err
	}
	outside, inside, both := strings.Cut(text, ":")
	if s.Outside, err = parsePorts(outside, true); err != nil {
		return err
	}
	s.Inside = s.Outside
	if both {
		if inside, err = s.to(inside); err != nil {
			return err
		}
		if s.Inside, err = parsePorts(inside, false); err != nil {
			return err
		}
	}
	out, in := length(s.Outside), length(s.Inside)
	switch {
	case s.Inside.First == 0:
		return fmt.Errorf("0 is any free port of this host; say which one inside: 0:PORT")
	case out != in:
		return fmt.Errorf("%d ports of this host and %d inside; both have to be as many", out, in)
	}
	return nil
}

// host takes the address of this host off text.
func (s *Spec) host(text string) (rest string, err error) {
	if inner, ok := strings.CutPrefix(text, "["); ok {
		s.Host, rest, err = bracketed(inner)
		return rest, err
	}
	a, err := netip.ParseAddr(text)
	switch {
	case err == nil && a.Is4():
		return "", fmt.Errorf("%s has no port; %s", a, usage)
	case err == nil:
		return "", errBrackets
	}
	first, rest, found := strings.Cut(text, ":")
	if !strings.Contains(first, ".") {
		return text, s.hostless(text)
	}
	if s.Host, err = netip.ParseAddr(first); err != nil {
		return "", fmt.Errorf("%q is not an address of this host; names are not looked up", first)
	}
	if !found {
		return "", fmt.Errorf("%s has no port; %s", s.Host, usage)
	}
	return rest, nil
}

var errBrackets = errors.New("IPv6 addresses stand in brackets, such as [::1]:8080:80")

// hostless checks what is to begin with a port: the address inside alone makes it
// more than two fields.
func (s *Spec) hostless(text string) error {
	bare, _, _ := strings.Cut(text, "[")
	switch fields := strings.Split(bare, ":"); {
	case len(fields) > 3:
		return errBrackets
	case len(fields) == 2 && strings.Trim(fields[0], "+-0123456789") != "":
		return fmt.Errorf("%q is not an address of this host, nor a port; names are not looked up", fields[0])
	case len(fields) == 3 && !strings.Contains(fields[1], "."):
		return fmt.Errorf("%q is not an address of this host; %s", fields[0], usage)
	}
	return nil
}

// to takes the address inside off text.
func (s *Spec) to(text string) (rest string, err error) {
	if inner, ok := strings.CutPrefix(text, "["); ok {
		s.To, rest, err = bracketed(inner)
		return rest, err
	}
	addr, rest, found := strings.Cut(text, ":")
	if !found {
		return text, nil
	}
	if s.To, err = netip.ParseAddr(addr); err != nil {
		return "", fmt.Errorf("too many colons; %s", usage)
	}
	return rest, nil
}

// bracketed reads an IPv6 address behind its bracket, and the colon after that.
func bracketed(text string) (a netip.Addr, rest string, err error) {
	addr, rest, ok := strings.Cut(text, "]:")
	a, err = netip.ParseAddr(addr)
	if !ok || err != nil || !a.Is6() || a.Zone() != "" || a.Is4In6() {
		return netip.Addr{}, "", fmt.Errorf("what stands in brackets is not an IPv6 address with a port behind it, such as [::1]:8080:80")
	}
	return a, rest, nil
}

func parsePorts(text string, any bool) (r provider.PortRange, err error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	if r.First, err = parsePort(first); err == nil {
		r.Last, err = parsePort(last)
	}
	switch {
	case err != nil:
		return r, err
	case r.First == 0 && (isRange || !any), r.Last == 0 && isRange:
		return r, fmt.Errorf("%q: 0 is any free port, of this host, and one", text)
	case r.Last < r.First:
		return r, fmt.Errorf("the range %s is upside down; write %s-%s", text, last, first)
	}
	return r, nil
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || len(s) > 1 && s[0] == '0' || s[0] == '+' {
		return 0, fmt.Errorf("%q is not a port; ports are 1 to 65535, and 0 for any free one", s)
	}
	return uint16(n), nil
}

func length(r provider.PortRange) int { return int(r.Last) - int(r.First) + 1 }

// String is the canonical form of s.
func (s Spec) String() string {
	var b strings.Builder
	b.WriteString(at(s.Host) + ports(s.Outside) + ":" + at(s.To) + ports(s.Inside) + "/")
	switch {
	case !s.UDP:
		b.WriteString("tcp")
	case !s.TCP:
		b.WriteString("udp")
	default:
		b.WriteString("both")
	}
	if s.Proxy != gateway.NoProxy {
		fmt.Fprintf(&b, ",proxy=%s", s.Proxy)
	}
	return b.String()
}

func at(a netip.Addr) string {
	switch {
	case a.Is6():
		return "[" + a.String() + "]:"
	case a.IsValid():
		return a.String() + ":"
	}
	return ""
}

func ports(r provider.PortRange) string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}
