package winsocktest

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// 3.10 WSPDuplicateSocket; what it gives is in share.go.
var _ = add(
	Row{Section: "3.10", Name: "WSAENOTSOCK: checked first", Run: func(w *Case) {
		for _, s := range []sockets.SOCKET{0, 0xdeadbeef, sockets.INVALID_SOCKET} {
			w.Want("nothing is right", w.C.WSPDuplicateSocket(s, 0, nil), wsa.ENOTSOCK)
		}
	}},
	Row{Section: "3.10", Name: "WSAEINVAL: process id 0 or non-existent, checked before the output pointer", Run: func(w *Case) {
		s := w.C.UDP()
		w.Want("0", w.C.WSPDuplicateSocket(s, 0, nil), wsa.EINVAL)
		w.Want("nobody's", w.C.WSPDuplicateSocket(s, 0xfffffff0, nil), wsa.EINVAL)
		gone := w.S.Session.Process()
		w.Want("WSPCleanup", w.S.WSPCleanup(), 0)
		w.Want("one that has ended", w.C.WSPDuplicateSocket(s, gone, new(provider.ProtocolInfo)), wsa.EINVAL)
	}},
	Row{Section: "3.10", Name: "WSAEFAULT: output pointer nil", Run: func(w *Case) {
		w.Want("WSPDuplicateSocket", w.C.WSPDuplicateSocket(w.C.UDP(), w.C.Session.Process(), nil), wsa.EFAULT)
	}},
	Row{Section: "3.10", Name: "WSAENETDOWN: its network is down", Run: func(w *Case) {
		c, _ := w.Connected()
		w.C.fail(c, wsa.ENETDOWN)
		info := provider.ProtocolInfo{Name: "untouched"}
		w.Want("WSPDuplicateSocket", w.C.WSPDuplicateSocket(c, w.S.Session.Process(), &info), wsa.ENETDOWN)
		equal(w, "output", info, provider.ProtocolInfo{Name: "untouched"})
	}},
	Row{Section: "3.10", Name: "WSAEMFILE: no more descriptors, when it is taken up; the offer stands", Needs: NeedsQuota, Run: func(w *Case) {
		info := w.token(w.C.UDP(), w.S)
		last := w.S.useUp()
		_, e := w.S.WSPSocket(-1, -1, -1, info, 0, 0)
		w.Want("WSPSocket", e, wsa.EMFILE)
		w.Want("close", w.S.WSPCloseSocket(last), 0)
		h, e := w.S.WSPSocket(-1, -1, -1, info, 0, 0)
		w.Want("WSPSocket", e, 0)
		w.Want("close", w.S.WSPCloseSocket(h), 0)
	}},
	Row{Section: "3.10", Name: "WSAENOBUFS: from where the socket is made, unchanged", Run: func(w *Case) {
		i := w.install()
		i.layer(1, storey(func(*provider.StartupRequest, *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
			return provider.ProcTable{WSPDuplicateSocket: func(*provider.Socket, uint32) (*provider.ProtocolInfo, wsa.Errno) {
				return nil, wsa.ENOBUFS
			}}, 0
		}))
		e := i.start(sockets.Config{})
		w.Want("WSPDuplicateSocket", e.WSPDuplicateSocket(e.UDP(), e.Session.Process(), new(provider.ProtocolInfo)), wsa.ENOBUFS)
	}},
	Row{Section: "3.10", Name: "WSAEINPROGRESS", Dropped: "spi-notes 4: WSAEINPROGRESS but for its one line in Resolve"},
)
