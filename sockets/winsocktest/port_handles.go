package winsocktest

import (
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// Descriptors that have outlived their socket.
var _ = add(
	Row{Section: "5.5", Name: "a stale descriptor is WSAENOTSOCK, for every overlapped call", Run: func(w *Case) {
		_, s := w.Connected()
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(s), 0)
		o, port := w.S.operation(s, 9), sockets.CreateCompletionPort(0)
		x, to := w.S.Session, Name(w.S.Host, 9)
		for what, e := range map[string]wsa.Errno{
			"WSPRecv":         o.recv(),
			"WSPSend":         o.send(),
			"WSPIoctl":        w.S.WSPIoctl(s, wsa.FIONREAD, nil, o.b, &o.n, &o.Overlapped, nil, nil),
			"WSPCloseSocket":  w.S.WSPCloseSocket(s),
			"CancelIoEx":      x.CancelIoEx(s, nil),
			"Associate":       x.Associate(s, port, 1),
			"AcceptEx":        x.AcceptEx(s, s, make([]byte, 128), 0, 64, 64, &o.n, &o.Overlapped),
			"ConnectEx":       x.ConnectEx(s, to, nil, &o.n, &o.Overlapped),
			"DisconnectEx":    x.DisconnectEx(s, &o.Overlapped, 0, 0),
			"TransmitFile":    x.TransmitFile(s, nil, 0, 0, &o.Overlapped, nil, 0),
			"TransmitPackets": x.TransmitPackets(s, nil, 0, &o.Overlapped, 0),
			"WSARecvMsg":      x.WSARecvMsg(s, &sockets.WSAMSG{Buffers: [][]byte{o.b}}, &o.n, &o.Overlapped, nil),
			"WSASendMsg":      x.WSASendMsg(s, &sockets.WSAMSG{Buffers: [][]byte{o.b}}, 0, &o.n, &o.Overlapped, nil),
		} {
			w.Want(what, e, wsa.ENOTSOCK)
		}
		equal(w, "the event is set", o.HEvent.IsSet(), false)
	}},
	Row{Section: "5.5", Name: "a number is never given out again", Run: func(w *Case) {
		old := w.S.TCP()
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(old), 0)
		seen := map[sockets.SOCKET]bool{old: true}
		for range 1000 {
			s, e := w.S.WSPSocket(w.Family(), wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, wsa.WSA_FLAG_OVERLAPPED)
			w.Want("WSPSocket", e, 0)
			if seen[s] {
				w.Fatalf("%d was given out twice", s)
			}
			seen[s] = true
			w.Want("the old number", w.S.NonBlocking(old, true), wsa.ENOTSOCK)
			w.Want("WSPCloseSocket", w.S.WSPCloseSocket(s), 0)
		}
	}},
	Row{Section: "5.5", Name: "an operation of a closed socket does not reach the next one", Run: func(w *Case) {
		_, s := w.Connected()
		o := w.S.reading(s, 9)
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(s), 0)
		o.await(wsa.OPERATION_ABORTED)
		c, next := w.Connected()
		w.Want("CancelIoEx", w.S.Session.CancelIoEx(next, &o.Overlapped), wsa.EINVAL)
		w.C.Send(c, "hello")
		equal(w, "text", w.S.Read(next, 5), "hello")
		equal(w, "old buffer", string(o.b), string(make([]byte, 9)))
	}},
)
