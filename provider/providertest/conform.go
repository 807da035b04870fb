package providertest

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// ConformLayer holds a layer to those laws that can be seen from outside, over
// a scripted base, on a stream and on a datagram chain, alone and between two
// recording layers. The layer must let connections to 192.0.2.1:80 and
// datagrams to it through, and may change bytes but not lose them.
func ConformLayer(t *testing.T, mk func() provider.Layer) {
	for _, protocol := range []int32{wsa.IPPROTO_TCP, wsa.IPPROTO_UDP} {
		t.Run(wsa.ProtocolName(protocol), func(t *testing.T) {
			t.Run("life", func(t *testing.T) { conformLife(t, protocol, mk()) })
			t.Run("errors", func(t *testing.T) { conformErrors(t, protocol, mk()) })
			t.Run("fail", func(t *testing.T) { conformFail(t, protocol, mk()) })
			t.Run("info", func(t *testing.T) { conformInfo(t, protocol, mk()) })
			t.Run("cost", func(t *testing.T) { conformCost(t, protocol, mk()) })
		})
	}
}

var conformPeer = addrPort("192.0.2.1:80")

func conformSocket(t *testing.T, rig *Rig) *provider.Socket {
	t.Helper()
	s := rig.Socket(t)
	if e := rig.Chain.Table.WSPConnect(s, &provider.ConnectRequest{To: conformPeer}); e != 0 && e != wsa.EWOULDBLOCK {
		t.Fatalf("connect to %v: %v", conformPeer, e)
	}
	return s
}

// conformLife: laws 1, 6 and 9, and that nothing is left.
func conformLife(t *testing.T, protocol int32, l provider.Layer) {
	log := new(Log)
	rig := Build(t, new(Base), protocol, &Recorder{Name: "above", Log: log}, l, &Recorder{Name: "below", Log: log})
	tab := &rig.Chain.Table
	for range 3 {
		s := conformSocket(t, rig)
		out := []byte("some bytes to send")
		if n, e := tab.WSPSend(s, &provider.Msg{Buffers: [][]byte{out}}); e != 0 && e != wsa.EWOULDBLOCK || n > len(out) {
			t.Errorf("send: %d, %v", n, e)
		}
		clear(out)
		if bytes.Contains(Sent(s), make([]byte, len(out))) {
			t.Error("a buffer was kept after the call (law 6)")
		}
		if e := tab.WSPCloseSocket(s, provider.CloseBackground); e != 0 {
			t.Errorf("close: %v", e)
		}
		tab.WSPCloseSocket(s, provider.CloseAbort)
	}
	End(t, rig.Chain)
	if n := len(rig.Base.Calls("WSPCloseSocket")); n != 3 {
		t.Errorf("the base's close ran %d times for 3 sockets (law 9)", n)
	}
	if n := rig.Host.Open(); n != 0 {
		t.Errorf("%d sockets are open", n)
	}
	if r := rig.Host.Reports(); len(r) != 0 {
		t.Errorf("reported (law 14): %v", r[0])
	}
}

// conformErrors: law 8. What the base says when it refuses comes up unchanged.
func conformErrors(t *testing.T, protocol int32, l provider.Layer) {
	for _, want := range []wsa.Errno{wsa.ECONNREFUSED, wsa.ENETUNREACH, wsa.ETIMEDOUT, wsa.EACCES, wsa.ENOBUFS} {
		base := new(Base)
		base.Script.WSPBind = func(*provider.Socket, provider.Addr) wsa.Errno { return want }
		base.Script.WSPListen = func(*provider.Socket, int) wsa.Errno { return want }
		rig := Build(t, base, protocol, l)
		s := rig.Socket(t)
		if e := rig.Chain.Table.WSPBind(s, provider.Any(wsa.AF_INET, 1)); e != want {
			t.Errorf("bind: %s became %s (law 8)", want.Name(), e.Name())
		}
		rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
		End(t, rig.Chain)
	}
}

// conformFail: law 8. A socket that is failed from outside is dead at the top.
func conformFail(t *testing.T, protocol int32, l provider.Layer) {
	rig := Build(t, new(Base), protocol, l)
	tab := &rig.Chain.Table
	s := conformSocket(t, rig)
	defer tab.WSPCloseSocket(s, provider.CloseAbort)
	rung := make(chan struct{}, 16)
	tab.Watch(s, ringer(rung), wsa.FD_READ|wsa.FD_WRITE|wsa.FD_CLOSE)
	s.Fail(wsa.EACCES, "conformance")
	select {
	case <-rung:
	default:
		t.Error("nobody was woken by Fail")
	}
	if r := tab.Ready(s, wsa.FD_READ|wsa.FD_CLOSE); r.Events&wsa.FD_CLOSE == 0 || r.Close != wsa.EACCES {
		t.Errorf("ready after Fail: %+v", r)
	}
	v := reflect.ValueOf(tab).Elem()
	for _, st := range rig.Chain.Storeys()[:1] { // the base is scripted and knows nothing of Fail
		for _, op := range []string{"WSPRecv", "WSPSend"} {
			if !slices.Contains(st.Replaces, op) {
				continue
			}
			m := &provider.Msg{Buffers: [][]byte{make([]byte, 1)}}
			out := v.FieldByName(op).Call([]reflect.Value{reflect.ValueOf(s), reflect.ValueOf(m)})
			if e := out[1].Interface().(wsa.Errno); e != wsa.EACCES {
				t.Errorf("%s after Fail: %s", op, e.Name())
			}
		}
	}
}

// conformInfo: law 10. The entry that goes in is the entry that comes out below.
func conformInfo(t *testing.T, protocol int32, l provider.Layer) {
	log := new(Log)
	rig := Build(t, new(Base), protocol, l, &Recorder{Name: "below", Log: log})
	s := rig.Socket(t)
	rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
	for _, c := range log.Calls() {
		if c.Op == "below.WSPSocket" && c.Info != &rig.Chain.Info {
			t.Errorf("the storey below was given %v, not the chain's own entry (law 10)", c.Info)
		}
	}
}

// conformCost: an entry that the layer does not replace costs nothing; laws 14
// and 15 say more about those that it does.
func conformCost(t *testing.T, protocol int32, l provider.Layer) {
	rig := Build(t, new(Base), protocol, l)
	replaces := rig.Chain.Storeys()[0].Replaces
	top := reflect.ValueOf(&rig.Chain.Table).Elem()
	alone := Build(t, new(Base), protocol)
	bottom := reflect.ValueOf(&alone.Chain.Table).Elem()
	ops := []string{"WSPRecv", "WSPRecvFrom", "WSPSend"}
	if top := rig.Chain.Storeys()[0]; !top.Decides && !top.Observes { // else the builder has each datagram judged, or told of
		ops = append(ops, "WSPSendTo")
	}
	for _, op := range ops {
		if !slices.Contains(replaces, op) && top.FieldByName(op).Pointer() != bottom.FieldByName(op).Pointer() {
			t.Errorf("%s is not replaced and yet not the base's own function", op)
		}
	}
}

type ringer chan struct{}

func (r ringer) Wake(*provider.Socket, wsa.Events) {
	select {
	case r <- struct{}{}:
	default:
	}
}
