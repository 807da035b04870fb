package base_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// listening is a listener over a Script with clients in its queue.
func (r *rig) listening(d *basetest.Script, clients ...*basetest.Endpoint) *provider.Socket {
	r.t.Helper()
	s := r.tcp()
	r.bind(s, "127.0.0.1:80")
	r.want("listen", r.table(s).WSPListen(s, 5), 0)
	for _, c := range clients {
		d.Last().On("Accept", basetest.Result{Endpoint: c})
	}
	return s
}

func client(port string) *basetest.Endpoint {
	ep := basetest.NewEndpoint(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	ep.Set(established)
	ep.SetNames(addr("127.0.0.1:80"), addr("127.0.0.1:"+port))
	return ep
}

// TestConditions is the table of winsock-spi 3.3 and 12.5.
func TestConditions(t *testing.T) {
	for _, c := range []struct {
		name   string
		result provider.CondResult
		want   wsa.Errno
		next   wsa.Errno // of a plain accept that follows
		gone   bool      // the connection was reset
	}{
		{"accept", provider.CF_ACCEPT, 0, wsa.EWOULDBLOCK, false},
		{"reject", provider.CF_REJECT, wsa.ECONNREFUSED, wsa.EWOULDBLOCK, true},
		{"defer", provider.CF_DEFER, wsa.TRY_AGAIN, 0, false},
		{"nonsense", 42, wsa.EINVAL, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, layers ...provider.Layer) {
				d := basetest.NewScript()
				r := newRig(t, d, layers...)
				ep := client("1001")
				l := r.listening(d, ep)
				asked := 0
				_, e := r.accept(l, provider.AcceptRequest{Cond: func(i *provider.Indication) provider.CondResult {
					asked++
					if i.Caller != addr("127.0.0.1:1001") || i.Callee != addr("127.0.0.1:80") {
						t.Errorf("indication %+v", i)
					}
					// The application may look at the listener from here.
					if _, e := r.table(l).WSPGetSockName(l); e != 0 {
						t.Errorf("name within the condition: %s", name(e))
					}
					return c.result
				}})
				r.want("accept", e, c.want)
				if asked != 1 {
					t.Errorf("asked %d times", asked)
				}
				if abort, closed := ep.Closed(); closed != c.gone || closed && !abort {
					t.Errorf("closed %v abort %v", closed, abort)
				}
				waits := r.ready(l).Events&wsa.FD_ACCEPT != 0
				if waits != (c.next == 0) {
					t.Errorf("FD_ACCEPT level %v", waits)
				}
				n, e := r.accept(l, provider.AcceptRequest{})
				r.want("the next accept", e, c.next)
				if e == 0 {
					if p, _ := r.table(n).WSPGetPeerName(n); p != addr("127.0.0.1:1001") {
						t.Errorf("another connection: %v", p)
					}
				}
			})
		})
	}
}

// TestDeferKeepsOrder: what was deferred stays at the head.
func TestDeferKeepsOrder(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	l := r.listening(d, client("1"), client("2"))
	// Two accepts overlap, the second within the first, and both defer.
	both := func(*provider.Indication) provider.CondResult { return provider.CF_DEFER }
	_, e := r.accept(l, provider.AcceptRequest{Cond: func(*provider.Indication) provider.CondResult {
		_, e := r.accept(l, provider.AcceptRequest{Cond: both})
		r.want("inner defer", e, wsa.TRY_AGAIN)
		return provider.CF_DEFER
	}})
	r.want("outer defer", e, wsa.TRY_AGAIN)
	for _, want := range []string{"127.0.0.1:1", "127.0.0.1:2"} {
		n, e := r.accept(l, provider.AcceptRequest{})
		r.want("accept", e, 0)
		if p, _ := r.table(n).WSPGetPeerName(n); p != addr(want) {
			t.Errorf("peer %v, want %s", p, want)
		}
	}
}

// TestDeferredIsClosed with its listener.
func TestDeferredIsClosed(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	ep := client("1")
	l := r.listening(d, ep)
	r.accept(l, provider.AcceptRequest{Cond: func(*provider.Indication) provider.CondResult { return provider.CF_DEFER }})
	r.want("close", r.close(l, provider.CloseLinger), 0)
	if abort, closed := ep.Closed(); !closed || !abort {
		t.Error("the deferred connection was left open")
	}
}

// TestAcceptedPeerGone is ECONNRESET, whether the driver says it or the state does.
func TestAcceptedPeerGone(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	ep := client("1")
	ep.Set(dead(wsa.ECONNRESET))
	l := r.listening(d, ep)
	_, e := r.accept(l, provider.AcceptRequest{})
	r.want("dead connection", e, wsa.ECONNRESET)
	if _, closed := ep.Closed(); !closed {
		t.Error("it was not closed")
	}
	d.Last().On("Accept", basetest.Result{Errno: wsa.ECONNRESET})
	_, e = r.accept(l, provider.AcceptRequest{})
	r.want("the driver's word", e, wsa.ECONNRESET)
	_, e = r.accept(l, provider.AcceptRequest{})
	r.want("and then", e, wsa.EWOULDBLOCK)
}

// TestAcceptQuota: a connection that finds no descriptor is not lost (3.3: EMFILE
// is "queue non-empty but no descriptors").
func TestAcceptQuota(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	ep := client("1")
	l := r.listening(d, ep)
	r.host.Limit = 1
	_, e := r.accept(l, provider.AcceptRequest{})
	r.want("above the quota", e, wsa.EMFILE)
	ep.Wake(wsa.FD_READ) // finds no socket, and must not mind
	r.host.Limit = 0
	n, e := r.accept(l, provider.AcceptRequest{})
	r.want("below it", e, 0)
	var w watched
	r.table(n).Watch(n, &w, wsa.FD_ALL_EVENTS)
	ep.Wake(wsa.FD_READ)
	if w.take() != wsa.FD_READ {
		t.Error("wakes do not find the accepted socket")
	}
	r.table(n).Watch(n, nil, 0)
}

// TestInherits: an accepted socket has the listener's options, on the endpoint
// too; early ones only read back; and it is not listening.
func TestInherits(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	ep := basetest.NewEndpoint(wsa.AF_INET6, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	ep.Set(established)
	ep.SetNames(addr("[::1]:80"), addr("[::1]:1001"))
	l := r.socket(wsa.AF_INET6, wsa.SOCK_STREAM, 0)
	r.want("v6only", r.set(l, wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY, 0), 0)
	r.bind(l, "[::1]:80")
	r.want("listen", r.table(l).WSPListen(l, 5), 0)
	d.Last().On("Accept", basetest.Result{Endpoint: ep})
	r.want("nodelay", r.set(l, wsa.IPPROTO_TCP, wsa.TCP_NODELAY, 1), 0)
	r.want("linger", r.table(l).WSPSetSockOpt(l, wsa.SOL_SOCKET, wsa.SO_LINGER, le32(1|7<<16)), 0)
	n, e := r.accept(l, provider.AcceptRequest{})
	r.want("accept", e, 0)
	for _, o := range []struct {
		level, name int32
		want        int
		pushed      bool
	}{
		{wsa.IPPROTO_TCP, wsa.TCP_NODELAY, 1, true},
		{wsa.SOL_SOCKET, wsa.SO_LINGER, 1 | 7<<16, false},
		{wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY, 0, false},
		{wsa.IPPROTO_IPV6, wsa.IPV6_UNICAST_HOPS, 128, true},
		{wsa.SOL_SOCKET, wsa.SO_ACCEPTCONN, 0, false},
	} {
		if v, e := r.get(n, o.level, o.name); v != o.want || e != 0 {
			t.Errorf("option %d/%#x: %d %s, want %d", o.level, o.name, v, name(e), o.want)
		}
		if v, e := ep.Option(o.level, o.name); (e == 0) != o.pushed || o.pushed && v != o.want {
			t.Errorf("option %d/%#x at the endpoint: %d %s", o.level, o.name, v, name(e))
		}
	}
	r.want("nodelay off", r.set(n, wsa.IPPROTO_TCP, wsa.TCP_NODELAY, 0), 0)
	if v, _ := r.get(l, wsa.IPPROTO_TCP, wsa.TCP_NODELAY); v != 1 {
		t.Error("the listener's option changed with the accepted socket's")
	}
	if g := r.ready(n); g.Events&wsa.FD_CONNECT != 0 {
		t.Error("an accepted socket reports FD_CONNECT")
	}
}

// TestAcceptInto is AcceptEx: the connection goes under an existing socket.
func TestAcceptInto(t *testing.T) {
	everywhere(t, func(t *testing.T, layers ...provider.Layer) {
		d := basetest.NewScript()
		r := newRig(t, d, layers...)
		ep := client("1001")
		l := r.listening(d)
		queue := d.Last()
		for _, c := range []struct {
			name string
			into *provider.Socket
		}{
			{"bound", states["bound"](r, d)},
			{"connecting", connectingTo(r, d)},
			{"connected", connectedTo(r, d)},
			{"a datagram socket", r.udp()},
			{"another family", r.socket(wsa.AF_INET6, wsa.SOCK_STREAM, 0)},
			{"the listener", l},
		} {
			_, e := r.accept(l, provider.AcceptRequest{Into: c.into})
			r.want("into "+c.name, e, wsa.EINVAL)
		}
		into := r.tcp()
		own := d.Last()
		queue.On("Accept", basetest.Result{Endpoint: ep})
		n, e := r.accept(l, provider.AcceptRequest{Into: into})
		r.want("accept into", e, 0)
		if n != into {
			t.Error("another socket came back")
		}
		if _, closed := own.Closed(); !closed {
			t.Error("its own endpoint was kept")
		}
		if p, e := r.table(into).WSPGetPeerName(into); e != 0 || p != addr("127.0.0.1:1001") {
			t.Errorf("peer %v %s", p, name(e))
		}
		_, e = r.accept(l, provider.AcceptRequest{Into: into})
		r.want("into the same again", e, wsa.EINVAL)
	})
}

// TestAcceptIntoTakesNothing: a socket that cannot adopt costs no connection.
func TestAcceptIntoTakesNothing(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	l := r.listening(d, client("1"))
	bound := states["bound"](r, d)
	_, e := r.accept(l, provider.AcceptRequest{Into: bound})
	r.want("into a bound socket", e, wsa.EINVAL)
	_, e = r.accept(l, provider.AcceptRequest{})
	r.want("the connection is still there", e, 0)
}
