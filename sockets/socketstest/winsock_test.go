package socketstest_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/kit"
	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/socketstest"
	"github.com/netnsd/netnsd/sockets/winsocktest"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// winsockPair is two sessions over two private stacks and a wire between them.
func winsockPair(t *testing.T, layers []provider.Layer, v6 bool) winsocktest.Pair {
	p := stacktest.NewPair(t, stacktest.PairConfig{})
	stackBase := func(s *stack.Stack) provider.Base {
		d := netstack.New(netstack.Config{Stack: s, Raw: v6})
		t.Cleanup(d.Close)
		return base.New(base.Config{Driver: d, RawAllowed: v6})
	}
	can := winsocktest.NeedsMulticast | winsocktest.NeedsGroups | winsocktest.NeedsConditionalAccept | winsocktest.NeedsWindowsBind |
		winsocktest.NeedsKeepAlive | winsocktest.NeedsChanges | winsocktest.NeedsCircular | winsocktest.NeedsDynamicPorts |
		winsocktest.NeedsSilence | winsocktest.NeedsNoRoute | winsocktest.NeedsICMP
	if v6 {
		can |= winsocktest.NeedsRaw
	} else {
		can |= winsocktest.NeedsNoRaw
	}
	w := providertest.NewPair(t, stackBase(p.A), stackBase(p.B), stacktest.B4, can, layers...)
	w.ClientHost = stacktest.A4
	w.Can |= unheld(layers)
	w.Silent = netip.AddrFrom4([4]byte(append(stacktest.B4.AsSlice()[:3], 99)))
	if v6 {
		w.ClientHost, w.ServerHost = stacktest.A6, stacktest.B6
		w.Silent = netip.AddrFrom16([16]byte(append(stacktest.B6.AsSlice()[:15], 99)))
	}
	return w
}

// TestWinsock is the Winsock suite over two private stacks.
func TestWinsock(t *testing.T) {
	eachChain(t, "3 layers, IPv6 false", func(t *testing.T, layers []provider.Layer, v6 bool) {
		providertest.Conform(t, func(t *testing.T) providertest.Pair { return winsockPair(t, layers, v6) })
	})
}

// eachChain runs f for each number of layers and each family, and for a layer of the
// kit. Under the race detector, which makes it twenty times as slow, for the one of
// that name alone.
func eachChain(t *testing.T, race string, f func(t *testing.T, layers []provider.Layer, v6 bool)) {
	run := func(name string, layers []provider.Layer, v6 bool) {
		if name = fmt.Sprintf("%s, IPv6 %v", name, v6); !raceEnabled || name == race {
			t.Run(name, func(t *testing.T) { f(t, layers, v6) })
		}
	}
	for _, n := range []int{0, 1, 3, 6} {
		for _, v6 := range []bool{false, true} {
			run(fmt.Sprintf("%d layers", n), socketstest.PassThrough(n), v6)
		}
	}
	run("a layer of the kit", []provider.Layer{relay{}}, false)
}

// unheld are the capabilities of chains without a layer of the kit.
func unheld(layers []provider.Layer) winsocktest.Needs {
	if slices.Contains(layers, provider.Layer(relay{})) {
		return 0
	}
	return winsocktest.NeedsUnheld | winsocktest.NeedsReuse
}

// relay is a layer of the kit in the path of every stream, which changes nothing.
type relay struct{}

func (relay) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return kit.Conversation(r, next, kit.Config{}, func(_ context.Context, x *kit.Exchange) error {
		return x.Both(
			func() error { return kit.Copy(x.Net, x.App) },
			func() error { return kit.Copy(x.App, x.Net) },
		)
	}), 0
}

func TestSmoke(t *testing.T) {
	w := winsocktest.NewCase(t, winsockPair(t, socketstest.PassThrough(1), false))
	c, s := w.Connected()
	w.C.Send(c, "hello")
	if got := w.S.Read(s, 5); got != "hello" {
		t.Fatal(got)
	}
	// overlapped, port
	port := sockets.CreateCompletionPort(0)
	if e := w.Pair.Server.Associate(s, port, 7); e != 0 {
		t.Fatal(e)
	}
	var o sockets.Overlapped
	b := make([]byte, 10)
	var n uint32
	var fl wsa.MsgFlags
	if e := w.S.WSPRecv(s, [][]byte{b}, &n, &fl, &o, nil, nil); e != wsa.IO_PENDING {
		t.Fatal(e)
	}
	w.C.Send(c, "again")
	r, e := port.Get(5 * time.Second)
	if e != 0 || r.Key != 7 || r.N != 5 || r.Overlapped != &o || r.Errno != 0 {
		t.Fatal(r, e)
	}
	ev := sockets.CreateEvent()
	w.Want("EventSelect", w.S.WSPEventSelect(s, ev, wsa.FD_READ|wsa.FD_WRITE|wsa.FD_CLOSE), 0)
	w.C.Send(c, "x")
	w.S.Await(s, wsa.FD_READ)
	ev.Wait(t.Context())
	w.Want("close", w.C.WSPCloseSocket(c), 0)
	w.S.Await(s, wsa.FD_CLOSE)
	var o2 sockets.Overlapped
	w.Want("recv", w.S.WSPRecv(s, [][]byte{b}, &n, &fl, &o2, nil, nil), 0)
	r, e = port.Get(5 * time.Second)
	if e != 0 || r.N != 1 {
		t.Fatal(r, e)
	}
}

// process is a session that may hand sockets to others of all.
func process(t *testing.T, all *sockets.Processes, b provider.Base, layers ...provider.Layer) *sockets.Session {
	s, err := sockets.Startup(sockets.Config{Catalog: socketstest.Catalog(t, b, layers...), Processes: all, MaxSockets: 64})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the session: %v", err)
		}
	})
	return s
}
