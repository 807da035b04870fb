package shape

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A Match says which destinations a rule is about; the zero Match is all.
type Match struct {
	Protocol int32                // wsa.IPPROTO_TCP or UDP; 0 = any
	Net      netip.Prefix         // invalid = any
	Name     string               // "" = any; example.com, or *.example.com for the names below
	Ports    []provider.PortRange // none = all
}

func (m Match) validate() error {
	switch {
	case m.Protocol != 0 && m.Protocol != wsa.IPPROTO_TCP && m.Protocol != wsa.IPPROTO_UDP:
		return fmt.Errorf("protocol %d is neither TCP nor UDP", m.Protocol)
	case m.Net.IsValid() && m.Name != "":
		return errors.New("a network and a name do not go together")
	case m.Net.IsValid() && m.Net != m.Net.Masked():
		return fmt.Errorf("%s has bits set beyond the network; write %s", m.Net, m.Net.Masked())
	case m.Name != "" && !isName(strings.TrimPrefix(m.Name, "*.")):
		return fmt.Errorf("%q is no host name", m.Name)
	}
	for _, p := range m.Ports {
		if p.First == 0 || p.First > p.Last {
			return fmt.Errorf("ports %d-%d are no range", p.First, p.Last)
		}
	}
	return nil
}

// isName: letters, digits, - and _, in parts of 1 to 63 (RFC 1123, 2.1).
func isName(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}

// has reports whether a socket of protocol towards remote, called names, is meant. What
// is not known is not meant by who asks for it.
func (m *Match) has(protocol int32, remote provider.Addr, names []string) bool {
	if m.Protocol != 0 && m.Protocol != protocol {
		return false
	}
	if m.Net.IsValid() && !m.Net.Contains(remote.Addr().Unmap()) {
		return false
	}
	if len(m.Ports) > 0 && !m.port(remote.Port()) {
		return false
	}
	if m.Name == "" {
		return true
	}
	for _, n := range names {
		if m.named(n) {
			return true
		}
	}
	return false
}

func (m *Match) port(n uint16) bool {
	for _, p := range m.Ports {
		if p.First <= n && n <= p.Last {
			return true
		}
	}
	return false
}

func (m *Match) named(n string) bool {
	n = strings.TrimSuffix(n, ".")
	below, under := strings.CutPrefix(m.Name, "*.")
	if !under {
		return strings.EqualFold(n, m.Name)
	}
	i := len(n) - len(below)
	return i > 1 && n[i-1] == '.' && strings.EqualFold(n[i:], below)
}

// String is m as [Parse] reads it.
func (m Match) String() string {
	var b strings.Builder
	switch m.Protocol {
	case wsa.IPPROTO_TCP:
		b.WriteString("tcp/")
	case wsa.IPPROTO_UDP:
		b.WriteString("udp/")
	}
	switch {
	case m.Name != "":
		b.WriteString(m.Name)
	case !m.Net.IsValid():
		b.WriteByte('*')
	default:
		a := m.Net.String()
		if m.Net.IsSingleIP() {
			a = m.Net.Addr().String()
		}
		if m.Net.Addr().Is6() {
			a = "[" + a + "]"
		}
		b.WriteString(a)
	}
	for i, p := range m.Ports {
		b.WriteByte(":,"[min(i, 1)])
		fmt.Fprint(&b, p.First)
		if p.Last != p.First {
			fmt.Fprintf(&b, "-%d", p.Last)
		}
	}
	return b.String()
}
