package socketstest_test

import (
	"testing"
	"testing/synctest"
	"time"

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

// TestJoinThatDidNotBegin: the code of a WSPJoinLeaf that fails for its socket is the
// call's, and no FD_CONNECT, whose list has no such (6.4). Found by FuzzWinsock.
func TestJoinThatDidNotBegin(t *testing.T) {
	w := winsocktest.NewCase(t, memoryPair(t))
	c := w.C.TCP()
	w.Want("WSPEventSelect", w.C.WSPEventSelect(c, sockets.CreateEvent(), wsa.FD_ALL_EVENTS), 0)
	_, e := w.C.WSPJoinLeaf(c, winsocktest.Name(w.Pair.ServerHost, 9), nil, nil, nil, nil, wsa.JL_BOTH)
	w.Want("WSPJoinLeaf on a stream", e, wsa.EOPNOTSUPP)
	var ne sockets.NetworkEvents
	w.Want("WSPEnumNetworkEvents", w.C.WSPEnumNetworkEvents(c, nil, &ne), 0)
	if ne.Events != 0 {
		t.Errorf("events %#x, errors %v", uint32(ne.Events), ne.Errors)
	}
}
