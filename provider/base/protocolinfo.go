package base

import (
	"encoding/binary"
	"unicode/utf16"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Sizes of WSAPROTOCOL_INFOW and -A, bytes (winsock-spi 1).
const (
	protocolInfoSizeW = 628
	protocolInfoSizeA = 372
	protocolNameSize  = 256 // WSAPROTOCOL_LEN + 1, characters
)

// protocolInfo is SO_PROTOCOL_INFOA or -W: the entry of the chain that made the
// socket, so that no layer has to answer for itself.
func protocolInfo(wide bool) func(*socket, *option, []byte) (int, wsa.Errno) {
	size := protocolInfoSizeA
	if wide {
		size = protocolInfoSizeW
	}
	return func(k *socket, _ *option, out []byte) (int, wsa.Errno) {
		if len(out) < size {
			return size, wsa.EFAULT
		}
		copy(out, appendProtocolInfo(make([]byte, 0, size), k.self.Load().Info, wide))
		return size, 0
	}
}

// appendProtocolInfo appends i in the memory order of winsock2.h.
func appendProtocolInfo(b []byte, i *provider.ProtocolInfo, wide bool) []byte {
	dword := func(v ...uint32) {
		for _, x := range v {
			b = binary.LittleEndian.AppendUint32(b, x)
		}
	}
	dword(i.ServiceFlags1, 0, 0, 0, i.ProviderFlags)
	b = append(b, i.ProviderID[:]...)
	dword(uint32(i.CatalogEntryID), uint32(i.Chain.Len))
	for _, id := range i.Chain.Entries {
		dword(uint32(id))
	}
	dword(uint32(i.Version), uint32(i.AddressFamily), uint32(i.MaxSockAddr), uint32(i.MinSockAddr), uint32(i.SocketType),
		uint32(i.Protocol), uint32(i.ProtocolMaxOffset), uint32(i.NetworkByteOrder), uint32(i.SecurityScheme),
		i.MessageSize, i.ProviderReserved)
	return appendProtocolName(b, i.Name, wide)
}

// appendProtocolName appends szProtocol, cut to 255 characters and zero-filled.
// What the A form has no letter for is a question mark.
func appendProtocolName(b []byte, name string, wide bool) []byte {
	var chars [protocolNameSize]uint16
	copy(chars[:protocolNameSize-1], utf16.Encode([]rune(name)))
	for _, c := range chars {
		switch {
		case wide:
			b = binary.LittleEndian.AppendUint16(b, c)
		case c > 0x7f:
			b = append(b, '?')
		default:
			b = append(b, byte(c))
		}
	}
	return b
}
