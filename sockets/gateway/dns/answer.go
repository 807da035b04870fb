package dns

import (
	"fmt"
	"iter"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Found reports whether an answer says that the name exists.
func Found(answer []byte) bool {
	return len(answer) >= headerLen && rcode(answer) == dnsmessage.RCodeSuccess
}

// Addresses are what an answer gives for name, in the order in which they stand: A
// and AAAA, and the hints of SVCB and HTTPS (RFC 9460, 7.3), of the name itself and
// of the names that its CNAMEs lead to, if these stand before.
func Addresses(answer []byte, name string) iter.Seq2[netip.Addr, time.Duration] {
	return func(yield func(netip.Addr, time.Duration) bool) {
		var p dnsmessage.Parser
		if _, err := p.Start(answer); err != nil || p.SkipAllQuestions() != nil {
			return
		}
		owners := map[string]bool{name: true}
		for {
			h, err := p.AnswerHeader()
			if err != nil {
				return
			}
			if h.Class != dnsmessage.ClassINET || !leads(h.Type) || !owners[canonical(h.Name)] {
				if p.SkipAnswer() != nil {
					return
				}
				continue
			}
			r, err := p.Answer()
			if err != nil {
				return
			}
			if c, ok := r.Body.(*dnsmessage.CNAMEResource); ok {
				owners[canonical(c.CNAME)] = true
				continue
			}
			if h.TTL >= 1<<31 { // RFC 2181, 8
				h.TTL = 0
			}
			for _, ip := range addressesOf(r.Body) {
				if !yield(ip, time.Duration(h.TTL)*time.Second) {
					return
				}
			}
		}
	}
}

// leads reports whether records of a type lead to addresses.
func leads(t dnsmessage.Type) bool {
	switch t {
	case dnsmessage.TypeA, dnsmessage.TypeAAAA, dnsmessage.TypeCNAME, dnsmessage.TypeSVCB, dnsmessage.TypeHTTPS:
		return true
	}
	return false
}

func addressesOf(body dnsmessage.ResourceBody) []netip.Addr {
	switch b := body.(type) {
	case *dnsmessage.AResource:
		return []netip.Addr{netip.AddrFrom4(b.A)}
	case *dnsmessage.AAAAResource:
		return []netip.Addr{netip.AddrFrom16(b.AAAA).Unmap()}
	case *dnsmessage.SVCBResource:
		return hints(b)
	case *dnsmessage.HTTPSResource:
		return hints(&b.SVCBResource)
	}
	return nil
}

func hints(r *dnsmessage.SVCBResource) (all []netip.Addr) {
	v4, _ := r.GetParam(dnsmessage.SVCParamIPv4Hint)
	for ; len(v4) >= 4; v4 = v4[4:] {
		all = append(all, netip.AddrFrom4([4]byte(v4)))
	}
	v6, _ := r.GetParam(dnsmessage.SVCParamIPv6Hint)
	for ; len(v6) >= 16; v6 = v6[16:] {
		all = append(all, netip.AddrFrom16([16]byte(v6)).Unmap())
	}
	return all
}

// TypeName is a type as dig(1) has it, TYPE65281 (RFC 3597, 5) for one unknown.
func TypeName(t dnsmessage.Type) string {
	if name, ok := strings.CutPrefix(t.String(), "Type"); ok {
		return strings.ToUpper(name)
	}
	return fmt.Sprintf("TYPE%d", uint16(t))
}

var rcodeNames = [...]string{"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"}

// RCodeName is the response code of an answer as dig(1) has it.
func RCodeName(answer []byte) string {
	if len(answer) < headerLen {
		return ""
	}
	if c := int(rcode(answer)); c < len(rcodeNames) {
		return rcodeNames[c]
	}
	return fmt.Sprintf("RCODE%d", rcode(answer))
}
