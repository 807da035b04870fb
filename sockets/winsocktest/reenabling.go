package winsocktest

import (
	"fmt"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// registered is an event object with those events of s in it.
func (e *End) registered(s sockets.SOCKET, events wsa.Events) *sockets.Event {
	e.w.Helper()
	event := sockets.CreateEvent()
	e.w.Want("WSPEventSelect", e.WSPEventSelect(s, event, events), 0)
	return event
}

// 6.4 Network events: when each is recorded, and by what it is recorded again.
var _ = add(
	Row{Section: "6.4", Name: "FD_READ: data available", Run: func(w *Case) {
		c, s := w.Connected()
		event := w.S.registered(s, wsa.FD_READ)
		w.C.Send(c, "x")
		w.S.recorded(s, event, wsa.FD_READ)
	}},
	Row{Section: "6.4", Name: "FD_READ: re-enabled by WSPRecv and WSPRecvFrom, also one that fails", Run: func(w *Case) {
		c, s := w.Connected()
		event := w.S.registered(s, wsa.FD_READ)
		w.C.Send(c, "123456")
		w.S.queued6(s)
		w.S.recorded(s, event, wsa.FD_READ)
		for what, again := range map[string]func() wsa.Errno{
			"WSPRecv":     func() wsa.Errno { _, e := w.S.Recv(s, 1, 0); return e },
			"a peek":      func() wsa.Errno { _, e := w.S.Recv(s, 1, wsa.MSG_PEEK); return e },
			"WSPRecvFrom": func() wsa.Errno { _, _, e := w.S.recvFrom(s, 1, 0); return e },
		} {
			w.S.recorded(s, nil, 0)
			w.Want(what, again(), 0)
			w.S.recorded(s, event, wsa.FD_READ) // level: data remains
		}
	}},
	Row{Section: "6.4", Name: "FD_READ: level, not recorded when nothing remains", Run: func(w *Case) {
		c, s := w.Connected()
		event := w.S.registered(s, wsa.FD_READ)
		for range 3 {
			w.C.Send(c, "x")
			w.S.recorded(s, event, wsa.FD_READ)
			equal(w, "text", w.S.Read(s, 1), "x")
			w.S.recorded(s, nil, 0)
		}
	}},
	Row{Section: "6.4", Name: "FD_READ: not recorded again until a receive, however much comes", Run: func(w *Case) {
		c, s := w.Connected()
		event := w.S.registered(s, wsa.FD_READ)
		w.C.Send(c, "123")
		w.S.recorded(s, event, wsa.FD_READ)
		w.C.Send(c, "456")
		w.S.queued6(s)
		w.S.recorded(s, nil, 0)
	}},
	Row{Section: "6.4", Name: "FD_READ: datagrams", Run: func(w *Case) {
		c, s, to := w.datagrams()
		event := w.S.registered(s, wsa.FD_READ)
		w.C.sendTo(c, "one", to)
		w.S.recorded(s, event, wsa.FD_READ)
		w.C.sendTo(c, "two", to)
		_, _, e := w.S.recvFrom(s, 9, 64)
		w.Want("WSPRecvFrom", e, 0)
		w.S.recorded(s, event, wsa.FD_READ)
	}},
	Row{Section: "6.4", Name: "FD_WRITE: first connected, first accepted", Run: func(w *Case) {
		l, at := w.S.Listen()
		c := w.C.TCP()
		event := w.C.registered(c, wsa.FD_WRITE)
		w.Want("WSPConnect", w.C.Connect(c, at), wsa.EWOULDBLOCK)
		w.C.recorded(c, event, wsa.FD_WRITE)
		s := w.S.Accept(l)
		w.S.recorded(s, w.S.registered(s, wsa.FD_WRITE), wsa.FD_WRITE)
	}},
	Row{Section: "6.4", Name: "FD_WRITE: datagram socket bound", Run: func(w *Case) {
		s := w.C.UDP()
		event := w.C.registered(s, wsa.FD_WRITE)
		w.C.recorded(s, nil, 0)
		w.C.Bind(s)
		w.C.recorded(s, event, wsa.FD_WRITE)
	}},
	Row{Section: "6.4", Name: "FD_WRITE: after a send failed WSAEWOULDBLOCK, when space appears; not by one that succeeds", Run: func(w *Case) {
		c, s := w.Connected()
		event := w.C.registered(c, wsa.FD_WRITE)
		w.C.recorded(c, event, wsa.FD_WRITE)
		w.C.Send(c, "x")
		w.C.recorded(c, nil, 0)
		w.S.readAll(s, w.C.sendShort(c)+1)
		w.C.recorded(c, event, wsa.FD_WRITE)
		w.C.Send(c, "x")
		w.C.recorded(c, nil, 0)
	}},
	Row{Section: "6.4", Name: "FD_WRITE: not re-reported by registering again", Run: func(w *Case) {
		c, _ := w.Connected()
		w.C.recorded(c, w.C.registered(c, wsa.FD_WRITE), wsa.FD_WRITE)
		w.C.registered(c, wsa.FD_WRITE)
		w.C.recorded(c, nil, 0)
	}},
	Row{Section: "6.4", Name: "FD_ACCEPT: connection pending; re-enabled by accept, level", Run: func(w *Case) {
		l, at := w.S.Listen()
		event := w.S.registered(l, wsa.FD_ACCEPT)
		for range 2 {
			w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
		}
		w.S.recorded(l, event, wsa.FD_ACCEPT)
		w.S.recorded(l, nil, 0)
		w.acceptOne(l)
		w.S.recorded(l, event, wsa.FD_ACCEPT)
		w.acceptOne(l)
		w.S.recorded(l, nil, 0)
	}},
	Row{Section: "6.4", Name: "FD_ACCEPT: re-enabled by a WSPAccept that fails", Run: func(w *Case) {
		l, at := w.S.Listen()
		event := w.S.registered(l, wsa.FD_ACCEPT)
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
		w.S.recorded(l, event, wsa.FD_ACCEPT)
		w.Want("WSPAccept, rejected", w.S.acceptWith(l, 1), wsa.ECONNREFUSED)
		w.Want("WSPConnect", w.C.Connect(w.C.TCP(), at), 0)
		w.S.recorded(l, event, wsa.FD_ACCEPT)
	}},
	Row{Section: "6.4", Name: "FD_CONNECT: the result, once", Run: func(w *Case) {
		_, at := w.S.Listen()
		for want, to := range map[wsa.Errno][]byte{0: at, wsa.ECONNREFUSED: w.nobody()} {
			c := w.C.TCP()
			event := w.C.registered(c, wsa.FD_CONNECT)
			w.Want("WSPConnect", w.C.Connect(c, to), wsa.EWOULDBLOCK)
			ne := w.C.recorded(c, event, wsa.FD_CONNECT)
			w.Want("FD_CONNECT", ne.Errors[4], want)
			w.C.registered(c, wsa.FD_CONNECT)
			w.C.recorded(c, nil, 0)
		}
	}},
	Row{Section: "6.4", Name: "FD_CONNECT: once for each attempt", Run: func(w *Case) {
		_, at := w.S.Listen()
		c := w.C.TCP()
		event := w.C.registered(c, wsa.FD_CONNECT)
		w.Want("WSPConnect", w.C.Connect(c, w.nobody()), wsa.EWOULDBLOCK)
		w.Want("FD_CONNECT", w.C.recorded(c, event, wsa.FD_CONNECT).Errors[4], wsa.ECONNREFUSED)
		w.Want("WSPConnect again", w.C.Connect(c, at), wsa.EWOULDBLOCK)
		w.Want("FD_CONNECT", w.C.recorded(c, event, wsa.FD_CONNECT).Errors[4], 0)
	}},
	Row{Section: "6.4", Name: "FD_CLOSE: once; 0 if graceful", Run: func(w *Case) {
		c, s := w.Connected()
		event := w.S.registered(s, wsa.FD_CLOSE)
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		w.Want("FD_CLOSE", w.S.recorded(s, event, wsa.FD_CLOSE).Errors[5], 0)
		w.S.ended(s, "")
		w.S.registered(s, wsa.FD_CLOSE)
		w.S.recorded(s, nil, 0)
	}},
	Row{Section: "6.4", Name: "FD_CLOSE: remote close is not FD_READ", Run: func(w *Case) {
		c, s := w.Connected()
		event := w.S.registered(s, wsa.FD_READ|wsa.FD_CLOSE)
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		w.S.recorded(s, event, wsa.FD_CLOSE)
		w.S.ended(s, "")
		w.S.recorded(s, nil, 0)
	}},
	Row{Section: "6.4", Name: "FD_CLOSE: none on a listening or never connected socket", Run: func(w *Case) {
		l, _ := w.S.Listen()
		fresh := w.S.TCP()
		for _, s := range []sockets.SOCKET{l, fresh} {
			w.S.registered(s, wsa.FD_ALL_EVENTS)
			w.S.recorded(s, nil, 0)
		}
	}},
	Row{Section: "6.4", Name: "FD_CLOSE: WSAENETDOWN", Run: func(w *Case) {
		_, s := w.Connected()
		event := w.S.registered(s, wsa.FD_CLOSE)
		w.S.fail(s, wsa.ENETDOWN)
		w.Want("FD_CLOSE", w.S.recorded(s, event, wsa.FD_CLOSE).Errors[5], wsa.ENETDOWN)
	}},
	Row{Section: "6.4", Name: "FD_QOS, FD_GROUP_QOS", Dropped: "spi-notes 4: QoS and groups"},
)

// 6.4: registration.
var _ = add(
	Row{Section: "6.4", Name: "a registration cancels the one before, of either kind", Run: func(w *Case) {
		c, s := w.Connected()
		first, posted := w.S.registered(s, wsa.FD_READ), wsa.Events(0)
		e := w.S.WSPAsyncSelect(s, func(_ sockets.SOCKET, event wsa.Events, _ wsa.Errno) { posted |= event }, wsa.FD_READ)
		w.Want("WSPAsyncSelect", e, 0)
		last := w.S.registered(s, wsa.FD_READ)
		w.C.Send(c, "x")
		w.S.recorded(s, last, wsa.FD_READ)
		w.Want("WSPCleanup", w.S.WSPCleanup(), 0) // it waits for what runs
		equal(w, "the first event", first.IsSet(), false)
		equal(w, "messages", posted, 0)
	}},
	Row{Section: "6.4", Name: "a registration clears the record, then records what is true already", Run: func(w *Case) {
		c, s := w.Connected()
		first := w.S.registered(s, wsa.FD_READ|wsa.FD_WRITE)
		w.C.Send(c, "x")
		w.S.Await(s, wsa.FD_READ)
		w.signalled(first)
		w.S.recorded(s, w.S.registered(s, wsa.FD_READ), wsa.FD_READ) // and no FD_WRITE
		l, _ := w.offered()
		w.S.recorded(l, w.S.registered(l, wsa.FD_ACCEPT), wsa.FD_ACCEPT)
	}},
	Row{Section: "6.4", Name: "only bits in the mask are reported", Needs: NeedsUnheld, Run: func(w *Case) {
		c, s := w.Connected()
		event := w.S.registered(s, wsa.FD_CLOSE)
		w.C.Send(c, "x")
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		w.S.recorded(s, event, wsa.FD_CLOSE)
	}},
	Row{Section: "6.4", Name: "WSPEnumNetworkEvents clears the record, and does not re-enable", Run: func(w *Case) {
		c, s := w.Connected()
		event := w.S.registered(s, wsa.FD_READ)
		w.C.Send(c, "x")
		w.S.recorded(s, event, wsa.FD_READ)
		for range 3 {
			w.S.recorded(s, nil, 0)
		}
		equal(w, "signalled", event.IsSet(), false)
	}},
	Row{Section: "6.4", Name: "closesocket: the event object stays the client's", Run: func(w *Case) {
		_, s := w.Connected()
		event := w.S.registered(s, wsa.FD_READ)
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(s), 0)
		w.Want("Set", event.Set(), 0)
		w.Want("Close", event.Close(), 0)
	}},
	Row{Section: "6.4", Name: "one event object for many sockets", Run: func(w *Case) {
		c, s := w.Connected()
		d, t := w.Connected()
		event := w.S.registered(s, wsa.FD_READ)
		w.Want("WSPEventSelect", w.S.WSPEventSelect(t, event, wsa.FD_READ), 0)
		w.C.Send(d, "x")
		w.S.recorded(t, event, wsa.FD_READ)
		w.S.recorded(s, nil, 0)
		w.C.Send(c, "x")
		w.S.recorded(s, event, wsa.FD_READ)
	}},
	Row{Section: "6.4", Name: "select does not disturb a registration (3.24)", Run: func(w *Case) {
		c, s := w.Connected()
		event := w.S.registered(s, wsa.FD_READ)
		w.C.Send(c, "x")
		set, timeout := sockets.FDSet{s}, patience
		n, e := w.S.WSPSelect(0, &set, nil, nil, &timeout)
		w.Want("WSPSelect", e, 0)
		equal(w, "ready", n, 1)
		w.S.recorded(s, event, wsa.FD_READ)
	}},
)

// 12.2 WSAEventSelect + WSAEnumNetworkEvents: five consecutive rounds, with and
// without passing the event to Enum.
var _ = addRounds()

func addRounds() struct{} {
	for _, r := range []struct {
		name  string
		open  func(*Case) sockets.SOCKET
		first wsa.Events
	}{
		{"TCP bound, unconnected", func(w *Case) sockets.SOCKET { s := w.C.TCP(); w.C.Bind(s); return s }, 0},
		{"UDP bound", func(w *Case) sockets.SOCKET { s := w.C.UDP(); w.C.Bind(s); return s }, wsa.FD_WRITE},
		{"TCP connected, idle", func(w *Case) sockets.SOCKET { c, _ := w.Connected(); return c }, wsa.FD_WRITE},
	} {
		for _, pass := range []bool{true, false} {
			add(Row{Section: "12.2", Name: fmt.Sprintf("%s, event passed to Enum: %v", r.name, pass), Run: func(w *Case) {
				s, event := r.open(w), sockets.CreateEvent()
				for round := range 5 {
					w.Want("WSPEventSelect", w.C.WSPEventSelect(s, event, wsa.FD_READ|wsa.FD_WRITE), 0)
					ne := sockets.NetworkEvents{Errors: [10]wsa.Errno{0xabab, 0xabab, 0xabab}}
					given := event
					if !pass {
						given = nil
					}
					w.Want("WSPEnumNetworkEvents", w.C.WSPEnumNetworkEvents(s, given, &ne), 0)
					want, code := wsa.Events(0), wsa.Errno(0xabab)
					if round == 0 && r.first != 0 {
						want, code = r.first, 0
					}
					equal(w, fmt.Sprintf("events of round %d", round+1), ne.Events, want)
					equal(w, "error of FD_READ", ne.Errors[0], 0xabab)
					equal(w, "error of FD_WRITE", ne.Errors[1], code)
				}
			}})
		}
	}
	return struct{}{}
}

// queued6 waits until 6 bytes are queued, without a receive.
func (e *End) queued6(s sockets.SOCKET) {
	e.w.Helper()
	e.w.until("6 bytes queued", func() bool { return e.Await(s, wsa.FD_READ).Queued == 6 })
}
