package base_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// errorRow is one row of an error table of winsock-spi 3: how the error comes about,
// and nothing else of the socket having changed by it (kept).
type errorRow struct {
	section string
	want    wsa.Errno
	when    string
	do      func(*rig, *basetest.Script) wsa.Errno
}

// on is an operation in a state of a stream socket.
func on(state, op string) func(*rig, *basetest.Script) wsa.Errno {
	return func(r *rig, d *basetest.Script) wsa.Errno { return operations[op](r, states[state](r, d)) }
}

// told is an operation to which the network says e.
func told(state, op, method string, e wsa.Errno) func(*rig, *basetest.Script) wsa.Errno {
	return func(r *rig, d *basetest.Script) wsa.Errno {
		s := states[state](r, d)
		d.Last().On(method, basetest.Result{Errno: e})
		return operations[op](r, s)
	}
}

// onUDP is an operation of a datagram socket, bound by sending to somebody before if
// bound says so, to which the network says the result.
func onUDP(bound bool, op, method string, result basetest.Result) func(*rig, *basetest.Script) wsa.Errno {
	return func(r *rig, d *basetest.Script) wsa.Errno {
		s := r.udp()
		if bound {
			r.bind(s, "10.0.0.1:0")
		}
		if method != "" {
			d.Last().On(method, result)
		}
		return operations[op](r, s)
	}
}

func failed(e wsa.Errno) basetest.Result { return basetest.Result{Errno: e} }

func bindTo(a provider.Addr) func(*rig, *basetest.Script) wsa.Errno {
	return func(r *rig, _ *basetest.Script) wsa.Errno { s := r.tcp(); return r.table(s).WSPBind(s, a) }
}

func connectTo(open func(*rig) *provider.Socket, q provider.ConnectRequest) func(*rig, *basetest.Script) wsa.Errno {
	return func(r *rig, _ *basetest.Script) wsa.Errno { s := open(r); return r.table(s).WSPConnect(s, &q) }
}

// acceptOne accepts with a condition function, of a connection to which the network says e.
func acceptOne(e wsa.Errno, verdict provider.CondResult) func(*rig, *basetest.Script) wsa.Errno {
	return func(r *rig, d *basetest.Script) wsa.Errno {
		s := states["listening"](r, d)
		result := failed(e)
		if e == 0 {
			result.Endpoint = basetest.NewEndpoint(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
			result.Endpoint.Set(established)
		}
		d.Last().On("Accept", result)
		_, got := r.accept(s, provider.AcceptRequest{Cond: func(*provider.Indication) provider.CondResult { return verdict }})
		return got
	}
}

func sendFlags(f wsa.MsgFlags) func(*rig, *basetest.Script) wsa.Errno {
	return func(r *rig, d *basetest.Script) wsa.Errno {
		s := connectedTo(r, d)
		_, e := r.table(s).WSPSend(s, &provider.Msg{Buffers: [][]byte{{1}}, Flags: f})
		return e
	}
}

func sendToFrom(size int, to provider.Addr) func(*rig, *basetest.Script) wsa.Errno {
	return func(r *rig, _ *basetest.Script) wsa.Errno {
		s := r.udp()
		_, e := r.table(s).WSPSendTo(s, &provider.Msg{Buffers: [][]byte{make([]byte, size)}, Addr: to})
		return e
	}
}

var (
	tcpSocket = (*rig).tcp
	udpSocket = (*rig).udp
)

// errorRows are the rows that can come about at a base. EINTR and the pending and
// aborted operations are package sockets'; EINPROGRESS is nobody's any more; a sockaddr
// that is too short does not reach a base. EACCES of 3.3 is TestConditionalAcceptWithdrawn's.
var errorRows = []errorRow{
	{"3.3", wsa.ECONNREFUSED, "CF_REJECT", acceptOne(0, provider.CF_REJECT)},
	{"3.3", wsa.ECONNRESET, "terminated before accept", acceptOne(wsa.ECONNRESET, 0)},
	{"3.3", wsa.ENETDOWN, "network down", acceptOne(wsa.ENETDOWN, 0)},
	{"3.3", wsa.EINVAL, "not listening", on("bound", "accept")},
	{"3.3", wsa.EINVAL, "bad cond return", acceptOne(0, 9)},
	{"3.3", wsa.EMFILE, "no descriptors", acceptOne(wsa.EMFILE, 0)},
	{"3.3", wsa.ENOBUFS, "no buffers", acceptOne(wsa.ENOBUFS, 0)},
	{"3.3", wsa.ENOTSOCK, "closed", on("closed", "accept")},
	{"3.3", wsa.EOPNOTSUPP, "not connection-oriented", onUDP(true, "accept", "", basetest.Result{})},
	{"3.3", wsa.TRY_AGAIN, "CF_DEFER", acceptOne(0, provider.CF_DEFER)},
	{"3.3", wsa.EWOULDBLOCK, "queue empty", on("listening", "accept")},

	{"3.6", wsa.ENETDOWN, "network down", told("fresh", "bind", "Bind", wsa.ENETDOWN)},
	{"3.6", wsa.EADDRINUSE, "taken", told("fresh", "bind", "Bind", wsa.EADDRINUSE)},
	{"3.6", wsa.EACCES, "exclusive", told("fresh", "bind", "Bind", wsa.EACCES)},
	{"3.6", wsa.EACCES, "broadcast bind", bindTo(addr("255.255.255.255:80"))},
	{"3.6", wsa.EADDRNOTAVAIL, "not a local address", told("fresh", "bind", "Bind", wsa.EADDRNOTAVAIL)},
	{"3.6", wsa.EFAULT, "nil", bindTo(provider.Addr{})},
	{"3.6", wsa.EFAULT, "the other family", bindTo(addr("[::1]:80"))},
	{"3.6", wsa.EAFNOSUPPORT, "an unknown family (observed)", bindTo(provider.Addr{Family: 0xdead})},
	{"3.6", wsa.EINVAL, "already bound", on("bound", "bind")},
	{"3.6", wsa.ENOBUFS, "no ports", told("fresh", "bind", "Bind", wsa.ENOBUFS)},
	{"3.6", wsa.ENOTSOCK, "closed", on("closed", "bind")},

	{"3.8", wsa.ENOTSOCK, "closed", func(r *rig, d *basetest.Script) wsa.Errno {
		return r.close(states["closed"](r, d), provider.CloseLinger)
	}},
	{"3.8", wsa.EWOULDBLOCK, "SO_LINGER with a time", func(r *rig, d *basetest.Script) wsa.Errno {
		s := connectedTo(r, d)
		r.want("SO_LINGER", r.set(s, wsa.SOL_SOCKET, wsa.SO_LINGER, 1|9<<16), 0)
		return r.close(s, provider.CloseLinger)
	}},

	{"3.9", wsa.ENETDOWN, "network down", told("fresh", "connect", "Connect", wsa.ENETDOWN)},
	{"3.9", wsa.EADDRINUSE, "conflict that surfaces late", told("bound", "connect", "Connect", wsa.EADDRINUSE)},
	{"3.9", wsa.EALREADY, "in progress", on("connecting", "connect")},
	{"3.9", wsa.EADDRNOTAVAIL, "all-zero address", connectTo(tcpSocket, provider.ConnectRequest{To: addr("0.0.0.0:80")})},
	{"3.9", wsa.EADDRNOTAVAIL, "port 0", connectTo(tcpSocket, provider.ConnectRequest{To: addr("10.0.0.9:0")})},
	{"3.9", wsa.EAFNOSUPPORT, "the other family", connectTo(tcpSocket, provider.ConnectRequest{To: addr("[::1]:80")})},
	{"3.9", wsa.ECONNREFUSED, "refused at once", told("fresh", "connect", "Connect", wsa.ECONNREFUSED)},
	{"3.9", wsa.EFAULT, "nil", connectTo(tcpSocket, provider.ConnectRequest{})},
	{"3.9", wsa.EINVAL, "listening", on("listening", "connect")},
	{"3.9", wsa.EINVAL, "ConnectEx unbound", connectTo(tcpSocket, provider.ConnectRequest{To: addr("10.0.0.9:80"), Ex: true})},
	{"3.9", wsa.EISCONN, "connected", on("connected", "connect")},
	{"3.9", wsa.ENETUNREACH, "no network", told("fresh", "connect", "Connect", wsa.ENETUNREACH)},
	{"3.9", wsa.EHOSTUNREACH, "no route to host", told("fresh", "connect", "Connect", wsa.EHOSTUNREACH)},
	{"3.9", wsa.ENOBUFS, "no ports", told("fresh", "connect", "Connect", wsa.ENOBUFS)},
	{"3.9", wsa.ENOTSOCK, "closed", on("closed", "connect")},
	{"3.9", wsa.EPROTONOSUPPORT, "caller data", connectTo(tcpSocket, provider.ConnectRequest{To: addr("10.0.0.9:80"), CallerData: []byte("x")})},
	{"3.9", wsa.EWOULDBLOCK, "started", on("fresh", "connect")},
	{"3.9", wsa.EACCES, "datagram connect to broadcast", connectTo(udpSocket, provider.ConnectRequest{To: addr("255.255.255.255:80")})},

	{"3.14", wsa.ENOTSOCK, "closed", on("closed", "peername")},
	{"3.14", wsa.ENOTCONN, "not connected", on("bound", "peername")},
	{"3.15", wsa.ENOTSOCK, "closed", on("closed", "sockname")},
	{"3.15", wsa.EINVAL, "not bound", on("fresh", "sockname")},

	{"3.20", wsa.ENETDOWN, "network down", told("bound", "listen", "Listen", wsa.ENETDOWN)},
	{"3.20", wsa.EADDRINUSE, "late bind conflict", told("bound", "listen", "Listen", wsa.EADDRINUSE)},
	{"3.20", wsa.EINVAL, "not bound", on("fresh", "listen")},
	{"3.20", wsa.EISCONN, "connected", on("connected", "listen")},
	{"3.20", wsa.EMFILE, "no descriptors", told("bound", "listen", "Listen", wsa.EMFILE)},
	{"3.20", wsa.ENOBUFS, "no buffers", told("bound", "listen", "Listen", wsa.ENOBUFS)},
	{"3.20", wsa.ENOTSOCK, "closed", on("closed", "listen")},
	{"3.20", wsa.EOPNOTSUPP, "datagram socket", onUDP(true, "listen", "", basetest.Result{})},

	{"3.21", wsa.ENETDOWN, "network down", on("net down", "recv")},
	{"3.21", wsa.ENOTCONN, "not connected", on("bound", "recv")},
	{"3.21", wsa.ENETRESET, "datagram: TTL expired", onUDP(true, "recv", "Recv", failed(wsa.ENETRESET))},
	{"3.21", wsa.ENOTSOCK, "closed", on("closed", "recv")},
	{"3.21", wsa.EOPNOTSUPP, "MSG_OOB unsupported", func(r *rig, d *basetest.Script) wsa.Errno {
		_, e := r.recv(connectedTo(r, d), 1, wsa.MSG_OOB)
		return e
	}},
	{"3.21", wsa.ESHUTDOWN, "SD_RECEIVE done", on("SD_RECEIVE", "recv")},
	{"3.21", wsa.EWOULDBLOCK, "nothing there", on("connected", "recv")},
	{"3.21", wsa.EMSGSIZE, "truncated", onUDP(true, "recv", "Recv", basetest.Result{N: 9, Errno: wsa.EMSGSIZE})},
	{"3.21", wsa.EINVAL, "not bound", onUDP(false, "recv", "", basetest.Result{})},
	{"3.21", wsa.ECONNABORTED, "local failure", told("connected", "recv", "Recv", wsa.ECONNABORTED)},
	{"3.21", wsa.ECONNRESET, "reset by peer", on("reset", "recv")},
	{"3.21", wsa.ECONNRESET, "UDP: port unreachable", onUDP(true, "recv", "Recv", failed(wsa.ECONNRESET))},
	{"3.21", wsa.ETIMEDOUT, "retransmission timeout", on("timed out", "recv")},

	{"3.23", wsa.EINVAL, "not bound", onUDP(false, "recvfrom", "", basetest.Result{})},
	{"3.23", wsa.ECONNRESET, "port unreachable for an earlier send", onUDP(true, "recvfrom", "Recv", failed(wsa.ECONNRESET))},
	{"3.23", wsa.EWOULDBLOCK, "nothing there", onUDP(true, "recvfrom", "", basetest.Result{})},
	{"3.23", wsa.ENOTSOCK, "closed", on("closed", "recvfrom")},

	{"3.25", wsa.ENETDOWN, "network down", on("net down", "send")},
	{"3.25", wsa.ENOBUFS, "buffer deadlock", told("connected", "send", "Send", wsa.ENOBUFS)},
	{"3.25", wsa.ENOTCONN, "not connected", on("bound", "send")},
	{"3.25", wsa.ENOTSOCK, "closed", on("closed", "send")},
	{"3.25", wsa.EOPNOTSUPP, "MSG_OOB unsupported", sendFlags(wsa.MSG_OOB)},
	{"3.25", wsa.EOPNOTSUPP, "MSG_PARTIAL unsupported", sendFlags(wsa.MSG_PARTIAL)},
	{"3.25", wsa.ESHUTDOWN, "SD_SEND done", on("SD_SEND", "send")},
	{"3.25", wsa.EWOULDBLOCK, "no room", told("connected", "send", "Send", wsa.EWOULDBLOCK)},
	{"3.25", wsa.ECONNABORTED, "local failure", told("connected", "send", "Send", wsa.ECONNABORTED)},
	{"3.25", wsa.ECONNRESET, "reset by peer", on("reset", "send")},
	{"3.25", wsa.ETIMEDOUT, "timeout", on("timed out", "send")},
	{"3.25", wsa.EINVAL, "no buffers", func(r *rig, d *basetest.Script) wsa.Errno {
		s := connectedTo(r, d)
		_, e := r.table(s).WSPSend(s, &provider.Msg{})
		return e
	}},
	{"3.25", wsa.EHOSTUNREACH, "no route to host", onUDP(true, "sendto", "Send", failed(wsa.EHOSTUNREACH))},

	{"3.26", wsa.EACCES, "broadcast without SO_BROADCAST", sendToFrom(1, addr("255.255.255.255:9"))},
	{"3.26", wsa.EMSGSIZE, "too large", sendToFrom(65508, addr("10.0.0.9:9"))},
	{"3.26", wsa.EADDRNOTAVAIL, "ADDR_ANY", sendToFrom(1, addr("0.0.0.0:9"))},
	{"3.26", wsa.EADDRNOTAVAIL, "port 0", sendToFrom(1, addr("10.0.0.9:0"))},
	{"3.26", wsa.EAFNOSUPPORT, "the other family", sendToFrom(1, addr("[::1]:9"))},
	{"3.26", wsa.EDESTADDRREQ, "no destination", sendToFrom(1, provider.Addr{})},
	{"3.26", wsa.ENETUNREACH, "no network", onUDP(true, "sendto", "Send", failed(wsa.ENETUNREACH))},
	{"3.26", wsa.ENETDOWN, "network down", onUDP(true, "sendto", "Send", failed(wsa.ENETDOWN))},
	{"3.26", wsa.EFAULT, "malformed", sendToFrom(1, provider.Addr{Family: wsa.AF_INET})},
	{"3.26", wsa.ENOBUFS, "no port for the implicit bind", onUDP(false, "sendto", "Bind", failed(wsa.ENOBUFS))},
	{"3.26", wsa.ENOTSOCK, "closed", on("closed", "sendto")},

	{"3.28", wsa.ENETDOWN, "network down", on("net down", "shutdown")},
	{"3.28", wsa.EINVAL, "bad how", on("connected", "bad how")},
	{"3.28", wsa.ENOTCONN, "not connected", on("bound", "shutdown")},
	{"3.28", wsa.ECONNABORTED, "dead already", func(r *rig, d *basetest.Script) wsa.Errno {
		return operations["shutdown"](r, died(wsa.ECONNABORTED)(r, d))
	}},
	{"3.28", wsa.ECONNRESET, "dead already", on("reset", "shutdown")},
	{"3.28", wsa.ENOTSOCK, "closed", on("closed", "shutdown")},
}

// TestErrorTables is winsock-spi 3.3 to 3.28, row by row, bare and under layers.
func TestErrorTables(t *testing.T) {
	for _, row := range errorRows {
		t.Run(row.section+" "+row.want.Name()+": "+row.when, func(t *testing.T) {
			everywhere(t, func(t *testing.T, layers ...provider.Layer) {
				d := basetest.NewScript()
				if e := row.do(newRig(t, d, layers...), d); e != row.want {
					t.Errorf("%s, want %s", name(e), name(row.want))
				}
			})
		})
	}
}

// TestConnectFailures is the part of 3.9's table that comes later: FD_CONNECT carries
// it, SO_ERROR keeps it, and the socket can be connected again.
func TestConnectFailures(t *testing.T) {
	for _, e := range []wsa.Errno{wsa.ECONNREFUSED, wsa.ETIMEDOUT, wsa.ENETUNREACH, wsa.EHOSTUNREACH, wsa.ENETDOWN} {
		t.Run("3.9 "+e.Name(), func(t *testing.T) {
			d := basetest.NewScript()
			r := newRig(t, d)
			s := connectingTo(r, d)
			d.Last().Become(base.State{Phase: base.Dead, Err: e}, wsa.FD_CONNECT)
			if g := r.ready(s); g.Events&wsa.FD_CONNECT == 0 || g.Connect != e {
				t.Errorf("%+v", g)
			}
			for range 2 {
				if v, _ := r.get(s, wsa.SOL_SOCKET, wsa.SO_ERROR); wsa.Errno(v) != e {
					t.Errorf("SO_ERROR %d", v)
				}
			}
			r.want("connect again", r.connect(s, "10.0.0.9:80"), wsa.EWOULDBLOCK)
			if v, _ := r.get(s, wsa.SOL_SOCKET, wsa.SO_ERROR); v != 0 {
				t.Errorf("SO_ERROR %d while it is tried again", v)
			}
		})
	}
}

// TestErrorLosesNothing: what failed can be done again with better arguments.
func TestErrorLosesNothing(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := r.tcp()
	for _, e := range []wsa.Errno{wsa.EADDRINUSE, wsa.EACCES, wsa.EADDRNOTAVAIL, wsa.ENOBUFS} {
		d.Last().On("Bind", failed(e))
		r.want("bind", r.table(s).WSPBind(s, addr("127.0.0.1:80")), e)
		_, n := r.table(s).WSPGetSockName(s)
		r.want("name", n, wsa.EINVAL)
	}
	r.bind(s, "127.0.0.1:80")
	for _, e := range []wsa.Errno{wsa.EADDRINUSE, wsa.EMFILE} {
		d.Last().On("Listen", failed(e))
		r.want("listen", r.table(s).WSPListen(s, 1), e)
		if v, _ := r.get(s, wsa.SOL_SOCKET, wsa.SO_ACCEPTCONN); v != 0 {
			t.Error("it listens")
		}
	}
	r.want("listen", r.table(s).WSPListen(s, 1), 0)
	_, e := r.accept(s, provider.AcceptRequest{Into: r.tcp()})
	r.want("accept", e, wsa.EWOULDBLOCK)
}
