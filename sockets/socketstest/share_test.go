package socketstest_test

import (
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/socketstest"
	"github.com/netnsd/netnsd/sockets/winsocktest"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// denying is a layer that forbids one peer.
type denying struct{ peer netip.Addr }

func (denying) OnFailure() provider.OnFailure { return provider.FailClosed }

func (d denying) Decide(f provider.Facts, op provider.Op) provider.Verdict {
	if f.Remote.Addr() == d.peer {
		return provider.Verdict{Action: provider.Deny, Errno: wsa.ECONNREFUSED}
	}
	return provider.Verdict{Action: provider.Allow}
}

func (denying) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.Deciding(r, next), 0
}

// sandboxes are two sessions over one stack that may hand sockets to each other,
// and a peer on the other end of the wire. The second has layers of its own.
func sandboxes(t *testing.T, layers ...provider.Layer) (w *winsocktest.Case, second *winsocktest.Case, b *sockets.Session) {
	p := stacktest.NewPair(t, stacktest.PairConfig{})
	all := new(sockets.Processes)
	d := netstack.New(netstack.Config{Stack: p.A})
	t.Cleanup(d.Close)
	session := func(d base.Driver, layers ...provider.Layer) *sockets.Session {
		return process(t, all, base.New(base.Config{Driver: d}), layers...)
	}
	far := func(s *stack.Stack) *sockets.Session {
		d := netstack.New(netstack.Config{Stack: s})
		t.Cleanup(d.Close)
		return session(d)
	}(p.B)
	a := session(d, socketstest.PassThrough(2)...)
	b = session(d, layers...)
	pair := winsocktest.Pair{Client: a, Server: far, ClientHost: stacktest.A4, ServerHost: stacktest.B4}
	return winsocktest.NewCase(t, pair), winsocktest.NewCase(t, winsocktest.Pair{Client: b, Server: far, ClientHost: stacktest.A4, ServerHost: stacktest.B4}), b
}

// TestHandOver: a live connection goes from one sandbox to another, which uses it
// after the first has ended (winsock-spi 8.1).
func TestHandOver(t *testing.T) {
	first, second, b := sandboxes(t, denying{netip.MustParseAddr("192.0.2.1")})
	c, s := first.Connected()
	var info provider.ProtocolInfo
	first.Want("duplicate", first.C.WSPDuplicateSocket(c, b.Process(), &info), 0)
	h, e := second.C.WSPSocket(-1, -1, -1, &info, 99, 99)
	first.Want("socket by the token", e, 0)
	if h == c {
		t.Error("one descriptor in two sessions")
	}
	_, e = second.C.WSPSocket(-1, -1, -1, &info, 0, 0)
	first.Want("the token again", e, wsa.EINVAL)
	if k, _ := b.Lookup(h); len(k.Chain().Storeys()) != 3 {
		t.Errorf("the socket stands on %v", k.Chain().Storeys())
	}
	first.Want("an option", second.C.SetOption(h, wsa.IPPROTO_TCP, wsa.TCP_NODELAY, 1), 0)
	if v, e := first.C.Option(c, wsa.IPPROTO_TCP, wsa.TCP_NODELAY); v != 1 || e != 0 {
		t.Errorf("TCP_NODELAY %d, %v: options are not shared", v, e)
	}
	if err := first.Pair.Client.Close(); err != nil {
		t.Error(err)
	}
	_, e = first.C.Recv(c, 1, 0)
	first.Want("the first session's descriptor", e, wsa.NOTINITIALISED)
	second.C.Send(h, "still here")
	if got := first.S.Read(s, 10); got != "still here" {
		t.Errorf("%q", got)
	}
	first.S.Send(s, "yes")
	if got := second.C.Read(h, 3); got != "yes" {
		t.Errorf("%q", got)
	}
	first.Want("close", second.C.WSPCloseSocket(h), 0)
	first.S.Await(s, wsa.FD_CLOSE)
}

// TestHandOverDenied: the receiving session's policy judges the connection, and a
// denial leaves the giver's socket as it was.
func TestHandOverDenied(t *testing.T) {
	first, second, b := sandboxes(t, denying{stacktest.B4})
	c, s := first.Connected()
	l, _ := first.S.Listen()
	_ = l
	unconnected := first.C.TCP()
	udp := first.C.UDP()
	for what, h := range map[string]sockets.SOCKET{"a connection to a peer that is denied": c, "a socket without a peer": unconnected, "a datagram socket": udp} {
		var info provider.ProtocolInfo
		first.Want("duplicate", first.C.WSPDuplicateSocket(h, b.Process(), &info), 0)
		for range 2 { // the token is as it was
			_, e := second.C.WSPSocket(-1, -1, -1, &info, 0, 0)
			first.Want(what, e, wsa.EACCES)
		}
	}
	first.C.Send(c, "untouched")
	if got := first.S.Read(s, 9); got != "untouched" {
		t.Errorf("%q", got)
	}
}
