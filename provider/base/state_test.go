package base_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// An operation of the matrix.
type operation func(r *rig, s *provider.Socket) wsa.Errno

var operations = map[string]operation{
	"bind":    func(r *rig, s *provider.Socket) wsa.Errno { return r.table(s).WSPBind(s, addr("127.0.0.1:80")) },
	"connect": func(r *rig, s *provider.Socket) wsa.Errno { return r.connect(s, "10.0.0.9:80") },
	"listen":  func(r *rig, s *provider.Socket) wsa.Errno { return r.table(s).WSPListen(s, 1) },
	"accept": func(r *rig, s *provider.Socket) wsa.Errno {
		_, e := r.accept(s, provider.AcceptRequest{})
		return e
	},
	"send":     func(r *rig, s *provider.Socket) wsa.Errno { _, e := r.send(s, "x"); return e },
	"sendto":   func(r *rig, s *provider.Socket) wsa.Errno { _, e := r.sendTo(s, "10.0.0.8:81", "x"); return e },
	"recv":     func(r *rig, s *provider.Socket) wsa.Errno { _, e := r.recv(s, 9, 0); return e },
	"recvfrom": func(r *rig, s *provider.Socket) wsa.Errno { _, _, e := r.recvFrom(s, 9); return e },
	"shutdown": func(r *rig, s *provider.Socket) wsa.Errno { return r.table(s).WSPShutdown(s, wsa.SD_SEND) },
	"sockname": func(r *rig, s *provider.Socket) wsa.Errno { _, e := r.table(s).WSPGetSockName(s); return e },
	"peername": func(r *rig, s *provider.Socket) wsa.Errno { _, e := r.table(s).WSPGetPeerName(s); return e },
	"joinleaf": func(r *rig, s *provider.Socket) wsa.Errno {
		_, e := r.table(s).WSPJoinLeaf(s, &provider.JoinRequest{})
		return e
	},
	"duplicate": func(r *rig, s *provider.Socket) wsa.Errno { _, e := r.table(s).WSPDuplicateSocket(s, 1); return e },
	"bad how":   func(r *rig, s *provider.Socket) wsa.Errno { return r.table(s).WSPShutdown(s, 3) },
	"so_error":  func(r *rig, s *provider.Socket) wsa.Errno { _, e := r.get(s, wsa.SOL_SOCKET, wsa.SO_ERROR); return e },
	"fionbio": func(r *rig, s *provider.Socket) wsa.Errno {
		_, e := r.table(s).WSPIoctl(s, &provider.IoctlRequest{Code: wsa.FIONBIO, In: le32(1)})
		return e
	},
}

// established is the raw state of a healthy connection.
var established = base.State{Phase: base.Connected, Writable: true}

func dead(e wsa.Errno) base.State { return base.State{Phase: base.Dead, Err: e} }

// states bring a stream socket over a Script somewhere.
var states = map[string]func(r *rig, d *basetest.Script) *provider.Socket{
	"fresh": func(r *rig, _ *basetest.Script) *provider.Socket { return r.tcp() },
	"bound": func(r *rig, _ *basetest.Script) *provider.Socket {
		s := r.tcp()
		r.bind(s, "127.0.0.1:0")
		return s
	},
	"listening": func(r *rig, _ *basetest.Script) *provider.Socket {
		s := r.tcp()
		r.bind(s, "127.0.0.1:0")
		r.want("listen", r.table(s).WSPListen(s, 1), 0)
		return s
	},
	"connecting": connectingTo,
	"connected":  connectedTo,
	"refused": func(r *rig, d *basetest.Script) *provider.Socket {
		s := connectingTo(r, d)
		d.Last().Become(dead(wsa.ECONNREFUSED), wsa.FD_CONNECT)
		return s
	},
	"reset":     died(wsa.ECONNRESET),
	"timed out": died(wsa.ETIMEDOUT),
	"net down":  died(wsa.ENETDOWN),
	"SD_SEND":   shut(wsa.SD_SEND), "SD_RECEIVE": shut(wsa.SD_RECEIVE), "SD_BOTH": shut(wsa.SD_BOTH),
	"failed": func(r *rig, d *basetest.Script) *provider.Socket {
		s := connectedTo(r, d)
		s.Fail(wsa.EACCES, "by a layer")
		return s
	},
	"closed": func(r *rig, d *basetest.Script) *provider.Socket {
		s := connectedTo(r, d)
		r.want("close", r.close(s, provider.CloseLinger), 0)
		return s
	},
}

func connectingTo(r *rig, d *basetest.Script) *provider.Socket {
	s := r.tcp()
	d.Last().SetNames(addr("10.0.0.1:49152"), addr("10.0.0.9:80"))
	r.want("connect", r.connect(s, "10.0.0.9:80"), wsa.EWOULDBLOCK)
	return s
}

func connectedTo(r *rig, d *basetest.Script) *provider.Socket {
	s := connectingTo(r, d)
	d.Last().Become(established, wsa.FD_CONNECT|wsa.FD_WRITE)
	return s
}

func died(e wsa.Errno) func(*rig, *basetest.Script) *provider.Socket {
	return func(r *rig, d *basetest.Script) *provider.Socket {
		s := connectedTo(r, d)
		d.Last().Become(dead(e), wsa.FD_CLOSE)
		return s
	}
}

func shut(how int) func(*rig, *basetest.Script) *provider.Socket {
	return func(r *rig, d *basetest.Script) *provider.Socket {
		s := connectedTo(r, d)
		r.want("shutdown", r.table(s).WSPShutdown(s, how), 0)
		return s
	}
}

// TestStreamStates is the matrix of states and operations of a stream socket
// (winsock-spi 3.3 to 3.28, 8.4). An operation that a row does not name gives
// the code under "*".
func TestStreamStates(t *testing.T) {
	type row map[string]wsa.Errno
	live := row{"bind": wsa.EINVAL, "connect": wsa.EISCONN, "listen": wsa.EISCONN, "accept": wsa.EINVAL, "recv": wsa.EWOULDBLOCK, "recvfrom": wsa.EWOULDBLOCK}
	but := func(base, change row) row {
		m := row{"joinleaf": wsa.EOPNOTSUPP, "duplicate": 0, "bad how": wsa.EINVAL}
		for _, from := range []row{base, change} {
			for k, v := range from {
				m[k] = v
			}
		}
		return m
	}
	idle := row{"send": wsa.ENOTCONN, "sendto": wsa.ENOTCONN, "recv": wsa.ENOTCONN, "recvfrom": wsa.ENOTCONN, "shutdown": wsa.ENOTCONN, "peername": wsa.ENOTCONN, "accept": wsa.EINVAL}
	ended := func(e wsa.Errno) row {
		return but(live, row{"send": e, "sendto": e, "recv": e, "recvfrom": e, "shutdown": e})
	}
	all := func(e wsa.Errno) row { return row{"*": e} }
	for state, want := range map[string]row{
		"fresh":      but(idle, row{"connect": wsa.EWOULDBLOCK, "listen": wsa.EINVAL, "recv": wsa.EINVAL, "recvfrom": wsa.EINVAL, "sockname": wsa.EINVAL}),
		"bound":      but(idle, row{"bind": wsa.EINVAL, "connect": wsa.EWOULDBLOCK}),
		"listening":  but(idle, row{"bind": wsa.EINVAL, "connect": wsa.EINVAL, "accept": wsa.EWOULDBLOCK}),
		"connecting": but(idle, row{"bind": wsa.EINVAL, "connect": wsa.EALREADY, "listen": wsa.EINVAL}),
		"refused":    but(idle, row{"bind": wsa.EINVAL, "connect": wsa.EWOULDBLOCK, "listen": wsa.EINVAL}),
		"connected":  but(live, nil),
		"SD_SEND":    but(live, row{"send": wsa.ESHUTDOWN, "sendto": wsa.ESHUTDOWN}),
		"SD_RECEIVE": but(live, row{"recv": wsa.ESHUTDOWN, "recvfrom": wsa.ESHUTDOWN}),
		"SD_BOTH":    but(live, row{"send": wsa.ESHUTDOWN, "sendto": wsa.ESHUTDOWN, "recv": wsa.ESHUTDOWN, "recvfrom": wsa.ESHUTDOWN}),
		"reset":      ended(wsa.ECONNRESET),
		"timed out":  ended(wsa.ETIMEDOUT), // 3.29 item 9
		"net down":   ended(wsa.ENETDOWN),
		"failed":     all(wsa.EACCES),
		"closed":     all(wsa.ENOTSOCK),
	} {
		t.Run(state, func(t *testing.T) { matrix(t, states[state], want) })
	}
}

func matrix(t *testing.T, state func(*rig, *basetest.Script) *provider.Socket, want map[string]wsa.Errno) {
	for op, do := range operations {
		d := basetest.NewScript()
		r := newRig(t, d)
		s := state(r, d)
		expected, ok := want[op]
		if !ok {
			expected = want["*"]
		}
		if e := do(r, s); e != expected {
			t.Errorf("%s: %s, want %s", op, name(e), name(expected))
		}
	}
}

// TestDatagramStates is the same for UDP.
func TestDatagramStates(t *testing.T) {
	type row map[string]wsa.Errno
	with := func(change row) row {
		m := row{"bind": wsa.EINVAL, "listen": wsa.EOPNOTSUPP, "accept": wsa.EOPNOTSUPP, "recv": wsa.EWOULDBLOCK, "recvfrom": wsa.EWOULDBLOCK,
			"joinleaf": wsa.EOPNOTSUPP, "duplicate": 0, "bad how": wsa.EINVAL}
		for k, v := range change {
			m[k] = v
		}
		return m
	}
	bound := func(r *rig) *provider.Socket {
		s := r.udp()
		r.bind(s, "127.0.0.1:0")
		return s
	}
	joined := func(r *rig) *provider.Socket {
		s := r.udp()
		r.want("connect", r.connect(s, "10.0.0.9:80"), 0)
		return s
	}
	for _, c := range []struct {
		name string
		make func(*rig) *provider.Socket
		want row
	}{
		{"fresh", func(r *rig) *provider.Socket { return r.udp() },
			with(row{"bind": 0, "send": wsa.ENOTCONN, "recv": wsa.EINVAL, "recvfrom": wsa.EINVAL, "sockname": wsa.EINVAL, "peername": wsa.ENOTCONN})},
		{"bound", bound, with(row{"send": wsa.ENOTCONN, "peername": wsa.ENOTCONN})},
		{"connected", joined, with(nil)},
		{"disconnected", func(r *rig) *provider.Socket {
			s := joined(r)
			r.want("disconnect", r.connect(s, "0.0.0.0:0"), 0)
			return s
		}, with(row{"send": wsa.ENOTCONN, "recv": wsa.ENOTCONN, "peername": wsa.ENOTCONN})},
		{"disconnected by nil", func(r *rig) *provider.Socket {
			s := joined(r)
			r.want("disconnect", r.table(s).WSPConnect(s, &provider.ConnectRequest{}), 0)
			return s
		}, with(row{"send": wsa.ENOTCONN, "recv": wsa.ENOTCONN, "peername": wsa.ENOTCONN})},
		{"bound by sendto", func(r *rig) *provider.Socket {
			s := r.udp()
			_, e := r.sendTo(s, "10.0.0.9:80", "x")
			r.want("sendto", e, 0)
			return s
		}, with(row{"send": wsa.ENOTCONN, "peername": wsa.ENOTCONN})},
		{"SD_RECEIVE", func(r *rig) *provider.Socket {
			s := joined(r)
			r.want("shutdown", r.table(s).WSPShutdown(s, wsa.SD_RECEIVE), 0)
			return s
		}, with(row{"recv": wsa.ESHUTDOWN, "recvfrom": wsa.ESHUTDOWN})},
		{"SD_SEND", func(r *rig) *provider.Socket {
			s := joined(r)
			r.want("shutdown", r.table(s).WSPShutdown(s, wsa.SD_SEND), 0)
			return s
		}, with(row{"send": wsa.ESHUTDOWN, "sendto": wsa.ESHUTDOWN})},
		{"closed", func(r *rig) *provider.Socket {
			s := bound(r)
			r.want("close", r.close(s, provider.CloseLinger), 0)
			return s
		}, row{"*": wsa.ENOTSOCK}},
	} {
		t.Run(c.name, func(t *testing.T) {
			matrix(t, func(r *rig, _ *basetest.Script) *provider.Socket { return c.make(r) }, c.want)
		})
	}
}

// TestForeignSocket: every entry survives a Socket that is not the base's.
func TestForeignSocket(t *testing.T) {
	r := newRig(t, basetest.NewScript())
	table := r.table(r.tcp())
	for _, s := range []*provider.Socket{{}, nil} {
		if _, e := table.WSPRecv(s, &provider.Msg{Buffers: [][]byte{nil}}); e != wsa.ENOTSOCK {
			t.Errorf("recv: %s", name(e))
		}
		if e := table.WSPBind(s, addr("127.0.0.1:1")); e != wsa.ENOTSOCK {
			t.Errorf("bind: %s", name(e))
		}
	}
	if g := table.Ready(&provider.Socket{}, wsa.FD_ALL_EVENTS); g.Events != 0 {
		t.Errorf("a foreign socket is ready: %v", g)
	}
}

// TestLatched: what ended a connection is said for ever, by a driver that says it
// once (winsock-spi 3.21, tests.md 3); data queued before comes first; SO_ERROR
// stays 0; FD_CLOSE carries ECONNABORTED.
func TestLatched(t *testing.T) {
	everywhere(t, func(t *testing.T, layers ...provider.Layer) {
		d := basetest.NewScript()
		r := newRig(t, d, layers...)
		s := connectedTo(r, d)
		ep := d.Last()
		ep.On("Recv", basetest.Result{Data: []byte("last words")}, basetest.Result{Errno: wsa.ECONNRESET}, basetest.Result{})
		ep.Become(base.State{Phase: base.Dead, Err: wsa.ECONNRESET, Readable: true}, wsa.FD_CLOSE)
		got := r.ready(s)
		if want := wsa.FD_READ | wsa.FD_WRITE | wsa.FD_CONNECT | wsa.FD_CLOSE | wsa.EvDrained; got.Events != want || got.Close != wsa.ECONNABORTED || got.Connect != 0 {
			t.Errorf("ready %+v", got)
		}
		if data, e := r.recv(s, 99, 0); data != "last words" || e != 0 {
			t.Errorf("queued data: %q, %s", data, name(e))
		}
		for i := range 4 { // the script's answers: the error, end of stream, EWOULDBLOCK
			_, e := r.recv(s, 99, 0)
			r.want("recv after the reset", e, wsa.ECONNRESET)
			if v, e := r.get(s, wsa.SOL_SOCKET, wsa.SO_ERROR); v != 0 || e != 0 {
				t.Errorf("round %d: SO_ERROR %d, %s", i, v, name(e))
			}
			ep.On("Send", basetest.Result{Errno: wsa.ECONNABORTED})
			_, e = r.send(s, "x")
			r.want("send after the reset", e, wsa.ECONNRESET)
		}
		if p, e := r.table(s).WSPGetPeerName(s); e != 0 || p != addr("10.0.0.9:80") {
			t.Errorf("peer name of the dead: %v, %s", p, name(e))
		}
		ep.SetNames(provider.Addr{}, provider.Addr{})
		if a, e := r.table(s).WSPGetSockName(s); e != 0 || a != addr("10.0.0.1:49152") {
			t.Errorf("own name of the dead: %v, %s", a, name(e))
		}
	})
}

// TestEndOfStream: (0, 0) again and again, and sending still works (8.2).
func TestEndOfStream(t *testing.T) {
	r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{}))
	_, c, s := r.pair("127.0.0.1:7")
	r.want("shutdown", r.table(c).WSPShutdown(c, wsa.SD_SEND), 0)
	for range 3 {
		if data, e := r.recv(s, 9, 0); data != "" || e != 0 {
			t.Fatalf("end of stream: %q, %s", data, name(e))
		}
	}
	if g := r.ready(s); g.Events&(wsa.FD_CLOSE|wsa.FD_READ) != wsa.FD_CLOSE || g.Close != 0 {
		t.Errorf("ready %+v: want FD_CLOSE without FD_READ, cause 0", g)
	}
	r.send(s, "answer")
	if data, e := r.recv(c, 9, 0); data != "answer" || e != 0 {
		t.Errorf("the other way: %q, %s", data, name(e))
	}
}

// TestPendedReceive: what was issued before SD_RECEIVE may finish with data that
// comes later (observed, 8.4); SD_RECEIVE never reaches the network.
func TestPendedReceive(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := connectedTo(r, d)
	r.want("shutdown", r.table(s).WSPShutdown(s, wsa.SD_RECEIVE), 0)
	if n := len(d.Last().Called("Shutdown")); n != 0 {
		t.Errorf("SD_RECEIVE reached the driver %d times", n)
	}
	d.Last().On("Recv", basetest.Result{Data: []byte("late")})
	if data, e := r.recv(s, 9, wsa.MSG_PENDED); data != "late" || e != 0 {
		t.Errorf("pended receive: %q, %s", data, name(e))
	}
	if c := d.Last().Called("Recv"); len(c) != 1 || c[0].Flags != 0 {
		t.Errorf("the driver saw %+v", c)
	}
	r.want("shutdown both", r.table(s).WSPShutdown(s, wsa.SD_BOTH), 0)
	r.want("shutdown both again", r.table(s).WSPShutdown(s, wsa.SD_BOTH), 0) // Script checks: FIN once
}
