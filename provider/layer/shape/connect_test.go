package shape_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/shape"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// dialled is a socket whose connect was asked for.
func dialled(t *testing.T, rig *providertest.Rig) (*provider.Socket, bell, wsa.Errno) {
	s, b := rig.Socket(t), make(bell, 1)
	t.Cleanup(func() { rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort) })
	rig.Chain.Table.Watch(s, b, wsa.FD_CONNECT)
	return s, b, rig.Chain.Table.WSPConnect(s, to("192.0.2.1:80"))
}

// Connects beyond the rate are held, in order, up to a bound.
func TestConnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := shape.Parse("conns=10/s")
		c.Held = 100
		l, err := shape.New(c)
		if err != nil {
			t.Fatal(err)
		}
		rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, l)
		tab := &rig.Chain.Table
		start := time.Now()
		var sockets []*provider.Socket
		var bells []bell
		for i := range 102 {
			s, b, e := dialled(t, rig)
			want := wsa.EWOULDBLOCK
			switch i {
			case 0:
				want = 0
			case 101:
				want = wsa.ENOBUFS
			}
			if e != want {
				t.Fatalf("connect %d: %v", i, e)
			}
			sockets, bells = append(sockets, s), append(bells, b)
		}
		if r := tab.Ready(sockets[1], wsa.FD_CONNECT|wsa.FD_WRITE); r.Events != 0 {
			t.Errorf("held, and ready %+v", r)
		}
		if e := tab.WSPConnect(sockets[1], to("192.0.2.1:80")); e != wsa.EALREADY {
			t.Errorf("once more: %v", e)
		}
		for i := 1; i <= 100; i++ {
			<-bells[i]
			if r := tab.Ready(sockets[i], wsa.FD_CONNECT); r.Events != wsa.FD_CONNECT || r.Connect != 0 {
				t.Errorf("connect %d: %+v", i, r)
			}
			if got, want := time.Since(start), time.Duration(i)*100*time.Millisecond; got < want || got > want+want/20 {
				t.Errorf("connect %d after %v, want %v", i, got, want)
			}
		}
		if n := len(rig.Base.Calls("WSPConnect")); n != 101 {
			t.Errorf("the base was asked %d times", n)
		}
	})
}

// A held connect that is refused tells so by FD_CONNECT and SO_ERROR; one whose socket
// is closed never begins, and its turn is the next one's.
func TestHeldConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := new(providertest.Base)
		base.Script.WSPConnect = func(*provider.Socket, *provider.ConnectRequest) wsa.Errno { return wsa.ENETUNREACH }
		rig := providertest.Build(t, base, wsa.IPPROTO_TCP, layer(t, "conns=1/s"))
		tab := &rig.Chain.Table
		start := time.Now()
		dialled(t, rig)
		gone, _, e1 := dialled(t, rig)
		s, b, e2 := dialled(t, rig)
		if e1 != wsa.EWOULDBLOCK || e2 != wsa.EWOULDBLOCK {
			t.Fatal(e1, e2)
		}
		tab.WSPCloseSocket(gone, provider.CloseAbort)
		<-b
		if d := time.Since(start); d > 1100*time.Millisecond {
			t.Errorf("after %v", d)
		}
		if r := tab.Ready(s, wsa.FD_CONNECT|wsa.FD_WRITE); r.Events != wsa.FD_CONNECT || r.Connect != wsa.ENETUNREACH {
			t.Errorf("ready: %+v", r)
		}
		code := make([]byte, 4)
		if _, e := tab.WSPGetSockOpt(s, wsa.SOL_SOCKET, wsa.SO_ERROR, code); e != 0 || wsa.Errno(uint32(code[0])|uint32(code[1])<<8) != wsa.ENETUNREACH {
			t.Errorf("SO_ERROR: %v, %v", code, e)
		}
		if n := len(base.Calls("WSPConnect")); n != 2 {
			t.Errorf("the base was asked %d times", n)
		}
	})
}
