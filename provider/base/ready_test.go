package base_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestStreamReady: the level of winsock-spi 6.4 and 12.4, 12.9 by raw state.
func TestStreamReady(t *testing.T) {
	const (
		R, W, A, C, X = wsa.FD_READ, wsa.FD_WRITE, wsa.FD_ACCEPT, wsa.FD_CONNECT, wsa.FD_CLOSE
		drained       = wsa.EvDrained
	)
	for _, c := range []struct {
		name, state string
		raw         base.State
		queued      int
		want        provider.Readiness
	}{
		{"an idle stream is nothing (12.9)", "fresh", base.State{Writable: true, PeerClosed: true}, 5, provider.Readiness{Events: drained}},
		{"a bound one too (12.2)", "bound", base.State{Writable: true}, 0, provider.Readiness{Events: drained}},
		{"listening, nobody", "listening", base.State{Phase: base.Listening, Writable: true, Readable: true}, 0, provider.Readiness{}},
		{"listening, somebody", "listening", base.State{Phase: base.Listening, Acceptable: true}, 0, provider.Readiness{Events: A}},
		{"connecting", "connecting", base.State{Phase: base.Connecting, Writable: true}, 0, provider.Readiness{Events: drained}},
		{"refused: exceptfds alone (12.4)", "connecting", dead(wsa.ECONNREFUSED), 0, provider.Readiness{Events: C | drained, Connect: wsa.ECONNREFUSED}},
		{"unreachable", "connecting", dead(wsa.ENETUNREACH), 0, provider.Readiness{Events: C | drained, Connect: wsa.ENETUNREACH}},
		{"connected, idle", "connected", established, 0, provider.Readiness{Events: W | C}},
		{"no space", "connected", base.State{Phase: base.Connected}, 0, provider.Readiness{Events: C}},
		{"data", "connected", base.State{Phase: base.Connected, Readable: true}, 42, provider.Readiness{Events: R | C, Queued: 42}},
		{"data, then FIN (12.7)", "connected", base.State{Phase: base.Connected, Readable: true, PeerClosed: true}, 2, provider.Readiness{Events: R | C | X, Queued: 2}},
		{"FIN: not FD_READ", "connected", base.State{Phase: base.Connected, PeerClosed: true, Writable: true}, 0, provider.Readiness{Events: W | C | X}},
		{"drained", "connected", base.State{Phase: base.Connected, Drained: true}, 0, provider.Readiness{Events: C | drained}},
		{"reset", "connected", dead(wsa.ECONNRESET), 0, provider.Readiness{Events: W | C | X | drained, Close: wsa.ECONNABORTED}},
		{"timed out", "connected", dead(wsa.ETIMEDOUT), 0, provider.Readiness{Events: W | C | X | drained, Close: wsa.ECONNABORTED}},
		{"network down", "connected", dead(wsa.ENETDOWN), 0, provider.Readiness{Events: W | C | X | drained, Close: wsa.ENETDOWN}},
		{"dead without a reason", "connected", base.State{Phase: base.Dead}, 0, provider.Readiness{Events: W | C | X | drained, Close: wsa.ECONNABORTED}},
		{"own SD_RECEIVE hides data", "SD_RECEIVE", base.State{Phase: base.Connected, Readable: true}, 7, provider.Readiness{Events: C, Queued: 7}},
		{"own SD_SEND: a send would not wait", "SD_SEND", base.State{Phase: base.Connected}, 0, provider.Readiness{Events: W | C}},
		{"failed by a layer", "failed", established, 0, provider.Readiness{Events: R | W | A | C | X | drained | wsa.EvError, Connect: wsa.EACCES, Close: wsa.EACCES, Soft: wsa.EACCES}},
	} {
		t.Run(c.name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, layers ...provider.Layer) {
				d := basetest.NewScript()
				r := newRig(t, d, layers...)
				s := states[c.state](r, d)
				d.Last().Set(c.raw)
				d.Last().SetQueued(c.queued)
				if got := r.ready(s); got != c.want {
					t.Errorf("got  %+v\nwant %+v", got, c.want)
				}
				if got := r.table(s).Ready(s, wsa.FD_OOB); got.Events != 0 {
					t.Errorf("the mask was not applied: %+v", got)
				}
			})
		})
	}
}

// TestDatagramReady: an unbound socket is writable (12.4), and readable only when bound.
func TestDatagramReady(t *testing.T) {
	const R, W, drained = wsa.FD_READ, wsa.FD_WRITE, wsa.EvDrained
	full := base.State{Readable: true, Writable: true, Soft: true}
	for _, c := range []struct {
		name  string
		bound bool
		how   int
		raw   base.State
		want  provider.Readiness
	}{
		{"unbound", false, -1, full, provider.Readiness{Events: W | drained}},
		{"bound, idle", true, -1, base.State{Writable: true}, provider.Readiness{Events: W | drained}},
		{"bound, full", true, -1, full, provider.Readiness{Events: R | W | drained | wsa.EvError, Soft: wsa.ECONNRESET, Queued: 3}},
		{"no space", true, -1, base.State{Readable: true}, provider.Readiness{Events: R | drained, Queued: 3}},
		{"SD_RECEIVE", true, wsa.SD_RECEIVE, full, provider.Readiness{Events: W | drained, Queued: 3}},
		{"SD_SEND", true, wsa.SD_SEND, base.State{}, provider.Readiness{Events: W | drained}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := basetest.NewScript()
			r := newRig(t, d)
			s := r.udp()
			if c.bound {
				r.bind(s, "127.0.0.1:1")
			}
			if c.how >= 0 {
				r.want("shutdown", r.table(s).WSPShutdown(s, c.how), 0)
			}
			d.Last().Set(c.raw)
			if c.raw.Readable {
				d.Last().SetQueued(3)
			}
			if got := r.ready(s); got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

// TestWakes reach the watcher of the storey above, masked; none after Watch(nil).
func TestWakes(t *testing.T) {
	everywhere(t, func(t *testing.T, layers ...provider.Layer) {
		d := basetest.NewScript()
		r := newRig(t, d, layers...)
		s := connectedTo(r, d)
		var w watched
		r.table(s).Watch(s, &w, wsa.FD_READ)
		d.Last().Wake(wsa.FD_WRITE)
		if h := w.take(); h != 0 {
			t.Errorf("masked hint %v", h)
		}
		d.Last().Wake(wsa.FD_READ | wsa.FD_WRITE)
		if h := w.take(); h != wsa.FD_READ {
			t.Errorf("hint %v", h)
		}
		r.table(s).Watch(s, nil, 0)
		d.Last().Wake(wsa.FD_READ)
		if h := w.take(); h != 0 {
			t.Errorf("hint %v after Watch(nil)", h)
		}
	})
}

// TestNetworkWakes: over the network each change of level wakes.
func TestNetworkWakes(t *testing.T) {
	r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{Buffer: 10}))
	l := r.tcp()
	r.bind(l, "127.0.0.1:80")
	r.want("listen", r.table(l).WSPListen(l, 1), 0)
	c := r.tcp()
	var wl, wc, ws watched
	r.table(l).Watch(l, &wl, wsa.FD_ALL_EVENTS)
	r.table(c).Watch(c, &wc, wsa.FD_ALL_EVENTS)
	expect := func(what string, w *watched, hint wsa.Events, s *provider.Socket, level wsa.Events) {
		t.Helper()
		if h := w.take(); h&hint == 0 {
			t.Errorf("%s: woken with %v, want %v", what, h, hint)
		}
		if g := r.ready(s); g.Events&hint != level {
			t.Errorf("%s: level %v, want %v", what, g.Events&hint, level)
		}
	}
	r.want("connect", r.connect(c, "127.0.0.1:80"), wsa.EWOULDBLOCK)
	expect("connected", &wc, wsa.FD_CONNECT, c, wsa.FD_CONNECT)
	expect("acceptable", &wl, wsa.FD_ACCEPT, l, wsa.FD_ACCEPT)
	s, e := r.accept(l, provider.AcceptRequest{})
	r.want("accept", e, 0)
	r.table(s).Watch(s, &ws, wsa.FD_ALL_EVENTS)
	r.send(c, "0123456789")
	expect("data", &ws, wsa.FD_READ, s, wsa.FD_READ)
	_, e = r.send(c, "x")
	r.want("full", e, wsa.EWOULDBLOCK)
	wc.take()
	r.recv(s, 5, 0)
	expect("space", &wc, wsa.FD_WRITE, c, wsa.FD_WRITE)
	r.close(c, provider.CloseLinger)
	expect("closed", &ws, wsa.FD_CLOSE, s, wsa.FD_CLOSE)
	r.table(l).Watch(l, nil, 0)
	r.table(s).Watch(s, nil, 0)
}
