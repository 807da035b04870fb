package winsocktest

import (
	"encoding/binary"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// control is a row of winsock-spi 9.6: what a code answers on a fresh socket.
type control struct {
	name    string
	code    uint32
	on      string // "t", "u": where it applies; elsewhere other
	only    int32  // a family
	in      []byte
	out     int // bytes of room
	want    wsa.Errno
	other   wsa.Errno
	needs   Needs
	dropped string
}

var truth = []byte{1, 0, 0, 0}

var controls = []control{
	{name: "FIONBIO", code: wsa.FIONBIO, on: "tu", in: truth},
	{name: "FIONREAD", code: wsa.FIONREAD, on: "tu", out: 4},
	{name: "SIO_ASSOCIATE_HANDLE", code: wsa.SIO_ASSOCIATE_HANDLE, on: "tu", in: make([]byte, 16), want: wsa.ENOPROTOOPT},
	{name: "SIO_ENABLE_CIRCULAR_QUEUEING", code: wsa.SIO_ENABLE_CIRCULAR_QUEUEING, on: "u", other: wsa.EINVAL, needs: NeedsCircular},
	{name: "SIO_FIND_ROUTE", dropped: "spi-notes 4: FIND_ROUTE"},
	{name: "SIO_FLUSH", dropped: "spi-notes 4: SIO_FLUSH has no source"},
	{name: "SIO_GET_BROADCAST_ADDRESS", code: wsa.SIO_GET_BROADCAST_ADDRESS, on: "tu", only: wsa.AF_INET, out: 16},
	{name: "SIO_GET_BROADCAST_ADDRESS on IPv6", code: wsa.SIO_GET_BROADCAST_ADDRESS, on: "tu", only: wsa.AF_INET6, out: 28, want: wsa.ENOPROTOOPT},
	{name: "SIO_GET_QOS", code: wsa.SIO_GET_QOS, on: "tu", out: 64, want: wsa.ENOPROTOOPT},
	{name: "SIO_GET_GROUP_QOS", code: wsa.SIO_GET_GROUP_QOS, on: "tu", out: 64, want: wsa.ENOPROTOOPT},
	{name: "SIO_SET_QOS", code: wsa.SIO_SET_QOS, on: "tu", in: make([]byte, 64), want: wsa.ENOPROTOOPT},
	{name: "SIO_SET_GROUP_QOS", code: wsa.SIO_SET_GROUP_QOS, on: "tu", in: make([]byte, 64), want: wsa.ENOPROTOOPT},
	{name: "SIO_TRANSLATE_HANDLE", dropped: "spi-notes 4: TRANSLATE_HANDLE"},
	{name: "SIO_ADDRESS_LIST_QUERY", code: wsa.SIO_ADDRESS_LIST_QUERY, on: "tu", out: 4096},
	{name: "SIO_GET_INTERFACE_LIST", code: wsa.SIO_GET_INTERFACE_LIST, on: "tu", only: wsa.AF_INET, out: 4096},
	{name: "SIO_KEEPALIVE_VALS", code: wsa.SIO_KEEPALIVE_VALS, on: "t", other: wsa.EINVAL, in: []byte{1, 0, 0, 0, 16, 39, 0, 0, 232, 3, 0, 0}, needs: NeedsKeepAlive},
	{name: "SIO_UDP_CONNRESET", code: wsa.SIO_UDP_CONNRESET, on: "u", other: wsa.EINVAL, in: truth},
	{name: "SIO_UDP_NETRESET", code: wsa.SIO_UDP_NETRESET, on: "u", other: wsa.EINVAL, in: truth},
	{name: "SIO_LOOPBACK_FAST_PATH", code: wsa.SIO_LOOPBACK_FAST_PATH, on: "t", other: wsa.EINVAL, in: truth},
	{name: "SIO_EXT_SELECT, SIO_EXT_POLL, SIO_EXT_SENDMSG", dropped: "spi-notes 4: SIO_EXT_*"},
	{name: "SIO_ACQUIRE_PORT_RESERVATION", dropped: "spi-notes 4: port reservation"},
	{name: "SIO_RCVALL", dropped: "the issue: not due"},
	{name: "SIO_IDEAL_SEND_BACKLOG_QUERY", dropped: "spi-notes 4: send backlog has no source"},
	{name: "an unknown code", code: 0x12345678, on: "tu", want: wsa.EINVAL},
}

var _ = addControls()

func addControls() struct{} {
	for _, c := range controls {
		add(Row{Section: "9.6", Name: c.name, Needs: c.needs, Dropped: c.dropped, Run: c.run})
	}
	return struct{}{}
}

func (c control) run(w *Case) {
	if c.only != 0 && c.only != w.Family() {
		return // the other family's pair runs it
	}
	for _, kind := range "tu" {
		s := map[rune]func() sockets.SOCKET{'t': w.C.TCP, 'u': w.C.UDP}[kind]()
		want := c.want
		if !containsRune(c.on, kind) {
			want = c.other
		}
		w.Want(c.name+" on "+string(kind), w.C.ioctl(s, c.code, c.in, make([]byte, c.out)), want)
		if want != 0 {
			continue
		}
		if len(c.in) > 0 {
			w.Want(c.name+", short input", w.C.ioctl(s, c.code, c.in[:len(c.in)-1], make([]byte, c.out)), wsa.EFAULT)
		}
		if c.out > 0 {
			w.Want(c.name+", no room", w.C.ioctl(s, c.code, c.in, nil), wsa.EFAULT)
		}
	}
}

func (e *End) ioctl(s sockets.SOCKET, code uint32, in, out []byte) wsa.Errno {
	var n uint32
	return e.WSPIoctl(s, code, in, out, &n, nil, nil, nil)
}

var _ = add(
	Row{Section: "9.6", Name: "FIONREAD of a stream: what can be read now", Run: func(w *Case) {
		c, s := w.Connected()
		w.C.Send(c, "12345")
		w.S.Await(s, wsa.FD_READ)
		out := make([]byte, 4)
		w.Want("FIONREAD", w.S.ioctl(s, wsa.FIONREAD, nil, out), 0)
		if n := binary.LittleEndian.Uint32(out); n != 5 {
			w.Errorf("%d bytes, want 5", n)
		}
	}},
	Row{Section: "9.6", Name: "FIONREAD of datagrams: all that is queued", Run: func(w *Case) {
		s, c := w.S.UDP(), w.C.UDP()
		to := w.S.Bind(s)
		for _, text := range []string{"123", "4567"} {
			var n uint32
			w.Want("WSPSendTo", w.C.WSPSendTo(c, [][]byte{[]byte(text)}, &n, 0, to, nil, nil, nil), 0)
		}
		out := make([]byte, 4)
		w.until("FIONREAD of 7 bytes", func() bool {
			w.S.Await(s, wsa.FD_READ)
			w.Want("FIONREAD", w.S.ioctl(s, wsa.FIONREAD, nil, out), 0)
			return binary.LittleEndian.Uint32(out) == 7
		})
	}},
	Row{Section: "9.6", Name: "SIO_ROUTING_INTERFACE_QUERY: the local address for a destination", Run: func(w *Case) {
		out := make([]byte, 64)
		w.Want("query", w.C.ioctl(w.C.UDP(), wsa.SIO_ROUTING_INTERFACE_QUERY, Name(w.S.Host, 0), out), 0)
		if got := out[:len(Name(w.C.Host, 0))]; string(got[4:8]) != string(Name(w.C.Host, 0)[4:8]) {
			w.Errorf("%v, want %v", got, w.C.Host)
		}
	}},
	Row{Section: "9.6", Name: "SIO_ADDRESS_LIST_CHANGE: non-blocking is WSAEWOULDBLOCK", Needs: NeedsChanges, Run: func(w *Case) {
		s := w.C.UDP()
		w.Want("FIONBIO", w.C.NonBlocking(s, true), 0)
		w.Want("SIO_ADDRESS_LIST_CHANGE", w.C.ioctl(s, wsa.SIO_ADDRESS_LIST_CHANGE, nil, nil), wsa.EWOULDBLOCK)
	}},
	Row{Section: "9.6", Name: "SIO_ADDRESS_LIST_CHANGE: overlapped it pends, and ends with the socket", Needs: NeedsChanges, Run: func(w *Case) {
		s := w.C.UDP()
		o := &sockets.Overlapped{HEvent: sockets.CreateEvent()}
		var n uint32
		w.Want("SIO_ADDRESS_LIST_CHANGE", w.C.WSPIoctl(s, wsa.SIO_ADDRESS_LIST_CHANGE, nil, nil, &n, o, nil, nil), wsa.IO_PENDING)
		w.Want("close", w.C.WSPCloseSocket(s), 0)
		w.Want("wait", o.HEvent.Wait(w.Context()), 0)
		var flags wsa.MsgFlags
		w.Want("result", w.C.WSPGetOverlappedResult(s, o, &n, false, &flags), wsa.OPERATION_ABORTED)
	}},
	Row{Section: "9.6", Name: "SIO_ROUTING_INTERFACE_CHANGE: non-blocking is WSAEWOULDBLOCK", Needs: NeedsChanges, Run: func(w *Case) {
		s := w.C.UDP()
		w.Want("FIONBIO", w.C.NonBlocking(s, true), 0)
		w.Want("SIO_ROUTING_INTERFACE_CHANGE", w.C.ioctl(s, wsa.SIO_ROUTING_INTERFACE_CHANGE, Name(w.S.Host, 0), nil), wsa.EWOULDBLOCK)
	}},
	Row{Section: "9.6", Name: "SIO_TCP_INFO of a connection", Run: func(w *Case) {
		c, _ := w.Connected()
		out := make([]byte, 256)
		w.Want("SIO_TCP_INFO", w.C.ioctl(c, wsa.SIO_TCP_INFO, make([]byte, 4), out), 0)
		if state := binary.LittleEndian.Uint32(out); state != wsa.TCPSTATE_ESTABLISHED {
			w.Errorf("state %d", state)
		}
	}},
)
