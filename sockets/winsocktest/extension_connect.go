package winsocktest

import (
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// connectEx is ConnectEx of a bound socket, which sends data.
func (e *End) connectEx(o *operation, name []byte, data string) wsa.Errno {
	return e.Session.ConnectEx(o.s, name, []byte(data), &o.n, &o.Overlapped)
}

// connecting is a bound socket, and an operation to connect it.
func (e *End) connecting() (sockets.SOCKET, *operation) {
	e.w.Helper()
	s := e.TCP()
	e.Bind(s)
	return s, e.operation(s, 64)
}

// started wants a call that connects to have begun: it may be complete.
func (w *Case) started(what string, e wsa.Errno) {
	w.Helper()
	if e != 0 {
		w.Want(what, e, wsa.IO_PENDING)
	}
}

// 5.9: ConnectEx.
var _ = add(
	Row{Section: "5.9", Name: "ConnectEx: connects", Run: func(w *Case) {
		l, at := w.S.Listen()
		c, o := w.C.connecting()
		w.started("ConnectEx", w.C.connectEx(o, at, ""))
		equal(w, "bytes", o.await(0), "")
		s := w.S.Accept(l)
		w.S.Send(s, "hello")
		equal(w, "text", w.C.Read(c, 5), "hello")
	}},
	Row{Section: "5.9", Name: "ConnectEx: sends data, and counts it", Run: func(w *Case) {
		l, at := w.S.Listen()
		_, o := w.C.connecting()
		w.started("ConnectEx", w.C.connectEx(o, at, "hello"))
		w.signalled(o.HEvent)
		n, e := o.result()
		w.Want("WSPGetOverlappedResult", e, 0)
		equal(w, "bytes", n, 5)
		equal(w, "text", w.S.Read(w.S.Accept(l), 5), "hello")
	}},
	Row{Section: "5.9", Name: "ConnectEx: data larger than all buffers", Run: func(w *Case) {
		l, at := w.S.Listen()
		c, o := w.C.connecting()
		w.C.narrow(c)
		data := make([]byte, large)
		w.started("ConnectEx", w.C.Session.ConnectEx(o.s, at, data, &o.n, &o.Overlapped))
		s := w.S.Accept(l)
		w.S.readAll(s, len(data))
		w.signalled(o.HEvent)
		n, e := o.result()
		w.Want("WSPGetOverlappedResult", e, 0)
		equal(w, "bytes", int(n), len(data))
	}},
	Row{Section: "5.9", Name: "ConnectEx: names and shutdown after SO_UPDATE_CONNECT_CONTEXT", Run: func(w *Case) {
		_, at := w.S.Listen()
		c, o := w.C.connecting()
		w.started("ConnectEx", w.C.connectEx(o, at, ""))
		o.await(0)
		name, n := make([]byte, 64), int32(64)
		w.Want("WSPGetPeerName", w.C.WSPGetPeerName(c, name, &n), wsa.ENOTCONN)
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), wsa.ENOTCONN)
		w.Want("SO_UPDATE_CONNECT_CONTEXT", w.C.WSPSetSockOpt(c, wsa.SOL_SOCKET, wsa.SO_UPDATE_CONNECT_CONTEXT, nil), 0)
		w.Want("WSPGetPeerName", w.C.WSPGetPeerName(c, name, &n), 0)
		equal(w, "peer", string(name[:n]), string(at))
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
	}},
	Row{Section: "5.9", Name: "SO_UPDATE_CONNECT_CONTEXT: WSAENOTCONN before", Run: func(w *Case) {
		c, _ := w.C.connecting()
		w.Want("SO_UPDATE_CONNECT_CONTEXT", w.C.WSPSetSockOpt(c, wsa.SOL_SOCKET, wsa.SO_UPDATE_CONNECT_CONTEXT, nil), wsa.ENOTCONN)
	}},
	Row{Section: "5.9", Name: "ConnectEx: unbound: WSAEINVAL", Run: func(w *Case) {
		_, at := w.S.Listen()
		o := w.C.operation(w.C.TCP(), 0)
		w.Want("ConnectEx", w.C.connectEx(o, at, ""), wsa.EINVAL)
		equal(w, "the event is set", o.HEvent.IsSet(), false)
	}},
	Row{Section: "5.9", Name: "ConnectEx: WSAEINVAL: no overlapped, a listener, not an overlapped socket", Run: func(w *Case) {
		l, at := w.C.Listen()
		o := w.C.operation(l, 0)
		w.Want("listener", w.C.connectEx(o, at, ""), wsa.EINVAL)
		c, _ := w.C.connecting()
		w.Want("no overlapped", w.C.Session.ConnectEx(c, at, nil, nil, nil), wsa.EINVAL)
		plain := w.C.OpenWith(wsa.SOCK_STREAM, wsa.IPPROTO_TCP, 0)
		w.C.Bind(plain)
		w.Want("not overlapped", w.C.Session.ConnectEx(plain, at, nil, nil, &o.Overlapped), wsa.EINVAL)
	}},
	Row{Section: "5.9", Name: "ConnectEx: WSAECONNREFUSED", Run: func(w *Case) {
		l, at := w.S.Listen()
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(l), 0)
		c, o := w.C.connecting()
		if e := w.C.connectEx(o, at, "hello"); e == wsa.IO_PENDING {
			o.await(wsa.ECONNREFUSED)
		} else {
			w.Want("ConnectEx", e, wsa.ECONNREFUSED)
		}
		name, n := make([]byte, 64), int32(64)
		w.Want("WSPGetPeerName", w.C.WSPGetPeerName(c, name, &n), wsa.ENOTCONN)
	}},
	Row{Section: "5.9", Name: "ConnectEx: WSAEISCONN", Run: func(w *Case) {
		_, at := w.S.Listen()
		_, o := w.C.connecting()
		w.started("ConnectEx", w.C.connectEx(o, at, ""))
		o.await(0)
		w.Want("again", w.C.connectEx(o, at, ""), wsa.EISCONN)
	}},
	Row{Section: "5.9", Name: "ConnectEx: WSAEFAULT, WSAEAFNOSUPPORT, WSAEADDRNOTAVAIL", Run: func(w *Case) {
		_, at := w.S.Listen()
		for what, c := range map[string]struct {
			name func([]byte) []byte
			want wsa.Errno
		}{
			"short":  {func(b []byte) []byte { return b[:len(b)-1] }, wsa.EFAULT},
			"none":   {func([]byte) []byte { return nil }, wsa.EFAULT},
			"family": {func(b []byte) []byte { b[0] = 0xff; return append(b, make([]byte, 28)...) }, wsa.EAFNOSUPPORT},
			"port 0": {func(b []byte) []byte { b[2], b[3] = 0, 0; return b }, wsa.EADDRNOTAVAIL},
		} {
			_, o := w.C.connecting()
			w.Want(what, w.C.connectEx(o, c.name(append([]byte(nil), at...)), ""), c.want)
		}
	}},
)

// 5.9: DisconnectEx.
var _ = add(
	Row{Section: "5.9", Name: "DisconnectEx: a graceful SD_SEND; the socket still receives", Run: func(w *Case) {
		c, s := w.Connected()
		w.S.Send(s, "hello")
		o := w.S.operation(s, 9)
		w.started("DisconnectEx", w.S.Session.DisconnectEx(s, &o.Overlapped, 0, 0))
		equal(w, "text", w.C.Read(c, 5), "hello")
		text, e := w.C.Recv(c, 9, 0)
		w.Want("WSPRecv", e, 0)
		equal(w, "the end", text, "")
		equal(w, "bytes", o.await(0), "")
		w.Want("WSPSend", w.S.send(s, "x", 0), wsa.ESHUTDOWN)
		w.C.Send(c, "world")
		equal(w, "text", w.S.Read(s, 5), "world")
	}},
	Row{Section: "5.9", Name: "DisconnectEx without an overlapped blocks until all is acknowledged", Run: func(w *Case) {
		c, s := w.Connected()
		w.S.Send(s, "hello")
		w.Want("DisconnectEx", w.S.Session.DisconnectEx(s, nil, 0, 0), 0)
		equal(w, "text", w.C.Read(c, 5), "hello")
		w.Want("WSPSend", w.S.send(s, "x", 0), wsa.ESHUTDOWN)
	}},
	Row{Section: "5.9", Name: "DisconnectEx is behind the sends that wait", Run: func(w *Case) {
		c, s := w.Connected()
		out, o := w.S.writing(s), w.S.operation(s, 0)
		w.Want("DisconnectEx", w.S.Session.DisconnectEx(s, &o.Overlapped, 0, 0), wsa.IO_PENDING)
		w.C.readAll(c, len(out.b))
		equal(w, "bytes", len(out.await(0)), len(out.b))
		o.await(0)
		text, e := w.C.Recv(c, 9, 0)
		w.Want("WSPRecv", e, 0)
		equal(w, "the end", text, "")
	}},
	Row{Section: "5.9", Name: "DisconnectEx: WSAENOTCONN", Run: func(w *Case) {
		s := w.S.TCP()
		o := w.S.operation(s, 0)
		w.Want("overlapped", w.S.Session.DisconnectEx(s, &o.Overlapped, 0, 0), wsa.ENOTCONN)
		w.Want("blocking", w.S.Session.DisconnectEx(s, nil, 0, 0), wsa.ENOTCONN)
	}},
	Row{Section: "5.9", Name: "DisconnectEx: other flags, reserved: WSAEINVAL", Run: func(w *Case) {
		_, s := w.Connected()
		w.Want("flags", w.S.Session.DisconnectEx(s, nil, 4, 0), wsa.EINVAL)
		w.Want("reserved", w.S.Session.DisconnectEx(s, nil, 0, 1), wsa.EINVAL)
		plain := w.S.OpenWith(wsa.SOCK_STREAM, wsa.IPPROTO_TCP, 0)
		w.Want("not overlapped", w.S.Session.DisconnectEx(plain, new(sockets.Overlapped), 0, 0), wsa.EINVAL)
	}},
	Row{Section: "5.9", Name: "DisconnectEx: WSAECONNRESET", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.reset(c)
		w.S.Await(s, wsa.FD_CLOSE)
		e := w.S.Session.DisconnectEx(s, nil, 0, 0)
		w.Want("DisconnectEx", e, wsa.ECONNRESET)
	}},
	// needs base's SIO_REUSE_SOCKET
	Row{Section: "5.9", Name: "DisconnectEx, TF_REUSE_SOCKET: the socket connects again", Needs: NeedsReuse, Run: func(w *Case) {
		l, at := w.S.Listen()
		c, o := w.C.connecting()
		for range 3 {
			w.started("ConnectEx", w.C.connectEx(o, at, "hello"))
			w.signalled(o.HEvent)
			s := w.S.Accept(l)
			equal(w, "text", w.S.Read(s, 5), "hello")
			w.Want("WSPCloseSocket", w.S.WSPCloseSocket(s), 0)
			w.started("DisconnectEx", w.C.Session.DisconnectEx(c, &o.Overlapped, sockets.TF_REUSE_SOCKET, 0))
			o.await(0)
			l, at = w.S.Listen() // the pair of names is in TIME-WAIT
		}
	}},
	// needs base's SIO_REUSE_SOCKET
	Row{Section: "5.9", Name: "DisconnectEx, TF_REUSE_SOCKET: the socket accepts again", Needs: NeedsReuse, Run: func(w *Case) {
		l, at := w.S.Listen()
		s, o := w.S.accepting(l, 0)
		for range 3 {
			c := w.C.TCP()
			w.Want("WSPConnect", w.C.Connect(c, at), 0)
			o.await(0)
			w.C.Send(c, "hello")
			equal(w, "text", w.S.Read(s, 5), "hello")
			w.Want("WSPCloseSocket", w.C.WSPCloseSocket(c), 0)
			d := w.S.operation(s, 0)
			w.started("DisconnectEx", w.S.Session.DisconnectEx(s, &d.Overlapped, sockets.TF_REUSE_SOCKET, 0))
			d.await(0)
			w.Want("AcceptEx", w.S.acceptEx(o, s, 0), wsa.IO_PENDING)
		}
	}},
	// needs base's SIO_REUSE_SOCKET
	Row{Section: "5.9", Name: "DisconnectEx, TF_REUSE_SOCKET waits for the peer's FIN", Needs: NeedsReuse, Run: func(w *Case) {
		c, s := w.Connected()
		o := w.S.operation(s, 0)
		w.Want("DisconnectEx", w.S.Session.DisconnectEx(s, &o.Overlapped, sockets.TF_REUSE_SOCKET, 0), wsa.IO_PENDING)
		w.C.Await(c, wsa.FD_CLOSE)
		o.pending()
		w.Want("WSPCloseSocket", w.C.WSPCloseSocket(c), 0)
		o.await(0)
		w.Want("WSPSend", w.S.send(s, "x", 0), wsa.ENOTCONN)
	}},
)
