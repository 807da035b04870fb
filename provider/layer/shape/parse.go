package shape

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// SyntaxError says what is wrong with a text, and where.
type SyntaxError struct {
	Text   string
	Column int // of the character, from 1
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("shape: %q, column %d: %s", e.Text, e.Column, e.Reason)
}

const maxText = 16 << 10

// Parse reads rules as the package doc writes them. The error is a [*SyntaxError], or
// that of [Config.Validate].
func Parse(text string) (Config, error) {
	var c Config
	fail := func(at int, err error) (Config, error) {
		return Config{}, &SyntaxError{Text: text, Column: at + 1, Reason: err.Error()}
	}
	if len(text) > maxText {
		return Config{}, fmt.Errorf("shape: longer than %d characters", maxText)
	}
	at := 0
	for part := range strings.SplitSeq(text, ";") {
		settings, from := part, at
		equals := strings.IndexByte(part, '=')
		if equals < 0 {
			return fail(at, fmt.Errorf("a setting is missing, such as down=1MiB/s"))
		}
		if colon := strings.LastIndexByte(part[:equals], ':'); colon >= 0 {
			m, err := parseMatch(strings.TrimSpace(part[:colon]))
			if err != nil {
				return fail(at, err)
			}
			c.Rules = append(c.Rules, Rule{Match: m})
			settings, from = part[colon+1:], at+colon+1
		} else if len(c.Rules) == 0 {
			c.Rules = append(c.Rules, Rule{})
		}
		r := &c.Rules[len(c.Rules)-1]
		for s := range strings.SplitSeq(settings, ",") {
			if err := r.set(strings.TrimSpace(s)); err != nil {
				return fail(from+len(s)-len(strings.TrimLeft(s, " ")), err)
			}
			from += len(s) + 1
		}
		at += len(part) + 1
	}
	if err := c.Validate(); err != nil {
		return Config{}, err
	}
	return c, nil
}

func (r *Rule) set(s string) (err error) {
	word, value, found := strings.Cut(s, "=")
	if !found {
		return fmt.Errorf("%q is no setting; write word=value", s)
	}
	put := func(to *int64, parse func(string) (int64, error)) {
		if *to != 0 {
			err = fmt.Errorf("%s stands twice in one rule", word)
		} else if *to, err = parse(value); err == nil && *to == 0 {
			err = fmt.Errorf("%s=%s lets nothing pass; deny it by a policy, or leave it out for no limit", word, value)
		}
	}
	switch word {
	case "down":
		put(&r.Down, parseRate)
	case "up":
		put(&r.Up, parseRate)
	case "burst":
		put(&r.Burst, parseBytes)
	case "total":
		put(&r.Total, parseBytes)
	case "conns":
		if r.Conns != 0 {
			return fmt.Errorf("conns stands twice in one rule")
		}
		r.Conns, err = parseConns(value)
	case "sockets":
		n := int64(r.Sockets)
		put(&n, func(s string) (int64, error) { return strconv.ParseInt(s, 10, 31) })
		r.Sockets = int(n)
	case "per":
		i := slices.Index(perNames[:], value)
		if i < 0 {
			return fmt.Errorf("per=%s is not known; known are %s", value, strings.Join(perNames[:], ", "))
		}
		r.Per = Per(i)
	default:
		return fmt.Errorf("%q is not known; known are down, up, burst, conns, total, sockets and per", word)
	}
	return err
}

var units = map[string]float64{
	"": 1, "B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}

var bits = map[string]float64{"bit": 1. / 8, "kbit": 1e3 / 8, "Mbit": 1e6 / 8, "Gbit": 1e9 / 8}

func parseRate(s string) (int64, error) {
	amount, ok := strings.CutSuffix(s, "/s")
	if !ok {
		return 0, fmt.Errorf("%q is no rate; write it a second, such as 10MiB/s or 8Mbit/s", s)
	}
	return quantity(amount, units, bits)
}

func parseBytes(s string) (int64, error) { return quantity(s, units) }

func quantity(s string, tables ...map[string]float64) (int64, error) {
	i := strings.IndexFunc(s, unicode.IsLetter)
	if i < 0 {
		i = len(s)
	}
	n, err := number(s[:i])
	if err != nil {
		return 0, err
	}
	for _, t := range tables {
		if f, ok := t[s[i:]]; ok {
			if n *= f; n > maxRate {
				return 0, fmt.Errorf("%s is more than 1024 TiB", s)
			}
			return int64(math.Ceil(n)), nil
		}
	}
	return 0, fmt.Errorf("%q is no unit; units are B, kB, MB, GB, TB, KiB, MiB, GiB and TiB, of rates also kbit, Mbit and Gbit", s[i:])
}

// number is digits, perhaps with a point: no sign, no exponent, no infinity.
func number(s string) (float64, error) {
	if s == "" || strings.Trim(s, "0123456789.") != "" {
		return 0, fmt.Errorf("%q is no number", s)
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no number", s)
	}
	return n, nil
}

func parseConns(s string) (float64, error) {
	per := 1.
	amount, ok := strings.CutSuffix(s, "/s")
	if !ok {
		per = 60
		amount, ok = strings.CutSuffix(s, "/min")
	}
	n, err := number(amount)
	if !ok || err != nil || n == 0 {
		return 0, fmt.Errorf("conns=%s is not a number of connections such as 100/s or 30/min", s)
	}
	return n / per, nil
}

func parseMatch(s string) (m Match, err error) {
	if rest, ok := strings.CutPrefix(s, "tcp/"); ok {
		m.Protocol, s = wsa.IPPROTO_TCP, rest
	} else if rest, ok := strings.CutPrefix(s, "udp/"); ok {
		m.Protocol, s = wsa.IPPROTO_UDP, rest
	}
	if m.Protocol != 0 && s != "" && strings.Trim(s, "0123456789,-") == "" { // tcp/443
		s = "*:" + s
	}
	host, ports := s, ""
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, ports = s[:i], s[i+1:]
		if m.Ports, err = parsePorts(ports); err != nil {
			return m, err
		}
	}
	switch inner := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"); {
	case host == "":
		return m, fmt.Errorf("the host is missing; write * for any")
	case host == "*":
	case host[0] == '[' || strings.Trim(host, "0123456789./") == "":
		if (host[0] == '[') != strings.Contains(inner, ":") {
			return m, fmt.Errorf("%q: IPv6 addresses stand in brackets, IPv4 addresses do not", host)
		}
		if a, err := netip.ParseAddr(inner); err == nil && a.Zone() == "" {
			m.Net = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		} else if m.Net, err = netip.ParsePrefix(inner); err != nil || m.Net.Addr().Is4In6() {
			return m, fmt.Errorf("%q is neither an address nor a network", host)
		}
	default:
		m.Name = strings.TrimSuffix(strings.ToLower(host), ".")
	}
	return m, m.validate()
}

func parsePorts(list string) (all []provider.PortRange, err error) {
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, e1 := strconv.ParseUint(first, 10, 16)
		b, e2 := strconv.ParseUint(last, 10, 16)
		if e1 != nil || e2 != nil || a == 0 || a > b {
			return nil, fmt.Errorf("%q is no port; ports are 1 to 65535, ranges 8000-8080", part)
		}
		all = append(all, provider.PortRange{First: uint16(a), Last: uint16(b)})
	}
	return all, nil
}
