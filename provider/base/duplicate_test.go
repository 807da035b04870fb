package base_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestDuplicate: a token opens the very socket once, under every chain, and dies
// with it (winsock-spi 8.1, 12.1).
func TestDuplicate(t *testing.T) {
	everywhere(t, func(t *testing.T, layers ...provider.Layer) {
		d := basetest.NewScript()
		r := newRig(t, d, layers...)
		s := r.tcp()
		r.bind(s, "10.0.0.1:7")
		_, e := r.table(s).WSPDuplicateSocket(s, 0)
		r.want("process 0", e, wsa.EINVAL)
		info, e := r.table(s).WSPDuplicateSocket(s, 5)
		r.want("duplicate", e, 0)
		if info.ProviderReserved == 0 || info.AddressFamily != wsa.AF_INET || info.SocketType != wsa.SOCK_STREAM || info.Protocol != wsa.IPPROTO_TCP {
			t.Errorf("%+v", info)
		}
		// g and dwFlags are ignored.
		origin := s.Origin
		again, e := r.table(s).WSPSocket(&provider.SocketRequest{AF: -1, Type: -1, Protocol: -1, Info: info, Group: 9, Flags: 1 << 31})
		r.want("socket by the token", e, 0)
		if again != s || s.Origin != origin || len(d.Opened()) != 1 {
			t.Errorf("%p is not %p, or %d endpoints were opened", again, s, len(d.Opened()))
		}
		_, e = r.table(s).WSPSocket(&provider.SocketRequest{Info: info})
		r.want("the token again", e, wsa.EINVAL)
		info, e = r.table(s).WSPDuplicateSocket(s, 5)
		r.want("duplicate", e, 0)
		if n := s.Chain().Sockets(); n != 1 {
			t.Errorf("%d sockets on the chain", n)
		}
		table := r.table(s)
		r.want("close", r.close(s, provider.CloseAbort), 0)
		_, e = table.WSPSocket(&provider.SocketRequest{Info: info})
		r.want("a token of a closed socket", e, wsa.EINVAL)
		_, e = table.WSPDuplicateSocket(s, 5)
		r.want("duplicate when closed", e, wsa.ENOTSOCK)
	})
}

// TestReuse: SIO_REUSE_SOCKET in each state, and what of the socket is new.
func TestReuse(t *testing.T) {
	for state, want := range map[string]wsa.Errno{
		"fresh": wsa.EINVAL, "bound": wsa.EINVAL, "listening": wsa.EINVAL, "connecting": wsa.EINVAL, "refused": 0,
		"connected": wsa.EISCONN, "reset": 0, "failed": wsa.EACCES, "closed": wsa.ENOTSOCK,
	} {
		t.Run(state, func(t *testing.T) {
			d := basetest.NewScript()
			r := newRig(t, d)
			s := states[state](r, d)
			_, e := r.table(s).WSPIoctl(s, &provider.IoctlRequest{Code: wsa.SIO_REUSE_SOCKET})
			r.want("reuse", e, want)
		})
	}
	t.Run("ended", func(t *testing.T) {
		d := basetest.NewScript()
		r := newRig(t, d)
		s := r.tcp()
		r.bind(s, "10.0.0.1:7")
		r.want("nodelay", r.set(s, wsa.IPPROTO_TCP, wsa.TCP_NODELAY, 1), 0)
		r.want("connect", r.connect(s, "10.0.0.9:80"), wsa.EWOULDBLOCK)
		first := d.Last()
		first.Become(established, wsa.FD_CONNECT)
		r.want("shutdown", r.table(s).WSPShutdown(s, wsa.SD_SEND), 0)
		reuse := func() wsa.Errno {
			_, e := r.table(s).WSPIoctl(s, &provider.IoctlRequest{Code: wsa.SIO_REUSE_SOCKET})
			return e
		}
		r.want("reuse before the peer's FIN", reuse(), wsa.EISCONN)
		first.Set(base.State{Phase: base.Connected, Writable: true, PeerClosed: true, Drained: true})
		r.want("reuse", reuse(), 0)
		if abort, closed := first.Closed(); !closed || abort {
			t.Error("the peer sees a reset")
		}
		_, e := r.table(s).WSPGetPeerName(s)
		r.want("peer name", e, wsa.ENOTCONN)
		if a, e := r.table(s).WSPGetSockName(s); e != 0 || a != addr("10.0.0.1:7") {
			t.Errorf("local name %v, %v", a, e)
		}
		r.want("connect again", r.connect(s, "10.0.0.9:81"), wsa.EWOULDBLOCK)
		if v, _ := d.Last().Option(wsa.IPPROTO_TCP, wsa.TCP_NODELAY); v != 1 {
			t.Error("TCP_NODELAY was not replayed")
		}
		d.Last().Become(established, wsa.FD_CONNECT)
		_, e = r.send(s, "x")
		r.want("send", e, 0)
	})
}
