package kit_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// TestWinsockUnderALayer: what a program is told that reaches the layer and not what is
// below. The whole suite is run in socketstest.
func TestWinsockUnderALayer(t *testing.T) {
	s, err := sockets.Startup(sockets.Config{Catalog: catalog(t, relay(0))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := s.ProcTable()
	is := func(what string, got, want wsa.Errno) {
		t.Helper()
		if got != want {
			t.Fatalf("%s: %v, want %v", what, got, want)
		}
	}
	open := func() sockets.SOCKET {
		t.Helper()
		k, e := w.WSPSocket(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, 0)
		is("WSPSocket", e, 0)
		return k
	}
	l, c := open(), open()
	at := provider.AppendSockaddr(nil, provider.AddrFrom(netipAP("127.0.0.1:80")))
	is("WSPBind", w.WSPBind(l, at), 0)
	is("WSPListen", w.WSPListen(l, 5), 0)
	is("WSPConnect", w.WSPConnect(c, at, nil, nil, nil, nil), 0)
	a, e := w.WSPAccept(l, nil, nil, nil, nil)
	is("WSPAccept", e, 0)

	var n uint32
	is("MSG_PARTIAL", w.WSPSend(a, [][]byte{{1}}, &n, wsa.MSG_PARTIAL, nil, nil, nil), wsa.EOPNOTSUPP)
	is("MSG_OOB", w.WSPSend(a, [][]byte{{1}}, &n, wsa.MSG_OOB, nil, nil, nil), wsa.EOPNOTSUPP)
	is("SIO_REUSE_SOCKET", w.WSPIoctl(a, wsa.SIO_REUSE_SOCKET, nil, nil, &n, nil, nil, nil), wsa.EOPNOTSUPP)

	is("SO_LINGER 0", w.WSPSetSockOpt(c, wsa.SOL_SOCKET, wsa.SO_LINGER, []byte{1, 0, 0, 0}), 0)
	is("reset", w.WSPCloseSocket(c), 0)
	var flags wsa.MsgFlags
	is("WSPRecv", w.WSPRecv(a, [][]byte{make([]byte, 1)}, &n, &flags, nil, nil, nil), wsa.ECONNRESET)
	is("WSPShutdown", w.WSPShutdown(a, wsa.SD_SEND), wsa.ECONNRESET)
	is("DisconnectEx, which waits for nothing more", s.DisconnectEx(a, nil, 0, 0), wsa.ECONNRESET)
}
