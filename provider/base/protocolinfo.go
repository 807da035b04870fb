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
		copy(out, appendInfo(make([]byte, 0, size), k.self.Load().Info, wide))
		return size, 0
	}
}

// AppendProtocolInfo appends i as WSAPROTOCOL_INFOW, 628 bytes: what a process hands to
// another after WSPDuplicateSocket (winsock-spi 8.1). A name is cut to 255 characters.
func AppendProtocolInfo(b []byte, i *provider.ProtocolInfo) []byte { return appendInfo(b, i, true) }

// ParseProtocolInfo reads what AppendProtocolInfo has written; what follows it in b does
// not matter. The reserved dwServiceFlags2 to 4 are not kept, and a name ends at its
// first NUL. EFAULT: b is too short. EINVAL: no chain has that length, or the name does
// not end.
func ParseProtocolInfo(b []byte) (i provider.ProtocolInfo, e wsa.Errno) {
	if len(b) < protocolInfoSizeW {
		return i, wsa.EFAULT
	}
	dword := func(at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
	signed := func(at int) int32 { return int32(dword(at)) }
	i = provider.ProtocolInfo{
		ServiceFlags1: dword(0), ProviderFlags: dword(16), ProviderID: provider.GUID(b[20:36]), CatalogEntryID: provider.CatalogID(dword(36)),
		Chain:   provider.ProtocolChain{Len: signed(40)},
		Version: signed(72), AddressFamily: signed(76), MaxSockAddr: signed(80), MinSockAddr: signed(84), SocketType: signed(88),
		Protocol: signed(92), ProtocolMaxOffset: signed(96), NetworkByteOrder: signed(100), SecurityScheme: signed(104),
		MessageSize: dword(108), ProviderReserved: dword(112),
	}
	for n := range i.Chain.Entries {
		i.Chain.Entries[n] = provider.CatalogID(dword(44 + 4*n))
	}
	var chars []uint16
	for at := 116; at < protocolInfoSizeW; at += 2 {
		c := binary.LittleEndian.Uint16(b[at:])
		if c == 0 {
			break
		}
		chars = append(chars, c)
	}
	if len(chars) == protocolNameSize || i.Chain.Len < 0 || i.Chain.Len > wsa.MAX_PROTOCOL_CHAIN {
		return provider.ProtocolInfo{}, wsa.EINVAL
	}
	i.Name = string(utf16.Decode(chars))
	return i, 0
}

// appendInfo appends i in the memory order of winsock2.h.
func appendInfo(b []byte, i *provider.ProtocolInfo, wide bool) []byte {
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
