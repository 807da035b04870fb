package providertest_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// looker looks at data, and steps aside when told.
type looker struct{ r *provider.StartupRequest }

func (l *looker) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	l.r = r
	recv, recvFrom := next.WSPRecv, next.WSPRecvFrom
	return provider.ProcTable{
		WSPRecv:     func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return recv(s, m) },
		WSPRecvFrom: func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return recvFrom(s, m) },
	}, 0
}

// teller answers for readiness alone.
type teller struct{}

func (teller) Startup(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.ProcTable{Ready: next.Ready, Watch: next.Watch}, 0
}

// observer is told of datagrams.
type observer struct{ to []provider.Addr }

func (o *observer) Startup(r *provider.StartupRequest, _ *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	r.ObserveSends(func(_ *provider.Socket, to provider.Addr, e wsa.Errno) {
		if to.Port() == 13 {
			panic("bomb in the observer")
		}
		if e == 0 {
			o.to = append(o.to, to)
		}
	})
	return provider.ProcTable{}, 0
}

// Who observes hears of destinations, of those alone that a layer below let
// through, and its panic is contained.
func TestObserveSends(t *testing.T) {
	o := new(observer)
	deny := &decider{answer: provider.Verdict{Action: provider.Deny, Errno: wsa.EACCES}, on: provider.FailClosed}
	to := func(port uint16) *provider.Msg {
		return &provider.Msg{Buffers: [][]byte{{1}}, Addr: provider.AddrFrom(netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port))}
	}
	open := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_UDP, o)
	s := open.Socket(t)
	open.Chain.Table.WSPSendTo(s, to(7))
	again := to(9)
	again.Flags = wsa.MSG_PENDED
	open.Chain.Table.WSPSendTo(s, again)
	open.Chain.Table.WSPSendTo(s, &provider.Msg{Buffers: [][]byte{{1}}})
	if len(o.to) != 1 || o.to[0].Port() != 7 {
		t.Errorf("told of %v", o.to)
	}
	open.Chain.Table.WSPSendTo(s, to(13))
	if f := s.Failure(); f == nil || !strings.Contains(f.Reason, "bomb in the observer") {
		t.Errorf("after a panic: %v", f)
	}
	open.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)

	closed := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_UDP, o, deny)
	s = closed.Socket(t)
	closed.Chain.Table.WSPSendTo(s, to(7))
	closed.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
	if len(o.to) != 1 {
		t.Errorf("told as sent of what was denied: %v", o.to)
	}
}

// The way past the storeys is open when none stands in the path of the bytes,
// or all that did have stepped aside, each for that socket alone.
func TestLaw14Direct(t *testing.T) {
	allow := &decider{answer: provider.Verdict{Action: provider.Allow}, on: provider.FailClosed}
	for _, c := range []struct {
		name   string
		layers []provider.Layer
		direct bool
	}{
		{"none", nil, true},
		{"pass-through", []provider.Layer{providertest.PassThrough{}}, true},
		{"decides", []provider.Layer{allow, providertest.PassThrough{}}, true},
		{"observes", []provider.Layer{new(observer), allow}, true},
		{"looks", []provider.Layer{allow, new(looker)}, false},
		{"answers Ready", []provider.Layer{teller{}}, false},
	} {
		for name, protocol := range map[string]int32{"tcp": wsa.IPPROTO_TCP, "udp": wsa.IPPROTO_UDP} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				rig := providertest.Build(t, new(providertest.Base), protocol, c.layers...)
				s := rig.Socket(t)
				defer rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
				if p := s.Direct(); (p != nil) != c.direct {
					t.Errorf("direct: %v", p != nil)
				}
			})
		}
	}
}

func TestStepAside(t *testing.T) {
	upper, lower := new(looker), new(looker)
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, upper, providertest.PassThrough{}, lower)
	s, other := rig.Socket(t), rig.Socket(t)
	defer rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
	defer rig.Chain.Table.WSPCloseSocket(other, provider.CloseAbort)
	for range 2 { // twice is once
		upper.r.StepAside(s)
		if s.Direct() != nil {
			t.Fatal("one of two has stepped aside, and the way is open")
		}
	}
	lower.r.StepAside(s)
	p := s.Direct()
	if p == nil {
		t.Fatal("both have stepped aside, and the way is closed")
	}
	if other.Direct() != nil {
		t.Error("another socket's way is open")
	}
	providertest.Inject(s, []byte("bytes"))
	b := make([]byte, 8)
	if n, e := p.Recv(s, &provider.Msg{Buffers: [][]byte{b}}); e != 0 || string(b[:n]) != "bytes" {
		t.Errorf("received %q, %v", b[:n], e)
	}
}
