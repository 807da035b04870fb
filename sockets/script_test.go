package sockets_test

import (
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/socketstest"
)

func TestMain(m *testing.M) { providertest.Main(m) }

// script is a base whose operations all succeed at once and move what they are
// given. A test replaces the entries that it is about before the first socket.
type script struct {
	families []int32 // default both
	table    provider.ProcTable
	startup  func() wsa.Errno

	starts, cleanups atomic.Int32
	mu               sync.Mutex
	requests         []provider.SocketRequest
	closes           []provider.CloseMode
}

func (b *script) Entries() []provider.ProtocolInfo {
	var all []provider.ProtocolInfo
	families := b.families
	if families == nil {
		families = []int32{wsa.AF_INET, wsa.AF_INET6}
	}
	for _, af := range families {
		all = append(all,
			provider.ProtocolInfo{Version: 2, AddressFamily: af, SocketType: wsa.SOCK_STREAM, Protocol: wsa.IPPROTO_TCP, Name: "tcp"},
			provider.ProtocolInfo{Version: 2, AddressFamily: af, SocketType: wsa.SOCK_DGRAM, Protocol: wsa.IPPROTO_UDP, Name: "udp", ServiceFlags1: wsa.XP1_MESSAGE_ORIENTED})
	}
	return all
}

var peer = provider.AddrFrom(netip.MustParseAddrPort("192.0.2.9:9"))

func (b *script) Startup(r *provider.StartupRequest) (provider.ProcTable, wsa.Errno) {
	b.starts.Add(1)
	if b.startup != nil {
		if e := b.startup(); e != 0 {
			return provider.ProcTable{}, e
		}
	}
	var t provider.ProcTable
	entry := r.Info.CatalogEntryID
	t.WSPSocket = func(q *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
		b.mu.Lock()
		b.requests = append(b.requests, *q)
		b.mu.Unlock()
		return b.open(r.Upcalls, entry, q)
	}
	t.WSPAccept = func(*provider.Socket, *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
		return nil, wsa.EWOULDBLOCK
	}
	t.WSPJoinLeaf = func(*provider.Socket, *provider.JoinRequest) (*provider.Socket, wsa.Errno) {
		return nil, wsa.EOPNOTSUPP
	}
	t.WSPDuplicateSocket = func(*provider.Socket, uint32) (*provider.ProtocolInfo, wsa.Errno) { return nil, wsa.EOPNOTSUPP }
	t.WSPCloseSocket = func(_ *provider.Socket, m provider.CloseMode) wsa.Errno {
		b.mu.Lock()
		b.closes = append(b.closes, m)
		b.mu.Unlock()
		return 0
	}
	t.WSPCleanup = func() wsa.Errno { b.cleanups.Add(1); return 0 }
	t.WSPBind = func(*provider.Socket, provider.Addr) wsa.Errno { return 0 }
	t.WSPConnect = func(*provider.Socket, *provider.ConnectRequest) wsa.Errno { return 0 }
	t.WSPListen = func(*provider.Socket, int) wsa.Errno { return 0 }
	t.WSPGetSockName = func(s *provider.Socket) (provider.Addr, wsa.Errno) { return provider.Any(s.Family, 7), 0 }
	t.WSPGetPeerName = func(*provider.Socket) (provider.Addr, wsa.Errno) { return peer, 0 }
	t.WSPAddressToString = func(a provider.Addr, _ *provider.ProtocolInfo) (string, wsa.Errno) { return a.String(), 0 }
	t.WSPStringToAddress = func(string, int32, *provider.ProtocolInfo) (provider.Addr, wsa.Errno) {
		return provider.Addr{}, wsa.EINVAL
	}
	t.WSPRecv = movesAll
	t.WSPRecvFrom = func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) { m.Addr = peer; return movesAll(s, m) }
	t.WSPSend = movesAll
	t.WSPSendTo = movesAll
	t.WSPShutdown = func(*provider.Socket, int) wsa.Errno { return 0 }
	t.WSPGetSockOpt = func(*provider.Socket, int32, int32, []byte) (int, wsa.Errno) { return 0, wsa.ENOPROTOOPT }
	t.WSPSetSockOpt = func(*provider.Socket, int32, int32, []byte) wsa.Errno { return 0 }
	t.WSPIoctl = func(*provider.Socket, *provider.IoctlRequest) (int, wsa.Errno) { return 0, 0 }
	t.Ready = func(_ *provider.Socket, mask wsa.Events) provider.Readiness { return provider.Readiness{Events: mask} }
	t.Watch = (*provider.Socket).SetWatch
	scripted(&t, &b.table)
	return t, 0
}

func (b *script) open(up *provider.Upcalls, entry provider.CatalogID, q *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
	s, e := up.CreateSocketHandle(entry, b)
	if e == 0 {
		s.Family, s.Type, s.Protocol = q.AF, q.Type, q.Protocol
	}
	return s, e
}

// scripted puts the entries that a test gave over the default ones.
func scripted(t, given *provider.ProcTable) {
	to, from := reflect.ValueOf(t).Elem(), reflect.ValueOf(given).Elem()
	for i := range to.NumField() {
		if !from.Field(i).IsNil() {
			to.Field(i).Set(from.Field(i))
		}
	}
}

// closed is how the sockets were closed so far.
func (b *script) closed() []provider.CloseMode {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]provider.CloseMode(nil), b.closes...)
}

func (b *script) asked() []provider.SocketRequest {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]provider.SocketRequest(nil), b.requests...)
}

func movesAll(_ *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return m.Len(), 0 }

// start begins a session over b with pass-through layers.
func start(t testing.TB, b *script, layers ...provider.Layer) *sockets.Session {
	t.Helper()
	return socketstest.Start(t, socketstest.Catalog(t, b, layers...))
}

func dial(t testing.TB, s *sockets.Session) *sockets.TCPConn {
	t.Helper()
	c, err := s.DialContext(t.Context(), "tcp", "192.0.2.9:9")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*sockets.TCPConn)
}
