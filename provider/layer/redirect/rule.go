package redirect

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/netnsd/netnsd/provider"
)

// maxRule is longer than any rule that means something.
const maxRule = 1024

// A Rule says which destinations are led elsewhere, and where to. The zero value
// matches nothing. Get one from [ParseRule].
type Rule struct {
	proto proto
	host  host
	ports []provider.PortRange // none = all
	to    netip.AddrPort       // unmapped; port 0 = as asked
}

// proto is a protocol as rules know it.
type proto uint8

const (
	either proto = iota
	tcp
	udp
)

var protoNames = [...]string{"any", "tcp", "udp"}

func protoNamed(s string) (proto, bool) {
	for p, name := range protoNames {
		if strings.EqualFold(s, name) {
			return proto(p), true
		}
	}
	return either, false
}

// SyntaxError says what is wrong with a rule, where, and what to write.
type SyntaxError struct {
	Text   string
	Column int // of the character, from 1
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("redirect: %q, column %d: %s", e.Text, e.Column, e.Reason)
}

// ParseRule reads a rule: see the package's documentation. The error is a
// [*SyntaxError].
func ParseRule(text string) (Rule, error) {
	p := scanner{text: text}
	r, ok := p.rule()
	if !ok {
		return Rule{}, &SyntaxError{Text: text, Column: p.at + 1, Reason: p.reason}
	}
	return r, nil
}

// String is the rule in its one canonical form, which ParseRule reads back.
func (r Rule) String() string {
	to := r.to.Addr().String()
	if r.to.Addr().Is6() {
		to = "[" + to + "]"
	}
	if r.to.Port() != 0 {
		to += ":" + strconv.Itoa(int(r.to.Port()))
	}
	return r.asked() + "=" + to
}

// asked is the part of the rule before the equals sign.
func (r *Rule) asked() string {
	var b strings.Builder
	if r.proto != either {
		b.WriteString(protoNames[r.proto] + "/")
	}
	b.WriteString(r.host.String())
	for i, p := range r.ports {
		b.WriteByte(":,"[min(i, 1)])
		b.WriteString(strconv.Itoa(int(p.First)))
		if p.Last != p.First {
			b.WriteString("-" + strconv.Itoa(int(p.Last)))
		}
	}
	return b.String()
}

// service reports that protocol and port match.
func (r *Rule) service(p proto, port uint16) bool {
	if r.proto != either && r.proto != p {
		return false
	}
	if len(r.ports) == 0 {
		return true
	}
	for _, x := range r.ports {
		if x.First <= port && port <= x.Last {
			return true
		}
	}
	return false
}
