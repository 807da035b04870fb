package winsocktest

import (
	"encoding/binary"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// handle is what one of the handle ioctls of 5.10 answers.
func (e *End) handle(s sockets.SOCKET, code uint32) (sockets.SOCKET, wsa.Errno) {
	out, n := make([]byte, 8), uint32(0)
	errno := e.WSPIoctl(s, code, nil, out, &n, nil, nil, nil)
	return sockets.SOCKET(binary.LittleEndian.Uint64(out)), errno
}

// answering is a layer that answers every ioctl with what.
func answering(what uint64) provider.Layer {
	return storey(func(*provider.StartupRequest, *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
		return provider.ProcTable{WSPIoctl: func(_ *provider.Socket, r *provider.IoctlRequest) (int, wsa.Errno) {
			binary.LittleEndian.PutUint64(r.Out, what)
			return 8, 0
		}}, 0
	})
}

// bspRow is a row of 5.10: a code that goes down from layer to layer.
func bspRow(name string, code uint32) Row {
	return Row{Section: "5.10", Name: name, Run: func(w *Case) {
		i := w.install()
		e := i.start(sockets.Config{})
		s := e.TCP()
		base, errno := e.handle(s, code)
		w.Want("the base", errno, 0)
		own, errno := e.handle(s, wsa.SIO_BASE_HANDLE)
		w.Want("SIO_BASE_HANDLE", errno, 0)
		equal(w, "the base's handle", base, own)
		i.layer(1, through, i.own(wsa.SOCK_STREAM))
		_, errno = e.handle(e.TCP(), code)
		w.Want("through a layer", errno, 0)
		i.layer(2, answering(0x4711), i.own(wsa.SOCK_STREAM))
		i.layer(3, through, i.own(wsa.SOCK_STREAM))
		h, errno := e.handle(e.TCP(), code)
		w.Want("a layer that answers", errno, 0)
		equal(w, "its answer", h, 0x4711)
	}}
}

// 5.10 handle ioctls.
var _ = add(
	bspRow("SIO_BSP_HANDLE: the base's, or that of a layer which answers", wsa.SIO_BSP_HANDLE),
	bspRow("SIO_BSP_HANDLE_SELECT: ditto", wsa.SIO_BSP_HANDLE_SELECT),
	bspRow("SIO_BSP_HANDLE_POLL: ditto", wsa.SIO_BSP_HANDLE_POLL),
	bspRow("SIO_QUERY_TARGET_PNP_HANDLE: ditto", wsa.SIO_QUERY_TARGET_PNP_HANDLE),
	Row{Section: "5.10", Name: "SIO_BASE_HANDLE: the base's through three layers, none of which can intercept it", Run: func(w *Case) {
		i := w.install()
		for n := range byte(3) {
			i.layer(n+1, answering(0x4711), i.own(wsa.SOCK_STREAM))
		}
		e := i.start(sockets.Config{})
		s := e.TCP()
		h, errno := e.handle(s, wsa.SIO_BASE_HANDLE)
		w.Want("SIO_BASE_HANDLE", errno, 0)
		equal(w, "intercepted", h == 0x4711, false)
		if i.infos[0].ServiceFlags1&wsa.XP1_IFS_HANDLES == 0 {
			equal(w, "the base's handle", h, s)
		}
	}},
	Row{Section: "5.10", Name: "SIO_BASE_HANDLE of a mandatory chain: WSAEACCES (11.6)", Run: func(w *Case) {
		i := w.install()
		own, err := i.InstallLayer("must", through)
		i.is("install", err, 0)
		_, err = i.InstallMandatoryChain("must", []provider.CatalogID{own})
		i.is("install", err, 0)
		e := i.start(sockets.Config{})
		_, errno := e.handle(e.TCP(), wsa.SIO_BASE_HANDLE)
		w.Want("SIO_BASE_HANDLE", errno, wsa.EACCES)
		_, errno = e.WSPSocket(-1, -1, -1, &i.infos[0], 0, 0)
		w.Want("the base by its entry", errno, wsa.EACCES)
	}},
	Row{Section: "5.10", Name: "output smaller than a SOCKET, or nil: WSAEFAULT", Run: func(w *Case) {
		e := w.install().start(sockets.Config{})
		s := e.TCP()
		for _, code := range []uint32{wsa.SIO_BASE_HANDLE, wsa.SIO_BSP_HANDLE, wsa.SIO_BSP_HANDLE_SELECT, wsa.SIO_BSP_HANDLE_POLL, wsa.SIO_QUERY_TARGET_PNP_HANDLE} {
			w.Want("nil", e.ioctl(s, code, nil, nil), wsa.EFAULT)
			w.Want("7 bytes", e.ioctl(s, code, nil, make([]byte, 7)), wsa.EFAULT)
		}
	}},
	Row{Section: "5.10", Name: "SIO_EXT_SELECT, SIO_EXT_POLL, SIO_EXT_SENDMSG", Dropped: "spi-notes 4: SIO_EXT_*"},
)
