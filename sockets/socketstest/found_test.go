package socketstest_test

import (
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/winsocktest"
)

// memoryPair is two sessions over a network in memory, where a fake clock is the only one.
func memoryPair(t *testing.T) winsocktest.Pair {
	g := new(ground)
	memoryGround(t, g, 1)
	return winsocktest.Pair{Client: g.sessions[0], Server: g.sessions[1], ClientHost: g.v4[0], ServerHost: g.v4[1]}
}

// TestAcceptHasNoTimeout: SO_RCVTIMEO is for receives (9.1), and WSPAccept's table
// has no WSAETIMEDOUT (3.3). Found by FuzzWinsock.
func TestAcceptHasNoTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := winsocktest.NewCase(t, memoryPair(t))
		l, at := w.S.Listen()
		w.Want("SO_RCVTIMEO", w.S.SetOption(l, wsa.SOL_SOCKET, wsa.SO_RCVTIMEO, 5), 0)
		accepted := make(chan wsa.Errno, 1)
		go func() {
			s, e := w.S.WSPAccept(l, nil, nil, nil, nil)
			w.S.WSPCloseSocket(s)
			accepted <- e
		}()
		time.Sleep(time.Second)
		c := w.C.TCP()
		w.Want("WSPConnect", w.C.Connect(c, at), 0)
		w.Want("WSPAccept, which has waited for a second", <-accepted, 0)
	})
}

// TestJoinThatFails: the code of a WSPJoinLeaf that fails is the call's, and no
// FD_CONNECT, whose list has no such (6.4). Found by FuzzWinsock.
func TestJoinThatFails(t *testing.T) {
	w := winsocktest.NewCase(t, memoryPair(t))
	for _, test := range []struct {
		what  string
		typ   int32
		flags uint32
		want  wsa.Errno
	}{
		{"on a stream", wsa.SOCK_STREAM, 0, wsa.EOPNOTSUPP},
		{"without a group", wsa.SOCK_DGRAM, leaf, wsa.EADDRNOTAVAIL},
	} {
		c := w.C.OpenWith(test.typ, 0, test.flags)
		w.Want("WSPEventSelect", w.C.WSPEventSelect(c, sockets.CreateEvent(), wsa.FD_CONNECT), 0)
		_, e := w.C.WSPJoinLeaf(c, w.Any(), nil, nil, nil, nil, wsa.JL_BOTH)
		w.Want("WSPJoinLeaf "+test.what, e, test.want)
		var ne sockets.NetworkEvents
		w.Want("WSPEnumNetworkEvents", w.C.WSPEnumNetworkEvents(c, nil, &ne), 0)
		if ne.Events != 0 {
			t.Errorf("%s: events %#x, errors %v", test.what, uint32(ne.Events), ne.Errors)
		}
	}
}

// TestTransmitNothingOnNothing: a descriptor that is none is that first, whatever else
// is wrong (3.0). Found by FuzzWinsock.
func TestTransmitNothingOnNothing(t *testing.T) {
	w := winsocktest.NewCase(t, memoryPair(t))
	w.Want("TransmitFile", w.Pair.Client.TransmitFile(12345, nil, -1, 0, nil, nil, 0), wsa.ENOTSOCK)
}

// closing is a layer in which a socket is closed while it is being judged for the
// session that it is handed to.
type closing struct {
	close func()
	armed atomic.Bool
}

func (c *closing) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	name := next.WSPGetPeerName
	return provider.ProcTable{WSPGetPeerName: func(s *provider.Socket) (provider.Addr, wsa.Errno) {
		if c.armed.CompareAndSwap(true, false) {
			c.close()
		}
		return name(s)
	}}, 0
}

// TestHandOverOfWhatIsClosed: a socket that is closed, here
// by the end of its session, while its token is redeemed is a
// token of nothing, EINVAL (3.29), and no ENOTSOCK, which WSPSocket's table has not.
// Found by FuzzWinsock.
func TestHandOverOfWhatIsClosed(t *testing.T) {
	n := basetest.NewNetwork(basetest.NetworkConfig{})
	all, layer := new(sockets.Processes), new(closing)
	a := process(t, all, base.New(base.Config{Driver: n}), layer)
	b := process(t, all, base.New(base.Config{Driver: n}))
	here := netip.MustParseAddr("10.0.0.1")
	w := winsocktest.NewCase(t, winsocktest.Pair{Client: a, Server: b, ClientHost: here, ServerHost: here})
	c, _ := w.Connected()
	var info provider.ProtocolInfo
	w.Want("WSPDuplicateSocket", w.C.WSPDuplicateSocket(c, b.Process(), &info), 0)
	closed := make(chan error, 1)
	layer.close = func() {
		go func() { closed <- a.Close() }()
		for e := wsa.Errno(0); e == 0; runtime.Gosched() { // it has begun, and waits for this call
			_, e = a.Lookup(c)
		}
	}
	layer.armed.Store(true)
	_, e := w.S.WSPSocket(-1, -1, -1, &info, 0, 0)
	w.Want("WSPSocket", e, wsa.EINVAL)
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// TestCancelOfWhatStarts: CancelIoEx of an operation that another goroutine is
// starting finds it or does not, and the race detector nothing. Found by FuzzWinsock.
func TestCancelOfWhatStarts(t *testing.T) {
	w := winsocktest.NewCase(t, memoryPair(t))
	c, _ := w.Connected()
	for range 200 {
		o := &sockets.Overlapped{HEvent: sockets.CreateEvent()}
		started := make(chan wsa.Errno)
		go func() {
			flags := wsa.MsgFlags(0)
			started <- w.C.WSPRecv(c, [][]byte{make([]byte, 8)}, nil, &flags, o, nil, nil)
		}()
		first := w.Pair.Client.CancelIoEx(c, o)
		w.Want("WSPRecv", <-started, wsa.IO_PENDING)
		if first == wsa.EINVAL { // it was not there yet
			first = w.Pair.Client.CancelIoEx(c, o)
		}
		w.Want("CancelIoEx", first, 0)
		var n uint32
		var flags wsa.MsgFlags
		w.Want("WSPGetOverlappedResult", w.C.WSPGetOverlappedResult(c, o, &n, false, &flags), wsa.OPERATION_ABORTED)
	}
}

// starting is a layer that tells of each chain that it is being built into.
type starting struct{ begun chan struct{} }

func (s starting) Startup(*provider.StartupRequest, *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	s.begun <- struct{}{}
	return provider.ProcTable{}, 0
}

// TestHandOverWhileAChainIsBuilt: both are of one session, and the race detector finds
// nothing. Found by FuzzWinsock.
func TestHandOverWhileAChainIsBuilt(t *testing.T) {
	here := netip.MustParseAddr("10.0.0.1")
	for range 20 {
		n := basetest.NewNetwork(basetest.NetworkConfig{})
		all, layer := new(sockets.Processes), starting{make(chan struct{}, 1)}
		a := process(t, all, base.New(base.Config{Driver: n}))
		b := process(t, all, base.New(base.Config{Driver: n}), layer)
		w := winsocktest.NewCase(t, winsocktest.Pair{Client: a, Server: b, ClientHost: here, ServerHost: here})
		c, _ := w.Connected()
		<-layer.begun
		var info provider.ProtocolInfo
		w.Want("WSPDuplicateSocket", w.C.WSPDuplicateSocket(c, b.Process(), &info), 0)
		opened := make(chan wsa.Errno)
		go func() {
			_, e := w.S.WSPSocket(wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP, nil, 0, 0)
			opened <- e
		}()
		<-layer.begun
		_, e := w.S.WSPSocket(-1, -1, -1, &info, 0, 0)
		w.Want("WSPSocket by the token", e, 0)
		w.Want("WSPSocket", <-opened, 0)
	}
}
