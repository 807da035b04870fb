package netstack_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// TestWakes: State is asked in every wake and from outside at once, while
// connections end in all ways. Every end is told, under its cause, without
// another look than after a wake; nothing locks up, and no wake follows Close.
func TestWakes(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	l, at := listener(t, n.b, stacktest.B4, 100)
	ends := []struct {
		name string
		end  func(b *sock)
		want func(base.State) bool
	}{
		{"reset", func(b *sock) { b.close(true) }, func(s base.State) bool { return s.Err == wsa.ECONNRESET && s.Phase == base.Dead }},
		{"fin", func(b *sock) { b.Shutdown() }, func(s base.State) bool { return s.PeerClosed && !s.Readable }},
		{"data and fin", func(b *sock) { b.Send(text("x")); b.Shutdown() }, func(s base.State) bool { return s.PeerClosed && s.Readable }},
		// With our own FIN acknowledged before, there is nothing left to reset.
		{"fin and reset", func(b *sock) { b.Shutdown(); b.close(true) }, func(s base.State) bool {
			return s.Err == wsa.ECONNRESET && s.Phase == base.Dead || s.PeerClosed && s.Drained
		}},
	}
	for round := range 40 {
		var wg sync.WaitGroup
		var all [][2]*sock
		for range len(ends) {
			a := stream(t, n.a, wsa.AF_INET)
			a.fails("connect", a.Connect(at), wsa.EWOULDBLOCK)
			all = append(all, [2]*sock{a, l.accept()})
		}
		byPort := map[uint16]*sock{}
		for _, p := range all {
			peer, _ := p[1].PeerAddr()
			byPort[peer.Port()] = p[1]
		}
		for i, end := range ends {
			a := all[i][0]
			a.await("connected", connected)
			mine, _ := a.LocalAddr()
			b := byPort[mine.Port()]
			if round%2 == 1 { // our own FIN first
				a.must("shutdown", a.Shutdown())
			}
			wg.Go(func() { end.end(b) })
			stop := make(chan struct{})
			wg.Go(func() { // a worker that asks while wakes run
				for {
					select {
					case <-stop:
						return
					default:
						a.State()
					}
				}
			})
			wg.Go(func() {
				defer close(stop)
				a.await(fmt.Sprintf("ended by %s, round %d", end.name, round), end.want)
			})
		}
		wg.Wait()
		for _, p := range all {
			p[0].close(round%3 == 0)
			p[1].close(round%3 != 0)
		}
	}
	l.close(false)
}

// TestStateBesideWake asks State while a wake runs, with the endpoint's lock held
// in the case of FIN. It does not block, sees nothing of the end yet, and is
// told again.
func TestStateBesideWake(t *testing.T) {
	for name, end := range map[string]struct {
		end  func(b *sock)
		want func(base.State) bool
	}{
		"fin":   {func(b *sock) { b.Shutdown() }, peerClosed},
		"reset": {func(b *sock) { b.close(true) }, dead},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNet(t, stacktest.PairConfig{})
			l, at := listener(t, n.b, stacktest.B4, 5)
			a, e := n.a.Open(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
			if e != 0 {
				t.Fatal(e.Name())
			}
			var armed atomic.Bool
			inside, looked, again := make(chan struct{}), make(chan struct{}), make(chan struct{}, 1)
			a.Watch(func(wsa.Events) {
				if armed.CompareAndSwap(true, false) {
					inside <- struct{}{}
					<-looked
					return
				}
				select {
				case again <- struct{}{}:
				default:
				}
			})
			defer a.Close(true)
			a.Connect(at)
			b := l.accept()
			<-again // connected
			armed.Store(true)
			end.end(b)
			<-inside
			if st := a.State(); end.want(st) || st.Phase != base.Connected {
				t.Errorf("beside the wake: %+v", st)
			}
			close(looked)
			select {
			case <-again:
			case <-time.After(patience):
				t.Fatal("not woken again")
			}
			if st := a.State(); !end.want(st) {
				t.Errorf("after the second wake: %+v", st)
			}
		})
	}
}

// TestCloseAmidData closes while data flows both ways.
func TestCloseAmidData(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	for round := range 30 {
		a, b := n.connection(t, families[round%2])
		over := func(e wsa.Errno) bool { return e != 0 && e != wsa.EWOULDBLOCK }
		var wg sync.WaitGroup
		wg.Go(func() { // sends and receives until a is gone
			out, in := msg(make([]byte, 10000)), msg(make([]byte, 10000))
			for {
				_, e1 := b.Send(out)
				k, e2 := b.Recv(in)
				if over(e1) || over(e2) || k == 0 && e2 == 0 {
					return
				}
				runtime.Gosched()
			}
		})
		a.sendAll(make([]byte, 10000*round))
		a.recvAll(1) // unread bytes are left: a reset either way
		a.close(round%2 == 0)
		wg.Wait()
		b.close(true)
	}
}

// TestStackClosed: endpoints of a stack that is gone say so.
func TestStackClosed(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	a, _ := n.connection(t, families[0])
	u := udp(t, n.a, wsa.AF_INET)
	u.bind(stacktest.A4, 0)
	n.A.Close()
	a.wantDead(wsa.ENETDOWN)
	u.await("readable", readable)
	_, e := u.Recv(msg(make([]byte, 1)))
	u.fails("recv", e, wsa.ENETDOWN)
	if _, e := n.a.Open(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP); e != wsa.ENETDOWN {
		t.Errorf("open: %s", e.Name())
	}
}

func TestOpenErrors(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	if _, e := n.a.Open(1, wsa.SOCK_STREAM, wsa.IPPROTO_TCP); e != wsa.EAFNOSUPPORT {
		t.Errorf("unix: %s", e.Name())
	}
	if _, e := n.a.Open(wsa.AF_INET, wsa.SOCK_DGRAM, 99); e != wsa.EPROTONOSUPPORT {
		t.Errorf("protocol 99: %s", e.Name())
	}
}

// TestDeviceGoneEndsStreams: connections over a link that is gone say so at once, and
// not when what they send has been tried for a quarter of an hour. Others live.
func TestDeviceGoneEndsStreams(t *testing.T) {
	for _, family := range families {
		n := newNet(t, stacktest.PairConfig{})
		idle, _ := n.connection(t, family)
		busy, _ := n.connection(t, family)
		for e := wsa.Errno(0); e == 0; {
			_, e = busy.Send(msg(make([]byte, 10000)))
		}
		l := stream(t, n.a, wsa.AF_INET)
		at := l.bind(netip.MustParseAddr("127.0.0.1"), 0)
		l.must("listen", l.Listen(1))
		inside := stream(t, n.a, wsa.AF_INET)
		if e := inside.Connect(at); e != 0 && e != wsa.EWOULDBLOCK {
			t.Fatal(e.Name())
		}
		inside.await("connected", connected)
		n.Cable.A.Set(stacktest.Gone)
		idle.wantDead(wsa.ENETDOWN)
		busy.wantDead(wsa.ENETDOWN)
		if s := inside.State(); s.Phase != base.Connected {
			t.Errorf("a connection to ourselves: %+v", s)
		}
	}
}

// TestDeviceGone: with the only link away there is no network, rather than no route.
func TestDeviceGone(t *testing.T) {
	n := newNet(t, stacktest.PairConfig{})
	n.Cable.A.Set(stacktest.Gone)
	<-n.NA.Done()
	deadline := time.Now().Add(5 * time.Second)
	for n.A.TCPIP().CheckNIC(n.NA.ID()) && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	s, e := n.a.Open(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	if e != 0 {
		t.Fatal(e.Name())
	}
	defer s.Close(true)
	s.Watch(func(wsa.Events) {})
	if e := s.Connect(provider.AddrFrom(netip.AddrPortFrom(stacktest.B4, 80))); e != wsa.ENETDOWN {
		t.Errorf("connect: %s, want WSAENETDOWN", e.Name())
	}
}
