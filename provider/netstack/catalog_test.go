package netstack_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// house is a catalog with one base over a stack.
type house struct {
	t        *testing.T
	snapshot *provider.Snapshot
	host     providertest.Host
}

func newHouse(t *testing.T, s *stack.Stack, raw bool) *house {
	c := &provider.Catalog{}
	if _, err := c.InstallBase("netstack", netstack.NewBase(netstack.Config{Stack: s, Raw: raw})); err != nil {
		t.Fatal(err)
	}
	return &house{t: t, snapshot: c.Snapshot()}
}

// open is what the dispatcher does for socket(): Resolve, Build, WSPSocket.
func (h *house) open(af, typ, protocol int32) (*provider.Socket, wsa.Errno) {
	h.t.Helper()
	r := &provider.SocketRequest{AF: af, Type: typ, Protocol: protocol}
	entry, _, e := h.snapshot.Resolve(r)
	if e != 0 {
		return nil, e
	}
	chain, err := h.snapshot.Build(entry.Info.CatalogEntryID, provider.BuildConfig{Host: &h.host})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(chain.Retire)
	r.Info = &chain.Info
	s, e := chain.Table.WSPSocket(r)
	if e == 0 {
		h.t.Cleanup(func() { chain.Table.WSPCloseSocket(s, provider.CloseAbort) })
	}
	return s, e
}

// TestTruthTable is winsock-spi 2.8 A, end to end.
func TestTruthTable(t *testing.T) {
	const (
		inet, stream, dgram, raw = wsa.AF_INET, wsa.SOCK_STREAM, wsa.SOCK_DGRAM, wsa.SOCK_RAW
		tcp, udp, icmp           = wsa.IPPROTO_TCP, wsa.IPPROTO_UDP, wsa.IPPROTO_ICMP
	)
	p := stacktest.NewPair(t, stacktest.PairConfig{})
	for _, row := range []struct {
		af, typ, protocol int32
		want              wsa.Errno
		got               int32 // the type made
	}{
		{0, 0, 0, wsa.EINVAL, 0},
		{inet, 0, 0, 0, stream},
		{inet, stream, 0, 0, stream},
		{inet, 0, tcp, 0, stream},
		{0, 0, tcp, 0, stream},
		{0, 0, udp, 0, dgram},
		{0, 0, wsa.IPPROTO_RAW, 0, raw},
		{inet, raw, icmp, 0, raw},
		{inet, raw, tcp, 0, raw},
		{0, stream, 0, wsa.EINVAL, 0},
		{0, -1, 0, wsa.EINVAL, 0},
		{0, 0xdead, 0, wsa.EINVAL, 0},
		{0, stream, -1, wsa.EPROTONOSUPPORT, 0},
		{0, -1, udp, wsa.ESOCKTNOSUPPORT, 0},
		{0, -1, -1, wsa.ESOCKTNOSUPPORT, 0},
		{inet, -1, 0, wsa.ESOCKTNOSUPPORT, 0},
		{inet, 0xdead, 0, wsa.ESOCKTNOSUPPORT, 0},
		{inet, 0, -1, wsa.EPROTONOSUPPORT, 0},
		{0, 0, 0xdead, wsa.EPROTONOSUPPORT, 0},
		{-1, stream, udp, wsa.EAFNOSUPPORT, 0},
		{inet, stream, udp, wsa.EPROTONOSUPPORT, 0},
		{inet, dgram, tcp, wsa.EPROTONOSUPPORT, 0},
		{inet, dgram, 0, 0, dgram},
		{inet, dgram, icmp, 0, dgram},
		{wsa.AF_INET6, dgram, wsa.IPPROTO_ICMPV6, 0, dgram},
		{wsa.AF_INET6, 0, 0, 0, stream},
		{wsa.AF_INET6, raw, wsa.IPPROTO_ICMPV6, 0, raw},
		{inet, raw, 89, 0, raw},
	} {
		for _, capable := range []bool{true, false} {
			want := row.want
			if row.got == raw && !capable {
				want = wsa.EACCES
			}
			t.Run(fmt.Sprintf("%d %d %d %v", row.af, row.typ, row.protocol, capable), func(t *testing.T) {
				s, e := newHouse(t, p.A, capable).open(row.af, row.typ, row.protocol)
				if e != want {
					t.Fatalf("%s, want %s", e.Name(), want.Name())
				}
				if e == 0 && s.Type != row.got {
					t.Errorf("type %d, want %d", s.Type, row.got)
				}
			})
		}
	}
}

// bell is a watcher.
type bell chan struct{}

func (b bell) Wake(*provider.Socket, wsa.Events) {
	select {
	case b <- struct{}{}:
	default:
	}
}

// wait asks Ready until one of mask.
func wait(t *testing.T, s *provider.Socket, mask wsa.Events) provider.Readiness {
	t.Helper()
	b := make(bell, 1)
	table := &s.Chain().Table
	table.Watch(s, b, ^wsa.Events(0))
	defer table.Watch(s, nil, 0)
	for {
		if r := table.Ready(s, mask); r.Events != 0 {
			return r
		}
		select {
		case <-b:
		case <-time.After(patience):
			t.Fatalf("not ready for %#x: %+v", mask, table.Ready(s, ^wsa.Events(0)))
		}
	}
}

// TestChainEcho goes through Catalog, Build and the state machine of base.
func TestChainEcho(t *testing.T) {
	for _, fam := range families {
		t.Run(fam.name, func(t *testing.T) {
			p := stacktest.NewPair(t, stacktest.PairConfig{})
			ha, hb := newHouse(t, p.A, false), newHouse(t, p.B, false)
			must := func(what string, e wsa.Errno) {
				t.Helper()
				if e != 0 {
					t.Fatalf("%s: %s", what, e.Name())
				}
			}
			l, e := hb.open(fam.af, wsa.SOCK_STREAM, 0)
			must("socket", e)
			tb := &l.Chain().Table
			must("bind", tb.WSPBind(l, addr(fam.b, 0)))
			must("listen", tb.WSPListen(l, 5))
			at, e := tb.WSPGetSockName(l)
			must("name", e)

			a, e := ha.open(fam.af, wsa.SOCK_STREAM, 0)
			must("socket", e)
			ta := &a.Chain().Table
			if e := ta.WSPConnect(a, &provider.ConnectRequest{To: at}); e != wsa.EWOULDBLOCK {
				t.Fatalf("connect: %s", e.Name())
			}
			if r := wait(t, a, wsa.FD_CONNECT); r.Connect != 0 {
				t.Fatalf("connect: %s", r.Connect.Name())
			}
			wait(t, l, wsa.FD_ACCEPT)
			b, e := tb.WSPAccept(l, &provider.AcceptRequest{})
			must("accept", e)

			_, e = ta.WSPSend(a, text("through the house"))
			must("send", e)
			if r := wait(t, b, wsa.FD_READ); r.Queued != 17 {
				t.Errorf("queued %d", r.Queued)
			}
			m := msg(make([]byte, 100))
			n, e := tb.WSPRecv(b, m)
			must("recv", e)
			if string(m.Buffers[0][:n]) != "through the house" {
				t.Errorf("received %q", m.Buffers[0][:n])
			}
			must("close", tb.WSPCloseSocket(b, provider.CloseAbort))
			if r := wait(t, a, wsa.FD_CLOSE); r.Close != wsa.ECONNABORTED {
				t.Errorf("FD_CLOSE carries %s", r.Close.Name())
			}
			for range 2 {
				if _, e := ta.WSPRecv(a, m); e != wsa.ECONNRESET {
					t.Errorf("recv: %s", e.Name())
				}
			}

			r, e := ha.open(fam.af, wsa.SOCK_STREAM, 0)
			must("socket", e)
			ta.WSPConnect(r, &provider.ConnectRequest{To: addr(fam.b, 9)})
			if r := wait(t, r, wsa.FD_CONNECT); r.Connect != wsa.ECONNREFUSED {
				t.Errorf("refused: %s", r.Connect.Name())
			}
			// A socket that was refused connects anew, over another endpoint.
			if e := ta.WSPConnect(r, &provider.ConnectRequest{To: at}); e != wsa.EWOULDBLOCK {
				t.Fatalf("connect again: %s", e.Name())
			}
			if r := wait(t, r, wsa.FD_CONNECT); r.Connect != 0 {
				t.Errorf("connect again: %s", r.Connect.Name())
			}
		})
	}
}
