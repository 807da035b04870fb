package socketstest_test

import (
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/winsocktest"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// TestRetryIsNotTheCallers: MSG_PENDED says that a datagram was judged when it was
// issued (law 7). It is the engine's to say, not the program's.
func TestRetryIsNotTheCallers(t *testing.T) {
	_, second, _ := sandboxes(t, denying{stacktest.B4})
	h := second.C.UDP()
	to := winsocktest.Name(stacktest.B4, 9)
	data := [][]byte{[]byte("past the policy")}
	var n uint32
	for _, flags := range []wsa.MsgFlags{0, wsa.MSG_PENDED} {
		e := second.C.WSPSendTo(h, data, &n, flags, to, nil, nil, nil)
		second.Want("WSPSendTo", e, wsa.ECONNREFUSED)
		e = second.C.WSPSendTo(h, data, nil, flags, to, new(sockets.Overlapped), nil, nil)
		second.Want("WSPSendTo, overlapped", e, wsa.ECONNREFUSED)
		e = second.C.Session.WSASendMsg(h, &sockets.WSAMSG{Name: to, Buffers: data}, flags, &n, nil, nil)
		second.Want("WSASendMsg", e, wsa.ECONNREFUSED)
	}
}

// TestHandedOverBaseHandle: SIO_BASE_HANDLE is denied on a mandatory chain also where
// the catalog does not know that chain.
func TestHandedOverBaseHandle(t *testing.T) {
	first, second, _ := sandboxes(t)
	c, _ := first.Connected()
	h := handOver(first, second, c)
	for _, end := range []struct {
		of *winsocktest.End
		h  sockets.SOCKET
	}{{first.C, c}, {second.C, h}} {
		var n uint32
		e := end.of.WSPIoctl(end.h, wsa.SIO_BASE_HANDLE, nil, make([]byte, 8), &n, nil, nil, nil)
		first.Want("SIO_BASE_HANDLE", e, wsa.EACCES)
	}
}

// TestHandedOverForItsPeer: what was admitted for its peer cannot be made a socket
// that connects anywhere, past the layers that admitted it.
func TestHandedOverForItsPeer(t *testing.T) {
	first, second, _ := sandboxes(t, denying{netip.MustParseAddr("192.0.2.1")})
	c, s := first.Connected()
	h := handOver(first, second, c)
	first.Want("close the far end", first.S.WSPCloseSocket(s), 0)
	second.C.Await(h, wsa.FD_CLOSE)
	first.Want("DisconnectEx by the receiver", second.C.Session.DisconnectEx(h, nil, sockets.TF_REUSE_SOCKET, 0), wsa.EACCES)
	first.Want("DisconnectEx by the giver", first.C.Session.DisconnectEx(c, nil, sockets.TF_REUSE_SOCKET, 0), wsa.EACCES)
	var n uint32
	first.Want("SIO_REUSE_SOCKET", second.C.WSPIoctl(h, wsa.SIO_REUSE_SOCKET, nil, nil, &n, nil, nil, nil), wsa.EACCES)
	first.Want("WSPConnect", second.C.Connect(h, winsocktest.Name(netip.MustParseAddr("192.0.2.1"), 9)), wsa.EISCONN)
}
