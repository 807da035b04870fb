package provider

import (
	"encoding/binary"
	"net/netip"

	"github.com/netnsd/netnsd/provider/wsa"
)

// ICMPErrorInfoSize is the size of the SDK's ICMP_ERROR_INFO (ws2ipdef.h), bytes: a
// SOCKADDR_INET, the IPPROTO of the error, its type and code, padding.
const ICMPErrorInfoSize = 36

const icmpErrorProtocol = 28 // offset: behind the larger sockaddr

// PutInfo writes e as TCP_ICMP_ERROR_INFO has it into b, ICMPErrorInfoSize bytes. The
// zero ICMPError is all zeros. Who sent it may be unknown; MTU and Quoted have no place.
func (e ICMPError) PutInfo(b []byte, af int32) {
	clear(b[:ICMPErrorInfoSize])
	if e.Type == 0 {
		return
	}
	protocol := wsa.IPPROTO_ICMP
	if af == wsa.AF_INET6 {
		protocol = wsa.IPPROTO_ICMPV6
	}
	switch from := e.From.Unmap(); {
	case from.Is4():
		binary.LittleEndian.PutUint16(b, uint16(wsa.AF_INET))
		copy(b[4:], from.AsSlice())
	case from.Is6():
		binary.LittleEndian.PutUint16(b, uint16(wsa.AF_INET6))
		copy(b[8:], from.AsSlice())
	}
	binary.LittleEndian.PutUint32(b[icmpErrorProtocol:], uint32(protocol))
	b[icmpErrorProtocol+4], b[icmpErrorProtocol+5] = e.Type, e.Code
}

// ICMPErrorFromInfo reads what PutInfo has written; ok is false if b is short or says
// nothing.
func ICMPErrorFromInfo(b []byte) (e ICMPError, ok bool) {
	if len(b) < ICMPErrorInfoSize {
		return e, false
	}
	switch int32(binary.LittleEndian.Uint16(b)) {
	case wsa.AF_INET:
		e.From = netip.AddrFrom4([4]byte(b[4:]))
	case wsa.AF_INET6:
		e.From = netip.AddrFrom16([16]byte(b[8:]))
	}
	e.Type, e.Code = b[icmpErrorProtocol+4], b[icmpErrorProtocol+5]
	return e, e.Type != 0
}
