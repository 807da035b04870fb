package winsocktest

import (
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// function is one of the table that takes a descriptor, called with arguments that
// are good.
type function struct {
	section, name string
	call          func(*End, sockets.SOCKET) wsa.Errno
	failed        wsa.Errno // on a socket whose network is down; 0: it finds that out, or gets rid of it
}

// functions are those over descriptors whose tables have WSAENOTSOCK and WSAENETDOWN,
// but for the four that move data and WSPIoctl, which have rows of their own.
var functions = []function{
	{"3.3", "WSPAccept", func(e *End, s sockets.SOCKET) wsa.Errno {
		_, errno := e.WSPAccept(s, nil, nil, nil, nil)
		return errno
	}, wsa.ENETDOWN},
	{"3.5", "WSPAsyncSelect", func(e *End, s sockets.SOCKET) wsa.Errno {
		return e.WSPAsyncSelect(s, func(sockets.SOCKET, wsa.Events, wsa.Errno) {}, wsa.FD_ALL_EVENTS)
	}, 0},
	{"3.6", "WSPBind", func(e *End, s sockets.SOCKET) wsa.Errno { return e.WSPBind(s, e.w.Any()) }, wsa.ENETDOWN},
	{"3.8", "WSPCloseSocket", func(e *End, s sockets.SOCKET) wsa.Errno { return e.WSPCloseSocket(s) }, 0},
	{"3.9", "WSPConnect", func(e *End, s sockets.SOCKET) wsa.Errno { return e.Connect(s, Name(e.Host, 9)) }, wsa.ENETDOWN},
	{"3.11", "WSPEventSelect", func(e *End, s sockets.SOCKET) wsa.Errno {
		return e.WSPEventSelect(s, sockets.CreateEvent(), wsa.FD_ALL_EVENTS)
	}, 0},
	{"3.12", "WSPEnumNetworkEvents", func(e *End, s sockets.SOCKET) wsa.Errno {
		return e.WSPEnumNetworkEvents(s, nil, new(sockets.NetworkEvents))
	}, 0},
	{"3.14", "WSPGetPeerName", func(e *End, s sockets.SOCKET) wsa.Errno {
		return e.WSPGetPeerName(s, make([]byte, 64), &[]int32{64}[0])
	}, wsa.ENETDOWN},
	{"3.15", "WSPGetSockName", func(e *End, s sockets.SOCKET) wsa.Errno {
		return e.WSPGetSockName(s, make([]byte, 64), &[]int32{64}[0])
	}, wsa.ENETDOWN},
	{"3.16", "WSPGetSockOpt", func(e *End, s sockets.SOCKET) wsa.Errno {
		_, errno := e.Option(s, sol, wsa.SO_KEEPALIVE)
		return errno
	}, wsa.ENETDOWN},
	{"3.17", "WSPGetQOSByName", func(e *End, s sockets.SOCKET) wsa.Errno {
		return e.WSPGetQOSByName(s, []byte("G711"), new(sockets.QOS))
	}, wsa.EINVAL},
	{"3.19", "WSPJoinLeaf", func(e *End, s sockets.SOCKET) wsa.Errno {
		_, errno := e.WSPJoinLeaf(s, Name(e.Host, 9), nil, nil, nil, nil, 0)
		return errno
	}, wsa.ENETDOWN},
	{"3.20", "WSPListen", func(e *End, s sockets.SOCKET) wsa.Errno { return e.WSPListen(s, 1) }, wsa.ENETDOWN},
	{"3.22", "WSPRecvDisconnect", func(e *End, s sockets.SOCKET) wsa.Errno { return e.WSPRecvDisconnect(s, nil) }, wsa.ENETDOWN},
	{"3.24", "WSPSelect", func(e *End, s sockets.SOCKET) wsa.Errno {
		_, errno := e.WSPSelect(0, &sockets.FDSet{s}, nil, nil, new(time.Duration))
		return errno
	}, 0},
	{"3.27", "WSPSetSockOpt", func(e *End, s sockets.SOCKET) wsa.Errno {
		return e.SetOption(s, sol, wsa.SO_KEEPALIVE, 1)
	}, wsa.ENETDOWN},
	{"3.28", "WSPSendDisconnect", func(e *End, s sockets.SOCKET) wsa.Errno { return e.WSPSendDisconnect(s, nil) }, wsa.ENETDOWN},
	{"3.28", "WSPShutdown", func(e *End, s sockets.SOCKET) wsa.Errno { return e.WSPShutdown(s, wsa.SD_BOTH) }, wsa.ENETDOWN},
}

var _ = addFunctions()

func addFunctions() struct{} {
	for _, f := range functions {
		add(
			Row{Section: f.section, Name: f.name + ": WSAENOTSOCK", Run: f.notSocket},
			Row{Section: f.section, Name: f.name + ": WSAEINPROGRESS", Dropped: "spi-notes 4: WSAEINPROGRESS but for its one line in Resolve"},
		)
		switch f.failed {
		case wsa.ENETDOWN:
			add(Row{Section: f.section, Name: f.name + ": WSAENETDOWN", Run: f.netDown})
		case 0:
			add(Row{Section: f.section, Name: f.name + ": serves a socket whose network is down, whose other calls say WSAENETDOWN", Run: f.netDown})
		}
		add(Row{Section: "3.2", Name: f.name + " after WSPCleanup: WSANOTINITIALISED", Run: f.cleanedUp})
	}
	return struct{}{}
}

// notSocket calls it with what is no descriptor, never was, and is none any more.
func (f function) notSocket(w *Case) {
	closed := w.C.TCP()
	w.Want("close", w.C.WSPCloseSocket(closed), 0)
	for _, s := range []sockets.SOCKET{0, 0xdeadbeefdead, sockets.INVALID_SOCKET, closed} {
		w.Want(f.name, f.call(w.C, s), wsa.ENOTSOCK)
	}
}

func (f function) netDown(w *Case) {
	c, _ := w.Connected()
	w.C.fail(c, wsa.ENETDOWN)
	w.Want(f.name, f.call(w.C, c), f.failed)
}

func (f function) cleanedUp(w *Case) {
	c, _ := w.Connected()
	w.Want("WSPCleanup", w.C.WSPCleanup(), 0)
	w.Want(f.name, f.call(w.C, c), wsa.NOTINITIALISED)
}
