package winsocktest

import (
	"encoding/binary"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// urgent is a connection on which the client has sent "ab" and the urgent byte "!",
// and the server knows of that.
func (w *Case) urgent(inline bool) (c, s sockets.SOCKET) {
	w.Helper()
	c, s = w.Connected()
	if inline {
		w.Want("SO_OOBINLINE", w.S.SetOption(s, sol, wsa.SO_OOBINLINE, 1), 0)
	}
	w.C.Send(c, "ab")
	w.S.queued(s, 2)
	if !inline {
		equal(w, "text", w.S.Read(s, 2), "ab")
	}
	w.Want("MSG_OOB", w.C.send(c, "!", wsa.MSG_OOB), 0)
	if inline {
		w.until("3 bytes queued", func() bool { return w.S.Await(s, wsa.FD_READ).Queued == 3 }) // a peek stops at the mark
	} else {
		w.S.Await(s, wsa.FD_OOB)
	}
	return c, s
}

// atMark is SIOCATMARK: no urgent byte waits.
func (e *End) atMark(s sockets.SOCKET) bool {
	e.w.Helper()
	out := make([]byte, 4)
	e.w.Want("SIOCATMARK", e.ioctl(s, wsa.SIOCATMARK, nil, out), 0)
	return binary.LittleEndian.Uint32(out) != 0
}

// 6.5 OOB data, and its rows of 12.4 and 6.4.
var _ = add(
	Row{Section: "6.5", Name: "SO_OOBINLINE off: FD_OOB", Needs: NeedsUrgent, Run: func(w *Case) {
		c, s := w.Connected()
		event := w.S.registered(s, wsa.FD_READ|wsa.FD_OOB)
		w.Want("MSG_OOB", w.C.send(c, "!", wsa.MSG_OOB), 0)
		w.S.recorded(s, event, wsa.FD_OOB)
	}},
	Row{Section: "6.5", Name: "SO_OOBINLINE off: readable by recv(MSG_OOB) any time", Needs: NeedsUrgent, Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "before")
		w.Want("MSG_OOB", w.C.send(c, "!", wsa.MSG_OOB), 0)
		w.C.Send(c, "after")
		w.S.Await(s, wsa.FD_OOB)
		text, e := w.S.Recv(s, 5, wsa.MSG_OOB)
		w.Want("WSPRecv", e, 0)
		equal(w, "urgent", text, "!")
		equal(w, "the rest", w.S.Read(s, 11), "beforeafter")
	}},
	Row{Section: "6.5", Name: "SO_OOBINLINE off: normal recv skips it and never spans the mark", Needs: NeedsUrgent, Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "ab")
		w.Want("MSG_OOB", w.C.send(c, "!", wsa.MSG_OOB), 0)
		w.C.Send(c, "cd")
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		w.S.Await(s, wsa.FD_CLOSE) // all is there
		for _, want := range []string{"ab", "cd"} {
			text, e := w.S.Recv(s, 9, 0)
			w.Want("WSPRecv", e, 0)
			equal(w, "text", text, want)
		}
	}},
	Row{Section: "6.5", Name: "SO_OOBINLINE on: treated as normal data (FD_READ); MSG_OOB recv: WSAEINVAL", Needs: NeedsUrgent, Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("SO_OOBINLINE", w.S.SetOption(s, sol, wsa.SO_OOBINLINE, 1), 0)
		event := w.S.registered(s, wsa.FD_READ|wsa.FD_OOB)
		w.Want("MSG_OOB", w.C.send(c, "!", wsa.MSG_OOB), 0)
		w.S.recorded(s, event, wsa.FD_READ)
		_, e := w.S.Recv(s, 1, wsa.MSG_OOB)
		w.Want("WSPRecv", e, wsa.EINVAL)
		equal(w, "text", w.S.Read(s, 1), "!")
	}},
	Row{Section: "6.5", Name: "SO_OOBINLINE on: a receive never spans the mark", Needs: NeedsUrgent, Run: func(w *Case) {
		c, s := w.urgent(true)
		w.C.Send(c, "cd")
		w.Want("WSPShutdown", w.C.WSPShutdown(c, wsa.SD_SEND), 0)
		w.S.Await(s, wsa.FD_CLOSE) // all is there
		text, e := w.S.Recv(s, 9, 0)
		w.Want("WSPRecv", e, 0)
		equal(w, "text", text, "ab")
		equal(w, "the rest", w.S.Read(s, 3), "!cd")
	}},
	Row{Section: "6.5", Name: "SO_OOBINLINE on: three reads to pass it", Dropped: "the host alone has urgent data, and its kernel stops before the urgent byte but not behind it"},
	Row{Section: "6.5", Name: "SIOCATMARK: TRUE if no OOB data waits", Needs: NeedsUrgent, Run: func(w *Case) {
		_, fresh := w.Connected()
		equal(w, "no urgent data", w.S.atMark(fresh), true)
		_, s := w.urgent(false)
		equal(w, "an urgent byte waits", w.S.atMark(s), false)
		_, e := w.S.Recv(s, 1, wsa.MSG_OOB)
		w.Want("WSPRecv", e, 0)
		equal(w, "taken", w.S.atMark(s), true)
	}},
	Row{Section: "6.5", Name: "no urgent data waits: recv(MSG_OOB) does not wait for it", Needs: NeedsUrgent, Run: func(w *Case) {
		_, s := w.Connected()
		w.Want("FIONBIO", w.S.NonBlocking(s, true), 0)
		_, e := w.S.Recv(s, 1, wsa.MSG_OOB)
		if e != wsa.EINVAL && e != wsa.EWOULDBLOCK {
			w.Errorf("WSPRecv: %v", e)
		}
	}},
	Row{Section: "6.4", Name: "FD_OOB: re-enabled by the recv family, level", Needs: NeedsUrgent, Run: func(w *Case) {
		_, s := w.urgent(false)
		event := w.S.registered(s, wsa.FD_OOB)
		w.S.recorded(s, event, wsa.FD_OOB)
		w.S.recorded(s, nil, 0)
		_, e := w.S.Recv(s, 1, wsa.MSG_OOB|wsa.MSG_PEEK)
		w.Want("peek", e, 0)
		w.S.recorded(s, event, wsa.FD_OOB)
		_, e = w.S.Recv(s, 1, wsa.MSG_OOB)
		w.Want("WSPRecv", e, 0)
		w.S.recorded(s, nil, 0)
	}},
	Row{Section: "12.4", Name: "1 byte MSG_OOB arrived, OOBINLINE off: exceptfds only; recv(MSG_OOB) returns it", Needs: NeedsUrgent, Run: func(w *Case) {
		_, s := w.urgent(false)
		w.S.sets("urgent", s, false, true, true)
		text, e := w.S.Recv(s, 1, wsa.MSG_OOB)
		w.Want("WSPRecv", e, 0)
		equal(w, "text", text, "!")
		w.S.sets("taken", s, false, true, false)
	}},
	Row{Section: "12.4", Name: "OOBINLINE on, OOB byte arrived: readfds; recv(MSG_OOB): WSAEINVAL; plain recv returns it", Needs: NeedsUrgent, Run: func(w *Case) {
		_, s := w.urgent(true)
		equal(w, "before it", w.S.Read(s, 2), "ab")
		w.S.sets("urgent inline", s, true, true, false)
		_, e := w.S.Recv(s, 1, wsa.MSG_OOB)
		w.Want("WSPRecv", e, wsa.EINVAL)
		text, e := w.S.Recv(s, 1, 0)
		w.Want("WSPRecv", e, 0)
		equal(w, "text", text, "!")
	}},
)
