package providertest_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// At a boundary where the layer replaced the entry, what crosses is counted: of living
// sockets and of those that are closed; at others nothing is.
func TestLaw15Probes(t *testing.T) {
	control := layerFunc(func(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
		return provider.ProcTable{WSPConnect: next.WSPConnect, WSPBind: next.WSPBind}, 0
	})
	base := new(providertest.Base)
	base.Script.WSPBind = func(*provider.Socket, provider.Addr) wsa.Errno { return wsa.EADDRINUSE }
	base.Script.WSPConnect = func(*provider.Socket, *provider.ConnectRequest) wsa.Errno { return wsa.EWOULDBLOCK }
	rig := providertest.Build(t, base, wsa.IPPROTO_TCP, thin{}, providertest.PassThrough{}, control, thin{})
	tab := &rig.Chain.Table
	open, closed := rig.Socket(t), rig.Socket(t)
	for _, s := range []*provider.Socket{open, closed} {
		tab.WSPConnect(s, &provider.ConnectRequest{To: peer})
		tab.WSPBind(s, provider.Addr{})
		tab.WSPSend(s, msg(make([]byte, 10)))
		tab.WSPSendTo(s, msg(make([]byte, 5)))
		providertest.Inject(s, make([]byte, 7))
		tab.WSPRecv(s, &provider.Msg{Buffers: [][]byte{make([]byte, 9)}, Flags: wsa.MSG_PEEK})
		tab.WSPRecvFrom(s, msg(make([]byte, 9)))
		tab.WSPRecv(s, msg(make([]byte, 9))) // there is nothing: EWOULDBLOCK
		providertest.InjectReset(s, wsa.ECONNRESET)
		tab.WSPRecv(s, msg(make([]byte, 9)))
	}
	tab.WSPCloseSocket(closed, provider.CloseAbort)
	for range 2 { // with one open, and with none
		p := rig.Chain.Probes()
		if len(p) != 4 {
			t.Fatalf("%d probes", len(p))
		}
		for i, name := range []string{"layer0", "layer1", "layer2", "layer3"} {
			if p[i].Layer != name || p[i].Place != i || p[i].Chain != "chain" || p[i].Version != rig.Chain.Version || rig.Chain.Version == 0 {
				t.Errorf("probe %d: %+v", i, p[i])
			}
		}
		for _, i := range []int{0, 3} {
			if f := p[i].In; f.Operations != 8 || f.Bytes != 14 || f.Errors != 2 {
				t.Errorf("%s in: %+v", p[i].Layer, f)
			}
			if f := p[i].Out; f.Operations != 4 || f.Bytes != 30 || f.Errors != 0 {
				t.Errorf("%s out: %+v", p[i].Layer, f)
			}
		}
		for _, i := range []int{1, 2} {
			if p[i].In.Operations+p[i].Out.Operations+p[i].In.Bytes+p[i].Out.Bytes != 0 {
				t.Errorf("%s replaces no data entry: %+v", p[i].Layer, p[i])
			}
		}
		want := []provider.EntryCount{{Entry: "WSPBind", Operations: 2, Errors: 2}, {Entry: "WSPConnect", Operations: 2}}
		if !slices.Equal(p[2].Entries, want) || len(p[1].Entries) != 0 {
			t.Errorf("entries %+v, and %+v", p[2].Entries, p[1].Entries)
		}
		if open != nil {
			tab.WSPCloseSocket(open, provider.CloseAbort)
			open = nil
		}
	}
}

// What a layer took is its own time: not that of what it called below, in a layer or in
// the base. One operation in 256 is measured, whatever the socket.
func TestLaw15ProbeLatency(t *testing.T) {
	slow := func(d time.Duration, copies bool) layerFunc {
		return func(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
			through := func(f func(*provider.Socket, *provider.Msg) (int, wsa.Errno)) func(*provider.Socket, *provider.Msg) (int, wsa.Errno) {
				return func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
					time.Sleep(d)
					if copies {
						q := *m
						m = &q
					}
					return f(s, m)
				}
			}
			return provider.ProcTable{WSPSend: through(next.WSPSend), WSPSendTo: through(next.WSPSendTo)}, 0
		}
	}
	synctest.Test(t, func(t *testing.T) {
		base := new(providertest.Base)
		base.Script.WSPSend = func(*provider.Socket, *provider.Msg) (int, wsa.Errno) { time.Sleep(time.Second); return 1, 0 }
		rig := providertest.Build(t, base, wsa.IPPROTO_TCP, slow(time.Millisecond, false), slow(time.Microsecond, true))
		s := rig.Socket(t)
		for range 256 * 3 {
			rig.Chain.Table.WSPSend(s, msg([]byte("x")))
		}
		p := rig.Chain.Probes()
		for i, want := range []time.Duration{time.Millisecond, time.Microsecond} {
			h := p[i].Out.Added
			if h.Sum != 3*want {
				t.Errorf("%s added %v, want %v", p[i].Layer, h.Sum, 3*want)
			}
			last := uint64(0)
			for _, b := range h.Buckets {
				if in := b.UpTo == 0 || b.UpTo >= want; b.Count != last && last != 0 || in != (b.Count == 3) {
					t.Errorf("%s: %+v", p[i].Layer, h.Buckets)
				}
				last = b.Count
			}
			if n := p[i].In.Added.Buckets; n[len(n)-1].Count != 0 {
				t.Errorf("%s received nothing: %+v", p[i].Layer, n)
			}
		}
		end(t, rig, s)
	})
}

// Verdicts, and what was reported, by layer.
func TestLaw15ProbeVerdicts(t *testing.T) {
	d := &decider{on: provider.FailOpen}
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_UDP, d)
	s := rig.Socket(t)
	for _, v := range []provider.Verdict{{}, {Action: provider.Allow}, {Action: provider.Deny, Errno: wsa.EACCES}, {Action: provider.Deny, Shadow: true}} {
		d.answer = v
		rig.Chain.Decide(provider.Facts{}, provider.OpLookup)
		m := msg([]byte("x"))
		m.Addr = peer
		rig.Chain.Table.WSPSendTo(s, m)
		rig.Chain.Table.WSPConnect(s, &provider.ConnectRequest{To: peer})
	}
	d.panics = true
	rig.Chain.Decide(provider.Facts{}, provider.OpLookup)
	p := rig.Chain.Probes()[0]
	if want := (provider.VerdictCount{None: 4, Allow: 3, Deny: 3, Shadow: 3}); p.Verdicts != want || p.Panics != 1 || p.Stalls+p.Lies+p.Leaks != 0 {
		t.Errorf("%+v, %d panics", p.Verdicts, p.Panics)
	}
	if n := p.Deciding.Buckets; n[len(n)-1].Count < 9 {
		t.Errorf("decisions that are no datagram's are measured each: %+v", n)
	}
	rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
}
