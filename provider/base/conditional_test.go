package base_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// conditional is a listener with SO_CONDITIONAL_ACCEPT.
func (r *rig) conditional(at string) *provider.Socket {
	r.t.Helper()
	s := r.tcp()
	r.want("SO_CONDITIONAL_ACCEPT", r.set(s, wsa.SOL_SOCKET, wsa.SO_CONDITIONAL_ACCEPT, 1), 0)
	r.bind(s, at)
	r.want("listen", r.table(s).WSPListen(s, 5), 0)
	return s
}

func (r *rig) phase(s *provider.Socket) (over bool, cause wsa.Errno) {
	g := r.ready(s)
	return g.Events&wsa.FD_CONNECT != 0, g.Connect
}

// TestConditionalAccept: nothing is answered before CF_ACCEPT (3.3, 9.1).
func TestConditionalAccept(t *testing.T) {
	const at = "127.0.0.1:80"
	for _, c := range []struct {
		name    string
		verdict provider.CondResult
		want    wsa.Errno
		over    bool      // the peer's connect
		cause   wsa.Errno // of it
		left    wsa.Errno // what a plain accept gives then
	}{
		{"3.3 CF_ACCEPT", provider.CF_ACCEPT, 0, true, 0, wsa.EWOULDBLOCK},
		{"3.3 CF_REJECT", provider.CF_REJECT, wsa.ECONNREFUSED, true, wsa.ECONNREFUSED, wsa.EWOULDBLOCK},
		{"3.3 CF_DEFER", provider.CF_DEFER, wsa.TRY_AGAIN, false, 0, 0},
		{"3.3 other", 7, wsa.EINVAL, false, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, layers ...provider.Layer) {
				r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{}), layers...)
				l := r.conditional(at)
				_, e := r.accept(l, provider.AcceptRequest{})
				r.want("nobody there", e, wsa.EWOULDBLOCK)
				s := r.tcp()
				r.want("connect", r.connect(s, at), wsa.EWOULDBLOCK)
				if over, _ := r.phase(s); over {
					t.Fatal("answered before the verdict")
				}
				if r.ready(l).Events&wsa.FD_ACCEPT == 0 {
					t.Fatal("no FD_ACCEPT")
				}
				asked := 0
				_, e = r.accept(l, provider.AcceptRequest{Cond: func(i *provider.Indication) provider.CondResult {
					asked++
					own, _ := r.table(s).WSPGetSockName(s)
					if i.Caller != own || i.Callee != addr(at) {
						t.Errorf("indication %v %v, want %v", i.Caller, i.Callee, own)
					}
					return c.verdict
				}})
				r.want("accept", e, c.want)
				if over, cause := r.phase(s); asked != 1 || over != c.over || cause != c.cause {
					t.Errorf("asked %d times; the peer: over %v, %s", asked, over, name(cause))
				}
				if deferred := c.left == 0; (r.ready(l).Events&wsa.FD_ACCEPT != 0) != deferred {
					t.Errorf("FD_ACCEPT is %v", !deferred)
				}
				_, e = r.accept(l, provider.AcceptRequest{})
				r.want("plain accept", e, c.left)
			})
		})
	}
}

// TestConditionalAcceptOrder: a deferred attempt stays the first; AcceptEx takes one too.
func TestConditionalAcceptOrder(t *testing.T) {
	const at = "127.0.0.1:80"
	r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{}))
	l := r.conditional(at)
	var names []provider.Addr
	for range 2 {
		s := r.tcp()
		r.connect(s, at)
		n, _ := r.table(s).WSPGetSockName(s)
		names = append(names, n)
	}
	_, e := r.accept(l, provider.AcceptRequest{Cond: func(*provider.Indication) provider.CondResult { return provider.CF_DEFER }})
	r.want("defer", e, wsa.TRY_AGAIN)
	for i, q := range []provider.AcceptRequest{{}, {Into: r.tcp()}} {
		n, e := r.accept(l, q)
		r.want("accept", e, 0)
		if p, _ := r.table(n).WSPGetPeerName(n); p != names[i] {
			t.Errorf("%d: %v, want %v", i, p, names[i])
		}
	}
}

// TestConditionalAcceptWithdrawn: EACCES for what the condition function wanted and the
// peer does not any more (3.3); without one the next attempt is taken.
func TestConditionalAcceptWithdrawn(t *testing.T) {
	const at = "127.0.0.1:80"
	r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{}))
	l := r.conditional(at)
	for _, plain := range []bool{false, true} {
		gone := r.tcp()
		r.connect(gone, at)
		_, e := r.accept(l, provider.AcceptRequest{Cond: func(*provider.Indication) provider.CondResult { return provider.CF_DEFER }})
		r.want("defer", e, wsa.TRY_AGAIN)
		r.close(gone, provider.CloseAbort)
		next := r.tcp()
		r.connect(next, at)
		if !plain {
			_, e = r.accept(l, provider.AcceptRequest{Cond: func(*provider.Indication) provider.CondResult { return provider.CF_ACCEPT }})
			r.want("withdrawn", e, wsa.EACCES)
		}
		n, e := r.accept(l, provider.AcceptRequest{})
		r.want("the next", e, 0)
		own, _ := r.table(next).WSPGetSockName(next)
		if p, _ := r.table(n).WSPGetPeerName(n); p != own {
			t.Errorf("accepted %v, want %v", p, own)
		}
	}
}

// TestConditionalAcceptClose: closing refuses what was deferred, from within the
// condition function too.
func TestConditionalAcceptClose(t *testing.T) {
	for _, within := range []bool{false, true} {
		r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{}))
		l := r.conditional("127.0.0.1:80")
		s := r.tcp()
		r.connect(s, "127.0.0.1:80")
		_, e := r.accept(l, provider.AcceptRequest{Cond: func(*provider.Indication) provider.CondResult {
			if within {
				r.want("close", r.close(l, provider.CloseLinger), 0)
			}
			return provider.CF_DEFER
		}})
		r.want("defer", e, wsa.TRY_AGAIN)
		if !within {
			r.want("close", r.close(l, provider.CloseLinger), 0)
		}
		if over, cause := r.phase(s); !over || cause != wsa.ECONNREFUSED {
			t.Errorf("within %v: over %v, %s", within, over, name(cause))
		}
	}
}

// TestConditionalOption: before listen, else EINVAL; ENOPROTOOPT where the network
// answers SYNs by itself; the same for SO_PAUSE_ACCEPT, but for when (9.1).
func TestConditionalOption(t *testing.T) {
	r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{}))
	l := r.conditional("127.0.0.1:80")
	r.want("after listen", r.set(l, wsa.SOL_SOCKET, wsa.SO_CONDITIONAL_ACCEPT, 0), wsa.EINVAL)
	r.want("pause", r.set(l, wsa.SOL_SOCKET, wsa.SO_PAUSE_ACCEPT, 1), 0)
	s := r.tcp()
	r.connect(s, "127.0.0.1:80")
	if over, cause := r.phase(s); !over || cause != wsa.ECONNREFUSED {
		t.Errorf("paused: over %v, %s", over, name(cause))
	}
	for _, o := range []int32{wsa.SO_CONDITIONAL_ACCEPT, wsa.SO_PAUSE_ACCEPT} {
		if v, e := r.get(l, wsa.SOL_SOCKET, o); v != 1 || e != 0 {
			t.Errorf("%#x reads %d, %s", o, v, name(e))
		}
		r.want("of a datagram socket", r.set(r.udp(), wsa.SOL_SOCKET, o, 1), wsa.ENOPROTOOPT)
		d := basetest.NewScript()
		d.OnOpen(func(ep *basetest.Endpoint) { ep.Lacks(wsa.SOL_SOCKET, o) })
		bare := newRig(t, d)
		bare.want("a network without it", bare.set(bare.tcp(), wsa.SOL_SOCKET, o, 1), wsa.ENOPROTOOPT)
	}
}
