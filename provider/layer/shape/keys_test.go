package shape_test

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// names are those that a name service has given, by address.
type names map[string]string

func (n names) NamesOf(a netip.Addr) []string {
	if s := n[a.String()]; s != "" {
		return []string{s}
	}
	return nil
}

// Who shares a bucket: a second socket has what the first has left of it.
func TestKeys(t *testing.T) {
	known := names{"192.0.2.1": "a.example", "192.0.2.2": "a.example", "192.0.2.3": "b.example"}
	for _, c := range []struct {
		per, att1, dst1, att2, dst2 string
		shared                      bool
	}{
		{"all", "x", "192.0.2.1:80", "y", "192.0.2.3:80", true},
		{"attachment", "x", "192.0.2.1:80", "x", "192.0.2.3:80", true},
		{"attachment", "x", "192.0.2.1:80", "y", "192.0.2.1:80", false},
		{"name", "x", "192.0.2.1:80", "x", "192.0.2.2:81", true},
		{"name", "x", "192.0.2.1:80", "x", "192.0.2.3:80", false},
		{"name", "x", "192.0.2.8:80", "x", "192.0.2.9:80", false},
		{"destination", "x", "192.0.2.1:80", "x", "192.0.2.1:81", true},
		{"destination", "x", "192.0.2.1:80", "x", "192.0.2.2:80", false},
		{"socket", "x", "192.0.2.1:80", "x", "192.0.2.1:80", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			rig := providertest.Build(t, ample(1<<20), wsa.IPPROTO_TCP, layer(t, "up=1kB/s,burst=100,per="+c.per))
			send := func(att, dst string) int {
				s, e := rig.Chain.Table.WSPSocket(&provider.SocketRequest{Info: &rig.Chain.Info, Origin: &provider.Origin{UID: -1, Attachment: att, Names: known}})
				if e == 0 {
					e = rig.Chain.Table.WSPConnect(s, to(dst))
				}
				if e != 0 {
					t.Fatal(e)
				}
				t.Cleanup(func() { rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort) })
				n, _ := rig.Chain.Table.WSPSend(s, &provider.Msg{Buffers: [][]byte{make([]byte, 100)}})
				return n
			}
			if n := send(c.att1, c.dst1); n != 100 {
				t.Errorf("%+v: the first has sent %d", c, n)
			}
			if n := send(c.att2, c.dst2); (n == 0) != c.shared {
				t.Errorf("%+v: the second has sent %d", c, n)
			}
		})
	}
}

// A rule is about what it matches, and about nothing else.
func TestMatch(t *testing.T) {
	known := names{"192.0.2.1": "www.a.example."}
	for spec, want := range map[string]bool{
		"tcp/80": true, "tcp/443": false, "udp/*": false, "*.a.example": true, "a.example": false, "www.a.example:80": true,
		"192.0.2.0/24": true, "198.51.100.0/24": false, "[2001:db8::/32]": false, "*:70-90": true,
	} {
		rig := providertest.Build(t, ample(1<<20), wsa.IPPROTO_TCP, layer(t, spec+": total=1"))
		s, e := rig.Chain.Table.WSPSocket(&provider.SocketRequest{Info: &rig.Chain.Info, Origin: &provider.Origin{UID: -1, Names: known}})
		if e == 0 {
			e = rig.Chain.Table.WSPConnect(s, to("192.0.2.1:80"))
		}
		if e != 0 {
			t.Fatal(e)
		}
		n, _ := rig.Chain.Table.WSPSend(s, &provider.Msg{Buffers: [][]byte{make([]byte, 100)}})
		if (n == 1) != want {
			t.Errorf("%s: %d bytes were sent", spec, n)
		}
		rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
	}
}
