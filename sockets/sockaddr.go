package sockets

import (
	"encoding/binary"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// parseSockaddr decodes a sockaddr: EFAULT if it is shorter than its family's. One
// of an unknown family is handed on, for the base to refuse.
func parseSockaddr(b []byte) (provider.Addr, wsa.Errno) {
	a, ok := provider.ParseSockaddr(b)
	if !ok && (len(b) < 2 || a.Family == wsa.AF_INET || a.Family == wsa.AF_INET6) {
		return provider.Addr{}, wsa.EFAULT
	}
	return a, 0
}

// appendSockaddr encodes a; without an address the family's zeros.
func appendSockaddr(b []byte, a provider.Addr) []byte {
	n := len(b)
	if b = provider.AppendSockaddr(b, a); len(b) == n {
		b = binary.LittleEndian.AppendUint16(b, uint16(a.Family))
		b = append(b, make([]byte, sockaddrLen(a)-2)...)
	}
	return b
}

func sockaddrLen(a provider.Addr) int32 {
	if a.Family == wsa.AF_INET6 {
		return provider.SockaddrIn6Size
	}
	return provider.SockaddrInSize
}

// putSockaddr is how the SDK hands out an address: namelen is the room in name
// and becomes the address's size. EFAULT if it does not fit; nothing is written
// then. Without name or namelen nobody wants it.
func putSockaddr(name []byte, namelen *int32, a provider.Addr) wsa.Errno {
	if namelen == nil || name == nil {
		return 0
	}
	if e := room(name, namelen, sockaddrLen(a)); e != 0 {
		return e
	}
	*namelen = sockaddrLen(a)
	appendSockaddr(name[:0], a)
	return 0
}

func room(name []byte, namelen *int32, size int32) wsa.Errno {
	if *namelen < size || int32(len(name)) < size {
		return wsa.EFAULT
	}
	return 0
}
