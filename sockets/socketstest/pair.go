package socketstest

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// A Network is what package net's Dialer and ListenConfig are together, and what
// a [sockets.Session] is.
type Network interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
	Listen(ctx context.Context, network, address string) (net.Listener, error)
	ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error)
}

var _ Network = (*sockets.Session)(nil)

// A Pair is two ends that reach each other; they may be one.
type Pair struct {
	Client, Server Network
	// Host is the server's address, without a port: what it listens on and the
	// client dials.
	Host string
}

// kernel is package net.
type kernel struct {
	net.Dialer
	net.ListenConfig
}

// Kernel is the host's own network, on loopback: the reference.
func Kernel(host string) Pair {
	k := new(kernel)
	return Pair{Client: k, Server: k, Host: host}
}

// Start begins a session with the catalog and ends it with the test, which
// fails if the session does not end well.
func Start(t testing.TB, c *provider.Catalog) *sockets.Session {
	t.Helper()
	s, err := sockets.Startup(sockets.Config{Catalog: c})
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

// Catalog is a catalog with the base, and over all of it a chain of the layers,
// if there are any, as the only way to it.
func Catalog(t testing.TB, b provider.Base, layers ...provider.Layer) *provider.Catalog {
	t.Helper()
	c := new(provider.Catalog)
	if _, err := c.InstallBase("base", b); err != nil {
		t.Fatal(err)
	}
	var ids []provider.CatalogID
	for _, l := range layers {
		id, err := c.InstallLayer("layer", l)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return c
	}
	if _, err := c.InstallMandatoryChain("chain", ids); err != nil {
		t.Fatal(err)
	}
	return c
}

// PassThrough is n layers that replace every entry by one that calls the storey
// below. That is the longest way an operation can take, unlike a layer that
// replaces nothing, over which the builder shows the entry below.
func PassThrough(n int) []provider.Layer {
	layers := make([]provider.Layer, n)
	for i := range layers {
		layers[i] = passThrough{}
	}
	return layers
}

type passThrough struct{}

// seen makes the slots part of the way: a layer that keeps state per socket.
type seen struct{}

func (passThrough) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	slot := provider.NewSlot[seen](r)
	n := *next
	t := provider.ProcTable{
		WSPSocket: func(q *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
			s, e := n.WSPSocket(q)
			if e == 0 {
				slot.Put(s, new(seen))
			}
			return s, e
		},
		WSPAccept: func(l *provider.Socket, q *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
			s, e := n.WSPAccept(l, q)
			if e == 0 {
				slot.Put(s, new(seen))
			}
			return s, e
		},
		WSPJoinLeaf: func(s *provider.Socket, q *provider.JoinRequest) (*provider.Socket, wsa.Errno) {
			return n.WSPJoinLeaf(s, q)
		},
	}
	passControl(&t, &n)
	passData(&t, &n)
	return t, 0
}

func passControl(t, n *provider.ProcTable) {
	t.WSPCloseSocket = func(s *provider.Socket, m provider.CloseMode) wsa.Errno { return n.WSPCloseSocket(s, m) }
	t.WSPBind = func(s *provider.Socket, a provider.Addr) wsa.Errno { return n.WSPBind(s, a) }
	t.WSPConnect = func(s *provider.Socket, q *provider.ConnectRequest) wsa.Errno { return n.WSPConnect(s, q) }
	t.WSPListen = func(s *provider.Socket, backlog int) wsa.Errno { return n.WSPListen(s, backlog) }
	t.WSPGetSockName = func(s *provider.Socket) (provider.Addr, wsa.Errno) { return n.WSPGetSockName(s) }
	t.WSPGetPeerName = func(s *provider.Socket) (provider.Addr, wsa.Errno) { return n.WSPGetPeerName(s) }
	t.WSPShutdown = func(s *provider.Socket, how int) wsa.Errno { return n.WSPShutdown(s, how) }
	t.WSPGetSockOpt = func(s *provider.Socket, level, name int32, out []byte) (int, wsa.Errno) {
		return n.WSPGetSockOpt(s, level, name, out)
	}
	t.WSPSetSockOpt = func(s *provider.Socket, level, name int32, in []byte) wsa.Errno {
		return n.WSPSetSockOpt(s, level, name, in)
	}
	t.WSPIoctl = func(s *provider.Socket, q *provider.IoctlRequest) (int, wsa.Errno) { return n.WSPIoctl(s, q) }
}

func passData(t, n *provider.ProcTable) {
	t.WSPRecv = func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return n.WSPRecv(s, m) }
	t.WSPRecvFrom = func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return n.WSPRecvFrom(s, m) }
	t.WSPSend = func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return n.WSPSend(s, m) }
	t.WSPSendTo = func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return n.WSPSendTo(s, m) }
	t.Ready = func(s *provider.Socket, mask wsa.Events) provider.Readiness { return n.Ready(s, mask) }
	t.Watch = func(s *provider.Socket, w provider.Watcher, mask wsa.Events) { n.Watch(s, w, mask) }
}

// patience bounds what should take no time at all; a probe that waits as long hangs.
const patience = 10 * time.Second
