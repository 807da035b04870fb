package sockets

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// The extension functions of mswsock.h. They are compositions over the table,
// written once, here: every layer sees what they do, and no base exports one
// (law 12). [Session.Extension] has them by what SIO_GET_EXTENSION_FUNCTION_POINTER
// gave; a Go program calls the methods of [Session].
var (
	WSAID_ACCEPTEX             = guid("b5367df1-cbac-11cf-95ca-00805f48a192")
	WSAID_GETACCEPTEXSOCKADDRS = guid("b5367df2-cbac-11cf-95ca-00805f48a192")
	WSAID_CONNECTEX            = guid("25a207b9-ddf3-4660-8ee9-76e58c74063e")
	WSAID_DISCONNECTEX         = guid("7fda2e11-8630-436f-a031-f536a6eec157")
	WSAID_TRANSMITFILE         = guid("b5367df0-cbac-11cf-95ca-00805f48a192")
	WSAID_TRANSMITPACKETS      = guid("d9689da0-1f90-11d3-9971-00c04f68c876")
	WSAID_WSARECVMSG           = guid("f689d7c8-6f1f-436b-8a53-e54fe351c322")
	WSAID_WSASENDMSG           = guid("a441e712-754f-43ca-84a7-0dee44cf606d")
	WSAID_WSAPOLL              = guid("18c76f85-dc66-4964-972e-23c27238312b")
)

// extensions are in the order of the "pointers" that the ioctl gives, from 1.
var extensions = []provider.GUID{
	WSAID_ACCEPTEX, WSAID_GETACCEPTEXSOCKADDRS, WSAID_CONNECTEX, WSAID_DISCONNECTEX, WSAID_TRANSMITFILE,
	WSAID_TRANSMITPACKETS, WSAID_WSARECVMSG, WSAID_WSASENDMSG, WSAID_WSAPOLL,
}

// guid is a GUID of the SDK, which is well-formed.
func guid(text string) (g provider.GUID) {
	b, _ := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	copy(g[:], b)
	return g
}

// guidFromBytes is a GUID as it lies in memory: its first three parts are
// little-endian.
func guidFromBytes(b [16]byte) provider.GUID {
	slices.Reverse(b[0:4])
	slices.Reverse(b[4:6])
	slices.Reverse(b[6:8])
	return b
}

// Extension is the function that pointer, as SIO_GET_EXTENSION_FUNCTION_POINTER
// has written it, stands for: a method value of s, such as s.AcceptEx. Nil for no
// pointer.
func (s *Session) Extension(pointer uint64) any {
	all := []any{s.AcceptEx, GetAcceptExSockaddrs, s.ConnectEx, s.DisconnectEx, s.TransmitFile, s.TransmitPackets, s.WSARecvMsg, s.WSASendMsg, s.WSAPoll}
	if pointer == 0 || pointer > uint64(len(all)) {
		return nil
	}
	return all[pointer-1]
}

// extensionPointer is SIO_GET_EXTENSION_FUNCTION_POINTER (winsock-spi 5.9).
func extensionPointer(in, out []byte) (int, wsa.Errno) {
	if len(in) < 16 || len(out) < 8 {
		return 8, wsa.EFAULT
	}
	i := slices.Index(extensions, guidFromBytes([16]byte(in[:16])))
	if i < 0 {
		return 0, wsa.EINVAL
	}
	binary.LittleEndian.PutUint64(out, uint64(i+1))
	return 8, 0
}

// dispatched answers the ioctls that do not go down: undispatched for all others.
func (f *functions) dispatched(k *sock, h SOCKET, code uint32, in, out []byte) (int, wsa.Errno) {
	switch code {
	case wsa.FIONBIO:
		return 0, k.winsock.setMode(in)
	case wsa.SIO_GET_EXTENSION_FUNCTION_POINTER:
		return extensionPointer(in, out)
	case wsa.SIO_BASE_HANDLE:
		return f.baseHandle(k, out)
	case wsa.SIO_REUSE_SOCKET:
		return 0, k.renew()
	}
	return 0, undispatched
}

// setMode is FIONBIO (winsock-spi 6.3).
func (w *winsock) setMode(in []byte) wsa.Errno {
	if len(in) < 4 {
		return wsa.EFAULT
	}
	on := binary.LittleEndian.Uint32(in) != 0
	if mask, _, _ := w.selection.Load().registered(); mask != 0 && !on {
		return wsa.EINVAL
	}
	w.nonblocking.Store(on)
	return 0
}

// baseHandle is SIO_BASE_HANDLE (winsock-spi 5.10): the base's own answer, past
// all layers. EACCES where a mandatory chain stands over the base: who has its
// handle could walk round the chain. It is the maker's catalog that tells, and one
// that does not know the chain any more does not allow it.
func (f *functions) baseHandle(k *sock, out []byte) (int, wsa.Errno) {
	if e, ok := k.maker.cfg.Catalog.Snapshot().Entry(k.s.Info.CatalogEntryID); !ok || e.Mandatory {
		return 0, wsa.EACCES
	}
	n := 0
	e := k.alongside(func() (e wsa.Errno) {
		n, e = k.s.Chain().BaseIoctl(k.s, &provider.IoctlRequest{Code: wsa.SIO_BASE_HANDLE, Out: out})
		return e
	})
	return n, e
}

// updateAccept is SO_UPDATE_ACCEPT_CONTEXT. Its value is the listener: a
// descriptor here, the socket's number for the table, from which the base copies
// the options.
func (f *functions) updateAccept(k *sock, value []byte) wsa.Errno {
	if len(value) < 8 {
		return wsa.EFAULT
	}
	l, e := f.find(SOCKET(binary.LittleEndian.Uint64(value)))
	if e != 0 {
		return e
	}
	number := binary.LittleEndian.AppendUint64(nil, l.s.Handle())
	e = k.alongside(func() wsa.Errno {
		return k.table.WSPSetSockOpt(k.s, wsa.SOL_SOCKET, wsa.SO_UPDATE_ACCEPT_CONTEXT, number)
	})
	if e == 0 {
		k.winsock.inherit(l.winsock)
		k.winsock.context.Store(false)
	}
	return e
}

// updateConnect is SO_UPDATE_CONNECT_CONTEXT.
func (f *functions) updateConnect(k *sock, value []byte) wsa.Errno {
	e := k.alongside(func() wsa.Errno {
		return k.table.WSPSetSockOpt(k.s, wsa.SOL_SOCKET, wsa.SO_UPDATE_CONNECT_CONTEXT, value)
	})
	if e == 0 {
		k.winsock.context.Store(false)
	}
	return e
}
