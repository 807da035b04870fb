package socketstest_test

import (
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
