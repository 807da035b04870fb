package shape_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A total is moved to its last byte; then the socket fails, and new ones are refused.
func TestTotal(t *testing.T) {
	rig := providertest.Build(t, ample(1<<20), wsa.IPPROTO_TCP, layer(t, "total=1500"))
	s, tab := open(t, rig.Chain, "192.0.2.1:80"), &rig.Chain.Table
	m := &provider.Msg{Buffers: [][]byte{make([]byte, 1000)}}
	for _, want := range []int{1000, 500} {
		if n, e := tab.WSPSend(s, m); n != want || e != 0 {
			t.Errorf("%d, %v, want %d", n, e, want)
		}
	}
	if n, e := tab.WSPRecv(s, m); n != 0 || e != wsa.EDQUOT || s.Failed() != wsa.EDQUOT {
		t.Errorf("%d, %v; failed with %v", n, e, s.Failed())
	}
	n := rig.Socket(t)
	defer tab.WSPCloseSocket(n, provider.CloseAbort)
	if e := tab.WSPConnect(n, to("192.0.2.1:80")); e != wsa.EDQUOT {
		t.Errorf("a new one: %v", e)
	}
}

// The end of a stream is told though nothing may move any more.
func TestTotalEnd(t *testing.T) {
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, layer(t, "total=10"))
	s, tab := open(t, rig.Chain, "192.0.2.1:80"), &rig.Chain.Table
	providertest.Inject(s, make([]byte, 10))
	providertest.InjectEOF(s)
	m := &provider.Msg{Buffers: [][]byte{make([]byte, 100)}}
	for _, want := range []int{10, 0} {
		if n, e := tab.WSPRecv(s, m); n != want || e != 0 {
			t.Errorf("%d, %v, want %d", n, e, want)
		}
	}
}

// A receive that waits goes on when a send to somewhere else has changed what it waits for.
func TestRebind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_UDP, layer(t, "*:80: down=1B/s,burst=100"))
		s, tab := open(t, rig.Chain, "192.0.2.1:80"), &rig.Chain.Table
		b := make(bell, 1)
		tab.Watch(s, b, wsa.FD_READ)
		providertest.Inject(s, make([]byte, 200)) // the second waits an hour, as this one takes more than there is
		providertest.Inject(s, make([]byte, 200))
		<-b
		m := &provider.Msg{Buffers: [][]byte{make([]byte, 500)}}
		for i, want := range []wsa.Errno{0, wsa.EWOULDBLOCK} {
			if n, e := tab.WSPRecvFrom(s, m); e != want {
				t.Fatalf("receive %d: %d, %v", i, n, e)
			}
		}
		out := &provider.Msg{Buffers: [][]byte{make([]byte, 10)}, Addr: to("192.0.2.1:81").To}
		if n, e := tab.WSPSendTo(s, out); n != 10 || e != 0 {
			t.Fatal(n, e)
		}
		start := time.Now()
		<-b
		if n, e := tab.WSPRecvFrom(s, m); n != 200 || e != 0 || time.Since(start) > time.Second {
			t.Errorf("%d, %v after %v", n, e, time.Since(start))
		}
	})
}

// So many sockets at once, of each key; who closes makes room.
func TestSockets(t *testing.T) {
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, layer(t, "sockets=2,per=destination"))
	tab := &rig.Chain.Table
	first := rig.Socket(t)
	tab.WSPConnect(first, to("192.0.2.1:80"))
	open(t, rig.Chain, "192.0.2.1:81")
	open(t, rig.Chain, "192.0.2.2:80")
	s := rig.Socket(t)
	defer tab.WSPCloseSocket(s, provider.CloseAbort)
	if e := tab.WSPConnect(s, to("192.0.2.1:80")); e != wsa.EMFILE {
		t.Errorf("the third: %v", e)
	}
	for i, want := range []wsa.Errno{0, 0, wsa.ECONNREFUSED} { // from nobody: another key
		n, e := tab.WSPAccept(s, &provider.AcceptRequest{})
		if e != want {
			t.Errorf("accept %d: %v", i, e)
		}
		if e == 0 {
			defer tab.WSPCloseSocket(n, provider.CloseAbort)
		}
	}
	if n := len(rig.Base.Calls("WSPCloseSocket")); n != 1 {
		t.Errorf("%d closed: the one that was refused is", n)
	}
	tab.WSPCloseSocket(first, provider.CloseAbort)
	if e := tab.WSPConnect(s, to("192.0.2.1:80")); e != 0 {
		t.Errorf("after a close: %v", e)
	}
}
