package gateway

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/netnsd/netnsd/provider"
)

// told is a layer that decides, and hears which lookups were answered.
type told struct {
	only
	names *[]string
}

func (l told) Answered(f provider.Facts) {
	*l.names = append(*l.names, f.Names...)
	if f.Names[0] == "bomb.test" {
		panic("bomb in Answered")
	}
}

// Layers hear of the lookups that found something, before the program does; a
// layer that panics over it takes nothing from anybody.
func TestDNSAnswered(t *testing.T) {
	up := upstream(t, func(q dnsmessage.Message) []dnsmessage.Message {
		m := reply(q, "192.0.2.7", 60)
		switch q.Questions[0].Name.String() {
		case "none.test.":
			m.RCode, m.Answers = dnsmessage.RCodeNameError, nil
		case "broken.test.":
			m.RCode, m.Answers = dnsmessage.RCodeServerFailure, nil
		case "empty.test.":
			m.Answers = nil
		}
		return []dnsmessage.Message{m}
	})
	var names []string
	g := newTestGateway(t, told{only{".test"}, &names}, Config{DNS: DNS{Upstreams: []netip.AddrPort{up}}})
	for _, n := range []string{"a.test.", "none.test.", "broken.test.", "empty.test.", "denied.example.", "bomb.test.", "B.test."} {
		if b := g.dns.answer(context.Background(), query(t, n, dnsmessage.TypeA), "udp", guest, service); b == nil {
			t.Errorf("%s: no answer", n)
		}
	}
	if got := strings.Join(names, " "); got != "a.test empty.test bomb.test b.test" {
		t.Errorf("told of %s", got)
	}
}
