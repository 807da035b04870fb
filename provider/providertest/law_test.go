package providertest_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// layerFunc is a layer made of its Startup.
type layerFunc func(*provider.StartupRequest, *provider.ProcTable) (provider.ProcTable, wsa.Errno)

func (f layerFunc) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return f(r, next)
}

func msg(b []byte) *provider.Msg { return &provider.Msg{Buffers: [][]byte{b}} }

func recorders(log *providertest.Log, names ...string) []provider.Layer {
	var ls []provider.Layer
	for _, n := range names {
		ls = append(ls, &providertest.Recorder{Name: n, Log: log})
	}
	return ls
}

func TestLaw01Order(t *testing.T) {
	log := new(providertest.Log)
	rig, err := providertest.TryBuild(new(providertest.Base), wsa.IPPROTO_TCP, recorders(log, "a", "b", "c")...)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := log.Ops(), []string{"c.WSPStartup", "b.WSPStartup", "a.WSPStartup"}; !slices.Equal(got, want) {
		t.Errorf("started %v, want %v: building goes up from the base", got, want)
	}
	s := rig.Socket(t)
	rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
	if got, want := log.Ops()[3:6], []string{"a.WSPSocket", "b.WSPSocket", "c.WSPSocket"}; !slices.Equal(got, want) {
		t.Errorf("called %v, want %v: layer 0 is nearest the application", got, want)
	}
	n := len(log.Ops())
	providertest.End(t, rig.Chain)
	if got, want := log.Ops()[n:], []string{"a.WSPCleanup", "b.WSPCleanup", "c.WSPCleanup"}; !slices.Equal(got, want) {
		t.Errorf("cleaned %v, want %v: closing comes down from the roof", got, want)
	}
	if n := len(rig.Base.Calls("WSPCleanup")); n != 1 {
		t.Errorf("the base was cleaned up %d times", n)
	}
}

func TestLaw01HalfBuiltIsUndone(t *testing.T) {
	for _, c := range []struct {
		name  string
		layer layerFunc
		want  wsa.Errno
	}{
		{"fails", func(*provider.StartupRequest, *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
			return provider.ProcTable{}, wsa.EPROVIDERFAILEDINIT
		}, wsa.EPROVIDERFAILEDINIT},
		{"panics", func(*provider.StartupRequest, *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
			panic("at start")
		}, wsa.EPROVIDERFAILEDINIT},
		{"half a group", func(_ *provider.StartupRequest, n *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
			return provider.ProcTable{WSPRecv: n.WSPRecv}, 0
		}, wsa.EINVALIDPROCTABLE},
		{"slot without accept", func(r *provider.StartupRequest, n *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
			provider.NewSlot[int](r)
			return provider.ProcTable{WSPSocket: n.WSPSocket}, 0
		}, wsa.EINVALIDPROCTABLE},
		{"redirect without peer name", func(r *provider.StartupRequest, n *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
			r.ChangesDestination()
			return provider.ProcTable{WSPConnect: n.WSPConnect}, 0
		}, wsa.EINVALIDPROCTABLE},
		{"another version", func(r *provider.StartupRequest, n *provider.ProcTable) (t provider.ProcTable, e wsa.Errno) {
			r.Data, e = provider.Negotiate(r.Version, provider.MAKEWORD(1, 0), provider.MAKEWORD(1, 1))
			return t, e
		}, wsa.EINVALIDPROVIDER},
		{"only a later version", func(r *provider.StartupRequest, n *provider.ProcTable) (t provider.ProcTable, e wsa.Errno) {
			r.Data, e = provider.Negotiate(r.Version, provider.MAKEWORD(3, 0), provider.MAKEWORD(3, 0))
			return t, e
		}, wsa.VERNOTSUPPORTED},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, base := new(providertest.Log), new(providertest.Base)
			_, err := providertest.TryBuild(base, wsa.IPPROTO_TCP, c.layer, recorders(log, "b")[0])
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if !strings.Contains(err.Error(), "layer0") {
				t.Errorf("%q does not name the layer", err)
			}
			if got := log.Ops(); !slices.Equal(got, []string{"b.WSPStartup", "b.WSPCleanup"}) {
				t.Errorf("the storey below saw %v", got)
			}
			if n := len(base.Calls("WSPCleanup")); n != 1 {
				t.Errorf("the base was cleaned up %d times", n)
			}
		})
	}
}

func TestBaseWithNilEntry(t *testing.T) {
	base := nilBase{new(providertest.Base)}
	cat := new(provider.Catalog)
	ids, err := cat.InstallBase("nil", base)
	if err != nil {
		t.Fatal(err)
	}
	_, err = cat.Snapshot().Build(ids[0], provider.BuildConfig{Host: new(providertest.Host)})
	if !errors.Is(err, wsa.EINVALIDPROCTABLE) || !strings.Contains(err.Error(), "WSPListen") {
		t.Fatalf("error %v, want WSAEINVALIDPROCTABLE naming WSPListen", err)
	}
}

// TestBaseOfAnotherVersion: the dispatcher takes 2.2 and nothing else (winsock-spi
// 3.1), and gives the base its WSPCleanup.
func TestBaseOfAnotherVersion(t *testing.T) {
	base := oldBase{new(providertest.Base)}
	cat := new(provider.Catalog)
	ids, err := cat.InstallBase("old", base)
	if err != nil {
		t.Fatal(err)
	}
	_, err = cat.Snapshot().Build(ids[0], provider.BuildConfig{Host: new(providertest.Host)})
	if !errors.Is(err, wsa.EINVALIDPROVIDER) || !strings.Contains(err.Error(), "version 1.1") {
		t.Fatalf("error %v, want WSAEINVALIDPROVIDER naming the version", err)
	}
	if n := len(base.Calls("WSPCleanup")); n != 1 {
		t.Errorf("the base was cleaned up %d times", n)
	}
}

type oldBase struct{ *providertest.Base }

func (b oldBase) Startup(r *provider.StartupRequest) (provider.ProcTable, wsa.Errno) {
	r.Data.Version = provider.MAKEWORD(1, 1)
	return b.Base.Startup(r)
}

type nilBase struct{ *providertest.Base }

func (b nilBase) Startup(r *provider.StartupRequest) (provider.ProcTable, wsa.Errno) {
	t, e := b.Base.Startup(r)
	t.WSPListen = nil
	return t, e
}

// Every entry of a socket, called with the base waking synchronously inside it:
// a layer that held a lock over a call, or blocked, would not return.
func TestLaw02NothingBlocks(t *testing.T) {
	for _, n := range []int{0, 1, 3, 6} {
		t.Run(fmt.Sprint(n, " layers"), func(t *testing.T) {
			base := &providertest.Base{}
			base.Script.WSPRecv = func(s *provider.Socket, _ *provider.Msg) (int, wsa.Errno) {
				s.Wake(wsa.FD_READ)
				return 0, wsa.EWOULDBLOCK
			}
			base.Script.WSPSend = func(s *provider.Socket, _ *provider.Msg) (int, wsa.Errno) {
				s.Wake(wsa.FD_WRITE)
				return 0, wsa.EWOULDBLOCK
			}
			base.Script.WSPConnect = func(s *provider.Socket, _ *provider.ConnectRequest) wsa.Errno {
				s.Wake(wsa.FD_CONNECT)
				return wsa.EWOULDBLOCK
			}
			var layers []provider.Layer
			for range n {
				layers = append(layers, new(holding))
			}
			rig := providertest.Build(t, base, wsa.IPPROTO_TCP, layers...)
			s, tab := rig.Socket(t), &rig.Chain.Table
			woken := new(counter)
			tab.Watch(s, woken, wsa.FD_READ|wsa.FD_WRITE|wsa.FD_CONNECT)
			if e := tab.WSPConnect(s, &provider.ConnectRequest{To: provider.Any(wsa.AF_INET, 9)}); e != wsa.EWOULDBLOCK {
				t.Errorf("connect: %v", e)
			}
			if _, e := tab.WSPRecv(s, msg(make([]byte, 8))); e != wsa.EWOULDBLOCK {
				t.Errorf("recv: %v", e)
			}
			if n == 0 {
				if _, e := tab.WSPSend(s, msg([]byte("x"))); e != wsa.EWOULDBLOCK {
					t.Errorf("send: %v", e)
				}
			}
			if woken.n == 0 {
				t.Error("no wake reached the roof")
			}
			tab.WSPCloseSocket(s, provider.CloseAbort)
		})
	}
}

type counter struct {
	n    int
	last wsa.Events
}

func (c *counter) Wake(_ *provider.Socket, hint wsa.Events) { c.n, c.last = c.n+1, hint }

func TestLaw03Readiness(t *testing.T) {
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, new(holding), providertest.PassThrough{})
	s, tab := rig.Socket(t), &rig.Chain.Table
	defer tab.WSPCloseSocket(s, provider.CloseAbort)
	first, second := new(counter), new(counter)
	tab.Watch(s, first, wsa.FD_READ)
	tab.Watch(s, second, wsa.FD_READ) // one per storey: it replaces
	providertest.Inject(s, []byte("abc"))
	if first.n != 0 || second.n != 1 {
		t.Errorf("woken %d and %d times, want 0 and 1", first.n, second.n)
	}
	for range 2 { // a level: asking does not change it
		if r := tab.Ready(s, wsa.FD_READ|wsa.FD_CLOSE); r.Events != wsa.FD_READ || r.Queued != 3 {
			t.Errorf("ready %#x, queued %d", r.Events, r.Queued)
		}
	}
	if r := tab.Ready(s, wsa.FD_WRITE); r.Events != wsa.FD_WRITE {
		t.Errorf("Ready is not restricted to its mask: %#x", r.Events)
	}
	tab.Watch(s, nil, 0)
	providertest.InjectReset(s, wsa.ECONNRESET)
	if second.n != 1 {
		t.Error("woken after Watch(nil)")
	}
	if r := tab.Ready(s, wsa.FD_CLOSE); r.Close != 0 || r.Events&wsa.FD_CLOSE != 0 {
		t.Errorf("an error before the held bytes: %+v", r)
	}
	tab.WSPRecv(s, msg(make([]byte, 3)))
	if r := tab.Ready(s, wsa.FD_CLOSE); r.Close != wsa.ECONNRESET || r.Events&wsa.FD_CLOSE == 0 {
		t.Errorf("the cause of the close is lost: %+v", r)
	}
}

func TestLaw05HeldBytes(t *testing.T) {
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, new(holding), new(holding))
	s, tab := rig.Socket(t), &rig.Chain.Table
	defer tab.WSPCloseSocket(s, provider.CloseAbort)
	tab.Watch(s, new(counter), wsa.FD_READ)
	providertest.Inject(s, []byte("hello"))
	providertest.InjectEOF(s)
	one := make([]byte, 2)
	m := msg(one)
	m.Flags = wsa.MSG_PEEK
	for range 2 {
		if n, e := tab.WSPRecv(s, m); n != 2 || e != 0 || string(one) != "he" {
			t.Fatalf("peek: %d %v %q", n, e, one)
		}
	}
	if n, e := tab.WSPRecv(s, msg(one)); n != 2 || e != 0 || string(one) != "he" {
		t.Fatalf("recv: %d %v %q", n, e, one)
	}
	if r := tab.Ready(s, wsa.FD_READ|wsa.FD_CLOSE); r.Queued != 3 || r.Events != wsa.FD_READ {
		t.Errorf("queued %d, events %#x; want 3 bytes and no end before them", r.Queued, r.Events)
	}
	out := make([]byte, 4)
	if n, e := tab.WSPIoctl(s, &provider.IoctlRequest{Code: wsa.FIONREAD, Out: out}); n != 4 || e != 0 || out[0] != 3 {
		t.Errorf("FIONREAD: %d %v %v", n, e, out)
	}
	rest := make([]byte, 8)
	if n, e := tab.WSPRecv(s, msg(rest)); n != 3 || e != 0 || string(rest[:n]) != "llo" {
		t.Fatalf("recv: %d %v %q", n, e, rest)
	}
	for range 2 {
		if n, e := tab.WSPRecv(s, msg(rest)); n != 0 || e != 0 {
			t.Errorf("end of stream: %d %v", n, e)
		}
	}
}

func TestLaw06Buffers(t *testing.T) {
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_UDP, recorders(new(providertest.Log), "a", "b")...)
	s, tab := rig.Socket(t), &rig.Chain.Table
	defer tab.WSPCloseSocket(s, provider.CloseAbort)
	out := []byte("datagram")
	tab.WSPSend(s, msg(out))
	clear(out)
	if got := providertest.Sent(s); !bytes.Equal(got, []byte("datagram")) {
		t.Errorf("sent %q: a buffer was kept after the call", got)
	}
	providertest.Inject(s, []byte("too long"))
	in := make([]byte, 3)
	if n, e := tab.WSPRecvFrom(s, msg(in)); n != 3 || e != wsa.EMSGSIZE || string(in) != "too" {
		t.Errorf("truncated datagram: %d %v %q", n, e, in)
	}
}

func TestLaw07Pended(t *testing.T) {
	full := wsa.EWOULDBLOCK
	base := new(providertest.Base)
	base.Script.WSPSendTo = func(*provider.Socket, *provider.Msg) (int, wsa.Errno) { return 0, full }
	under, over := &decider{answer: provider.Verdict{Action: provider.Allow}, on: provider.FailClosed}, &decider{answer: provider.Verdict{Action: provider.Allow}, on: provider.FailClosed}
	rig := providertest.Build(t, base, wsa.IPPROTO_UDP, over, under)
	s, tab := rig.Socket(t), &rig.Chain.Table
	defer tab.WSPCloseSocket(s, provider.CloseAbort)
	m := msg([]byte("x"))
	send := func(port uint16, flags wsa.MsgFlags) {
		m.Addr, m.Flags = provider.Any(wsa.AF_INET, port), flags
		tab.WSPSendTo(s, m)
	}
	asked := func(when string, want int) {
		t.Helper()
		if over.asked != want || under.asked != want {
			t.Errorf("%s: decided %d and %d times, want %d", when, over.asked, under.asked, want)
		}
	}
	send(53, 0)
	for range 3 {
		send(53, wsa.MSG_PENDED)
	}
	asked("a retry", 1)
	if calls := rig.Base.Calls("WSPSendTo"); calls[1].Arg.(wsa.MsgFlags)&wsa.MSG_PENDED == 0 {
		t.Error("MSG_PENDED did not reach the base")
	}
	full = 0
	send(53, wsa.MSG_PENDED)
	asked("the last retry", 1)
	// What a storey above has kept back until now is no retry for those below.
	send(53, wsa.MSG_PENDED)
	asked("a first try that says that it is none", 2)
	full = wsa.EWOULDBLOCK
	send(53, 0)
	asked("another", 3)
	send(54, wsa.MSG_PENDED)
	asked("a retry to elsewhere", 4)
	s.Vouch()
	send(55, wsa.MSG_PENDED)
	asked("what its owner has had judged", 4)
	send(55, 0)
	asked("what he has not", 5)
}

func TestLaw08ErrorsPassUnchanged(t *testing.T) {
	base := &providertest.Base{}
	var want wsa.Errno
	base.Script.WSPBind = func(*provider.Socket, provider.Addr) wsa.Errno { return want }
	base.Script.WSPSend = func(*provider.Socket, *provider.Msg) (int, wsa.Errno) { return 0, want }
	rig := providertest.Build(t, base, wsa.IPPROTO_TCP, recorders(new(providertest.Log), "a", "b", "c", "d", "e", "f")...)
	s, tab := rig.Socket(t), &rig.Chain.Table
	defer tab.WSPCloseSocket(s, provider.CloseAbort)
	for want = 10000; want < 11005; want++ {
		if e := tab.WSPBind(s, provider.Addr{}); e != want {
			t.Fatalf("bind: %d became %d", want, e)
		}
		if _, e := tab.WSPSend(s, msg([]byte("x"))); e != want {
			t.Fatalf("send: %d became %d", want, e)
		}
	}
}

func TestLaw08Fail(t *testing.T) {
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, new(holding), recorders(new(providertest.Log), "b")[0])
	s, tab := rig.Socket(t), &rig.Chain.Table
	w := new(counter)
	tab.Watch(s, w, wsa.FD_ALL_EVENTS)
	s.Fail(wsa.EACCES, "killed")
	s.Fail(wsa.ENETDOWN, "too late")
	if w.n == 0 {
		t.Error("nobody was woken")
	}
	r := tab.Ready(s, wsa.FD_READ|wsa.FD_WRITE|wsa.FD_CLOSE)
	if r.Events != wsa.FD_READ|wsa.FD_WRITE|wsa.FD_CLOSE || r.Close != wsa.EACCES {
		t.Errorf("a failed socket is %+v", r)
	}
	for name, e := range operations(tab, s) {
		if e != wsa.EACCES {
			t.Errorf("%s on a failed socket: %v, want WSAEACCES", name, e.Name())
		}
	}
	if e := tab.WSPCloseSocket(s, provider.CloseLinger); e != 0 {
		t.Errorf("close of a failed socket: %v", e)
	}
}

// operations calls what an application can call on a socket that stands under
// at least one layer that replaces everything.
func operations(t *provider.ProcTable, s *provider.Socket) map[string]wsa.Errno {
	r := make(map[string]wsa.Errno)
	r["bind"] = t.WSPBind(s, provider.Addr{})
	r["connect"] = t.WSPConnect(s, &provider.ConnectRequest{To: provider.Any(wsa.AF_INET, 1)})
	r["listen"] = t.WSPListen(s, 1)
	r["shutdown"] = t.WSPShutdown(s, wsa.SD_SEND)
	r["setsockopt"] = t.WSPSetSockOpt(s, wsa.SOL_SOCKET, wsa.SO_KEEPALIVE, []byte{1, 0, 0, 0})
	_, r["accept"] = t.WSPAccept(s, &provider.AcceptRequest{})
	_, r["recv"] = t.WSPRecv(s, msg(make([]byte, 1)))
	_, r["recvfrom"] = t.WSPRecvFrom(s, msg(make([]byte, 1)))
	_, r["send"] = t.WSPSend(s, msg(make([]byte, 1)))
	_, r["sendto"] = t.WSPSendTo(s, msg(make([]byte, 1)))
	_, r["getsockname"] = t.WSPGetSockName(s)
	_, r["getpeername"] = t.WSPGetPeerName(s)
	_, r["getsockopt"] = t.WSPGetSockOpt(s, wsa.SOL_SOCKET, wsa.SO_TYPE, make([]byte, 4))
	_, r["ioctl"] = t.WSPIoctl(s, &provider.IoctlRequest{Code: wsa.FIONREAD, Out: make([]byte, 4)})
	return r
}

func TestLaw09CloseOnce(t *testing.T) {
	closers := map[string]func(next func(*provider.Socket, provider.CloseMode) wsa.Errno, s *provider.Socket, m provider.CloseMode) wsa.Errno{
		"twice": func(next func(*provider.Socket, provider.CloseMode) wsa.Errno, s *provider.Socket, m provider.CloseMode) wsa.Errno {
			next(s, m)
			return next(s, m)
		},
		"panics before": func(func(*provider.Socket, provider.CloseMode) wsa.Errno, *provider.Socket, provider.CloseMode) wsa.Errno {
			panic("close")
		},
		"panics after": func(next func(*provider.Socket, provider.CloseMode) wsa.Errno, s *provider.Socket, m provider.CloseMode) wsa.Errno {
			next(s, m)
			panic("close")
		},
	}
	for name, f := range closers {
		t.Run(name, func(t *testing.T) {
			l := layerFunc(func(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
				below := next.WSPCloseSocket
				return provider.ProcTable{WSPCloseSocket: func(s *provider.Socket, m provider.CloseMode) wsa.Errno { return f(below, s, m) }}, 0
			})
			rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, l)
			s := rig.Socket(t)
			rig.Chain.Table.WSPCloseSocket(s, provider.CloseBackground)
			rig.Chain.Table.WSPCloseSocket(s, provider.CloseBackground)
			if n := len(rig.Base.Calls("WSPCloseSocket")); n != 1 {
				t.Errorf("the base's close ran %d times", n)
			}
			if n := rig.Host.Open(); n != 0 {
				t.Errorf("%d handles are open", n)
			}
		})
	}
}

func TestLaw09LingerStaysOpen(t *testing.T) {
	base := &providertest.Base{}
	first := true
	base.Script.WSPCloseSocket = func(*provider.Socket, provider.CloseMode) wsa.Errno {
		if first {
			first = false
			return wsa.EWOULDBLOCK
		}
		return 0
	}
	rig := providertest.Build(t, base, wsa.IPPROTO_TCP)
	s := rig.Socket(t)
	if e := rig.Chain.Table.WSPCloseSocket(s, provider.CloseLinger); e != wsa.EWOULDBLOCK || rig.Host.Open() != 1 {
		t.Fatalf("close: %v, %d open; the socket stays open (winsock-spi 8.3)", e, rig.Host.Open())
	}
	if e := rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort); e != 0 || rig.Host.Open() != 0 {
		t.Fatalf("close again: %v, %d open", e, rig.Host.Open())
	}
	if e := rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort); e != wsa.ENOTSOCK {
		t.Errorf("close of a closed socket: %v, want WSAENOTSOCK", e)
	}
}

func TestLaw10ProtocolInfo(t *testing.T) {
	log := new(providertest.Log)
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, recorders(log, "a", "b")...)
	tab, own := &rig.Chain.Table, rig.BaseIDs[0]
	in := rig.Chain.Info
	in.ProviderReserved = 99
	s, e := tab.WSPSocket(&provider.SocketRequest{AF: wsa.FROM_PROTOCOL_INFO, Type: wsa.FROM_PROTOCOL_INFO, Protocol: wsa.FROM_PROTOCOL_INFO, Info: &in})
	if e != 0 {
		t.Fatal(e)
	}
	defer tab.WSPCloseSocket(s, provider.CloseAbort)
	tab.WSPAddressToString(provider.Any(wsa.AF_INET, 1), &in)
	tab.WSPStringToAddress("0.0.0.0", wsa.AF_INET, &in)
	dup, _ := tab.WSPDuplicateSocket(s, 1)

	for _, c := range log.Calls() {
		op := c.Op[2:]
		if op == "WSPSocket" || op == "WSPAddressToString" || op == "WSPStringToAddress" {
			if c.Info != &in {
				t.Errorf("%s: the layer did not get the very entry that went in", c.Op)
			}
		}
		if op == "WSPStartup" && c.Info.Chain.Len != 3 {
			t.Errorf("%s: the layer was not given the chain's entry: %+v", c.Op, c.Info.Chain)
		}
	}
	for _, c := range rig.Base.Calls("WSPStartup", "WSPSocket", "WSPAddressToString", "WSPStringToAddress") {
		if c.Info.CatalogEntryID != own || c.Info.Chain.Len != wsa.BASE_PROTOCOL {
			t.Errorf("%s: the base saw %v with a chain of %d", c.Op, c.Info, c.Info.Chain.Len)
		}
		if c.Op != "WSPStartup" && c.Info.ProviderReserved != 99 {
			t.Errorf("%s: dwProviderReserved was lost", c.Op)
		}
	}
	if dup.CatalogEntryID != rig.Chain.Info.CatalogEntryID || dup.ProviderReserved != 4711 {
		t.Errorf("a duplicate would bypass the layers: %v, token %d", dup, dup.ProviderReserved)
	}
	if s.Info != &rig.Chain.Info {
		t.Error("SO_PROTOCOL_INFO would show the base's entry")
	}
}

func TestLaw11PeerName(t *testing.T) {
	elsewhere := provider.Any(wsa.AF_INET, 81)
	redirect := layerFunc(func(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
		r.ChangesDestination()
		slot := provider.NewSlot[provider.Addr](r)
		connect, socket, accept, join := next.WSPConnect, next.WSPSocket, next.WSPAccept, next.WSPJoinLeaf
		return provider.ProcTable{
			WSPSocket: func(q *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
				s, e := socket(q)
				if e == 0 {
					slot.Put(s, new(provider.Addr))
				}
				return s, e
			},
			WSPAccept: accept, WSPJoinLeaf: join,
			WSPConnect: func(s *provider.Socket, q *provider.ConnectRequest) wsa.Errno {
				*slot.Of(s) = q.To
				to := *q
				to.To = elsewhere
				return connect(s, &to)
			},
			WSPGetPeerName: func(s *provider.Socket) (provider.Addr, wsa.Errno) { return *slot.Of(s), 0 },
		}, 0
	})
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, redirect)
	s, tab := rig.Socket(t), &rig.Chain.Table
	defer tab.WSPCloseSocket(s, provider.CloseAbort)
	asked := provider.Any(wsa.AF_INET, 80)
	tab.WSPConnect(s, &provider.ConnectRequest{To: asked})
	if got := providertest.EndpointOf(s); reflect.ValueOf(got).IsNil() {
		t.Fatal("no endpoint")
	}
	if got := rig.Base.Calls("WSPConnect")[0].Arg.(*provider.ConnectRequest).To; got != elsewhere {
		t.Errorf("the base connected to %v", got)
	}
	if peer, _ := tab.WSPGetPeerName(s); peer != asked {
		t.Errorf("the application sees peer %v, asked for %v", peer, asked)
	}
}

func TestLaw15Counting(t *testing.T) {
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, recorders(new(providertest.Log), "a", "b", "c")...)
	s, tab := rig.Socket(t), &rig.Chain.Table
	defer tab.WSPCloseSocket(s, provider.CloseAbort)
	tab.WSPSend(s, msg(make([]byte, 100)))
	providertest.Inject(s, make([]byte, 10))
	m := msg(make([]byte, 10))
	m.Flags = wsa.MSG_PEEK
	tab.WSPRecv(s, m)
	tab.WSPRecv(s, msg(make([]byte, 10)))
	if out, in := s.Traffic.BytesOut.Load(), s.Traffic.BytesIn.Load(); out != 100 || in != 10 {
		t.Errorf("counted %d out and %d in, want 100 and 10", out, in)
	}
}
