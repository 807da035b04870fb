package socketstest_test

import (
	"sync"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/winsocktest"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// handOver gives the first sandbox's socket to the second.
func handOver(first, second *winsocktest.Case, c sockets.SOCKET) sockets.SOCKET {
	first.Helper()
	var info provider.ProtocolInfo
	first.Want("duplicate", first.C.WSPDuplicateSocket(c, second.C.Session.Process(), &info), 0)
	h, e := second.C.WSPSocket(-1, -1, -1, &info, 0, 0)
	first.Want("socket by the token", e, 0)
	return h
}

// returns ends the test if f does not return.
func returns(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { f(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s does not return", what)
	}
}

// TestHandOverAndLeave: the giver closes its descriptor, which is what a hand-over
// is for, and ends. The connection is the receiver's, and the giver need not wait.
func TestHandOverAndLeave(t *testing.T) {
	first, second, _ := sandboxes(t)
	c, s := first.Connected()
	h := handOver(first, second, c)
	first.Want("close the giver's", first.C.WSPCloseSocket(c), 0)
	returns(t, "Close of the giver's session", func() {
		if err := first.Pair.Client.Close(); err != nil {
			t.Error(err)
		}
	})
	second.C.Send(h, "still here")
	if got := first.S.Read(s, 10); got != "still here" {
		t.Errorf("%q", got)
	}
	first.Want("close", second.C.WSPCloseSocket(h), 0)
}

// TestAcceptedElsewhere: a connection accepted by the receiver of a listener is the
// receiver's, and outlives the giver's session.
func TestAcceptedElsewhere(t *testing.T) {
	first, second, _ := sandboxes(t)
	l, at := first.C.Listen()
	m := handOver(first, second, l)
	far := first.S.TCP()
	first.Want("WSPConnect", first.S.Connect(far, at), 0)
	s, e := second.C.WSPAccept(m, nil, nil, nil, nil)
	first.Want("WSPAccept", e, 0)
	returns(t, "Close of the giver's session", func() {
		if err := first.Pair.Client.Close(); err != nil {
			t.Error(err)
		}
	})
	second.C.Send(s, "still here")
	if got := first.S.Read(far, 10); got != "still here" {
		t.Errorf("%q", got)
	}
	first.Want("close", second.C.WSPCloseSocket(s), 0)
	first.Want("close", second.C.WSPCloseSocket(m), 0)
}

// TestCloseTwice: of two closes of one descriptor one is refused; neither takes the
// socket's other descriptor.
func TestCloseTwice(t *testing.T) {
	first, second, _ := sandboxes(t)
	c, s := first.Connected()
	keep := handOver(first, second, c)
	for range 200 {
		h := handOver(first, second, c)
		var answers [2]wsa.Errno
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = second.C.WSPCloseSocket(h) })
		}
		wg.Wait()
		if answers != [2]wsa.Errno{0, wsa.ENOTSOCK} && answers != [2]wsa.Errno{wsa.ENOTSOCK, 0} {
			t.Fatalf("two closes: %v", answers)
		}
	}
	first.Want("close the giver's", first.C.WSPCloseSocket(c), 0)
	for range 200 { // with two descriptors left, as with more
		h := handOver(second, second, keep)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { second.C.WSPCloseSocket(h) })
		}
		wg.Wait()
		second.C.Send(keep, "x")
		first.S.Read(s, 1)
	}
}

// TestHandOverAsItCloses: a socket that is closed while it is handed over is either
// the receiver's, and lives, or is not handed over.
func TestHandOverAsItCloses(t *testing.T) {
	first, second, b := sandboxes(t)
	for range 50 {
		c, s := first.Connected()
		var info provider.ProtocolInfo
		first.Want("duplicate", first.C.WSPDuplicateSocket(c, b.Process(), &info), 0)
		var wg sync.WaitGroup
		wg.Go(func() { first.C.WSPCloseSocket(c) })
		h, e := second.C.WSPSocket(-1, -1, -1, &info, 0, 0)
		wg.Wait()
		if e == 0 {
			second.C.Send(h, "mine")
			if got := first.S.Read(s, 4); got != "mine" {
				t.Fatalf("%q", got)
			}
			first.Want("close", second.C.WSPCloseSocket(h), 0)
		}
		first.Want("close the far end", first.S.WSPCloseSocket(s), 0)
	}
}

// TestHandOverToOneThatEnds: who becomes the owner of a socket just as its session
// ends does not take it away from a third.
func TestHandOverToOneThatEnds(t *testing.T) {
	p := stacktest.NewPair(t, stacktest.PairConfig{})
	all := new(sockets.Processes)
	near, far := netstack.New(netstack.Config{Stack: p.A}), netstack.New(netstack.Config{Stack: p.B})
	t.Cleanup(near.Close)
	t.Cleanup(far.Close)
	server := process(t, all, base.New(base.Config{Driver: far}))
	sandbox := func() *winsocktest.Case {
		return winsocktest.NewCase(t, winsocktest.Pair{
			Client: process(t, all, base.New(base.Config{Driver: near})), Server: server,
			ClientHost: stacktest.A4, ServerHost: stacktest.B4,
		})
	}
	for range 20 {
		first, second, third := sandbox(), sandbox(), sandbox()
		c, s := first.Connected()
		handOver(first, second, c)
		h := handOver(first, third, c)
		var wg sync.WaitGroup
		wg.Go(func() { first.C.WSPCloseSocket(c) })
		wg.Go(func() { second.C.Session.Close() })
		wg.Wait()
		third.C.Send(h, "mine")
		if got := first.S.Read(s, 4); got != "mine" {
			t.Fatalf("%q", got)
		}
		first.Want("close", third.C.WSPCloseSocket(h), 0)
		first.Want("close the far end", first.S.WSPCloseSocket(s), 0)
	}
}
