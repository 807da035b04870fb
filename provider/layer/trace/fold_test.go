package trace

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

func message(n int, f wsa.MsgFlags) *provider.Msg {
	return &provider.Msg{Buffers: [][]byte{make([]byte, n)}, Flags: f}
}

// TestPendedIsOneLine: a receive that waited is one line, from its first try on (law 7).
func TestPendedIsOneLine(t *testing.T) {
	r := trace(t, new(providertest.Base), wsa.IPPROTO_TCP, Config{JSON: true, Ops: opRecv.set()})
	s := r.socket()
	r.tab.WSPRecv(s, message(10, 0))
	r.tab.WSPRecv(s, message(10, wsa.MSG_PENDED))
	providertest.Inject(s, []byte("data"))
	r.tab.WSPRecv(s, message(10, wsa.MSG_PENDED))
	r.tab.WSPCloseSocket(s, provider.CloseAbort)
	got := r.records()
	if len(got) != 1 || got[0].Result != 4 || got[0].Again != 0 || got[0].Flags != "" {
		t.Fatalf("%+v; want one receive of 4 bytes", got)
	}
	// The clock is read at each try, and at the end.
	if ms := got[0].Duration / 1e6; ms != 3 {
		t.Errorf("it took %d ms, want 3: from the first of three tries", ms)
	}
}

// records are the lines of a trace in JSON.
func (r *traced) records() (all []Record) {
	r.t.Helper()
	providertest.End(r.t, r.rig.Chain)
	for line := range bytes.Lines(r.out.Bytes()) {
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		var x Record
		if err := d.Decode(&x); err != nil {
			r.t.Fatalf("%s: %v", line, err)
		}
		all = append(all, x)
	}
	return all
}

// TestPolling: tries of a non-blocking receive are folded into the one that finds
// something.
func TestPolling(t *testing.T) {
	r := trace(t, new(providertest.Base), wsa.IPPROTO_TCP, Config{Ops: opRecv.set() | opClose.set()})
	s := r.socket()
	for range 3 {
		r.tab.WSPRecv(s, message(10, 0))
	}
	providertest.Inject(s, []byte("data"))
	r.tab.WSPRecv(s, message(10, 0))
	providertest.Inject(s, []byte("more"))
	r.tab.WSPRecv(s, message(10, 0))
	r.tab.WSPRecv(s, message(20, 0))
	r.tab.WSPCloseSocket(s, provider.CloseAbort)
	r.want("#1 curl[4711] recv 10 = 4 again=3", "#1 curl[4711] recv 10 = 4", "#1 curl[4711] recv 20 = ?", "#1 curl[4711] close abort = 0")
}

// later is a base whose connects and closes end later.
func later(outcome *provider.Readiness, closes *wsa.Errno) *providertest.Base {
	b := new(providertest.Base)
	b.Script.WSPConnect = func(*provider.Socket, *provider.ConnectRequest) wsa.Errno { return wsa.EWOULDBLOCK }
	b.Script.Ready = func(_ *provider.Socket, mask wsa.Events) provider.Readiness {
		r := *outcome
		r.Events &= mask
		return r
	}
	b.Script.WSPCloseSocket = func(*provider.Socket, provider.CloseMode) wsa.Errno { return *closes }
	return b
}

func TestConnect(t *testing.T) {
	for _, c := range []struct {
		name string
		code wsa.Errno
		want string
	}{
		{"connected", 0, "0"}, {"refused", wsa.ECONNREFUSED, "WSAECONNREFUSED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var outcome provider.Readiness
			closes := wsa.Errno(0)
			r := trace(t, later(&outcome, &closes), wsa.IPPROTO_TCP, Config{Ops: Control})
			s := r.socket()
			if e := r.connect(s, "192.0.2.1:80"); e != wsa.EWOULDBLOCK {
				t.Fatal(e)
			}
			if s.Direct() != nil {
				t.Error("it steps aside before the outcome is known")
			}
			r.tab.Ready(s, wsa.FD_CONNECT)
			outcome = provider.Readiness{Events: wsa.FD_CONNECT | wsa.FD_WRITE, Connect: c.code}
			r.tab.Ready(s, wsa.FD_WRITE)
			r.tab.Ready(s, wsa.FD_CONNECT)
			if (s.Direct() != nil) != (c.code == 0) {
				t.Errorf("direct is %v", s.Direct())
			}
			closes = wsa.EWOULDBLOCK
			r.tab.WSPCloseSocket(s, provider.CloseLinger)
			closes = 0
			r.tab.WSPCloseSocket(s, provider.CloseLinger)
			r.want("#1 curl[4711] socket inet stream tcp = 0", "#1 curl[4711] connect 192.0.2.1:80 = "+c.want, "#1 curl[4711] close = 0")
		})
	}
}

// TestConnectSeenLate: without anybody asking for readiness, the next operation tells.
func TestConnectSeenLate(t *testing.T) {
	var outcome provider.Readiness
	closes := wsa.Errno(0)
	r := trace(t, later(&outcome, &closes), wsa.IPPROTO_TCP, Config{Ops: opConnect.set() | opShutdown.set()})
	one, two := r.socket(), r.socket()
	r.connect(one, "192.0.2.1:80")
	r.connect(two, "192.0.2.2:80")
	outcome = provider.Readiness{Events: wsa.FD_CONNECT}
	r.tab.WSPShutdown(one, wsa.SD_BOTH)
	outcome = provider.Readiness{}
	r.tab.WSPCloseSocket(one, provider.CloseAbort)
	r.tab.WSPCloseSocket(two, provider.CloseAbort)
	r.want("#1 curl[4711] connect 192.0.2.1:80 = 0", "#1 curl[4711] shutdown SD_BOTH = 0", "#2 curl[4711] connect 192.0.2.2:80 = ?")
}

func TestAccept(t *testing.T) {
	b := new(providertest.Base)
	b.Script.WSPGetPeerName = func(*provider.Socket) (provider.Addr, wsa.Errno) { return addr("192.0.2.7:1024"), 0 }
	b.Script.WSPListen = func(*provider.Socket, int) wsa.Errno { return wsa.EINVAL }
	for _, c := range []struct {
		name string
		to   []Target
		want []string
	}{
		{"all", nil, []string{"#1 curl[4711] listen 1 = WSAEINVAL", "#1 curl[4711] accept #2 = 0 from 192.0.2.7:1024"}},
		{"the peer's port", []Target{{Ports: provider.PortRange{First: 1024, Last: 1024}}}, []string{"#1 curl[4711] accept #2 = 0 from 192.0.2.7:1024"}},
		{"another port", []Target{{Ports: provider.PortRange{First: 80, Last: 80}}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := trace(t, b, wsa.IPPROTO_TCP, Config{Ops: opAccept.set() | opListen.set(), To: c.to})
			l := r.socket()
			r.tab.WSPListen(l, 1)
			n, e := r.tab.WSPAccept(l, new(provider.AcceptRequest))
			if e != 0 {
				t.Fatal(e)
			}
			if n.Direct() == nil {
				t.Error("an accepted connection is not direct")
			}
			r.tab.WSPCloseSocket(n, provider.CloseAbort)
			r.tab.WSPCloseSocket(l, provider.CloseAbort)
			r.want(c.want...)
		})
	}
}

// TestFailed: what a socket was failed with is the outcome of its attempt.
func TestFailed(t *testing.T) {
	var outcome provider.Readiness
	closes := wsa.Errno(0)
	r := trace(t, later(&outcome, &closes), wsa.IPPROTO_TCP, Config{Ops: opConnect.set() | opRecv.set()})
	s := r.socket()
	r.connect(s, "192.0.2.1:80")
	s.Fail(wsa.EACCES, "test")
	outcome = provider.Readiness{Events: wsa.FD_CONNECT, Connect: wsa.EACCES}
	r.tab.WSPCloseSocket(s, provider.CloseAbort)
	r.want("#1 curl[4711] connect 192.0.2.1:80 = WSAEACCES")
}
