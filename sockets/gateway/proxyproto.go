package gateway

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/netnsd/netnsd/provider/wsa"
)

// ProxyProtocol is how a server is told who its client is, before the first byte of
// a connection, or at the start of each datagram as name servers know it
// (https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt).
type ProxyProtocol uint8

// Versions of the PROXY protocol.
const (
	NoProxy ProxyProtocol = iota
	ProxyV1               // a line of text; not for UDP
	ProxyV2               // binary
)

// String is off, v1 or v2.
func (v ProxyProtocol) String() string { return [...]string{"off", "v1", "v2"}[min(v, ProxyV2)] }

// proxySignature begins a header of version 2 (section 2.2).
const proxySignature = "\r\n\r\n\x00\r\nQUIT\n"

// Byte 13 is version and command, byte 14 family and protocol.
const (
	proxyCommand = 0x21 // version 2, PROXY
	proxyTCP4    = 0x11
	proxyTCP6    = 0x21
	proxyUDP     = 0x01 // what UDP's is more than TCP's
)

// header says that client has connected to local; nil for NoProxy. Both are of one
// family.
func (v ProxyProtocol) header(client, local netip.AddrPort, protocol int32) []byte {
	src, dst := client.Addr().WithZone(""), local.Addr().WithZone("")
	switch v {
	case ProxyV1:
		family := "TCP6"
		if src.Is4() {
			family = "TCP4"
		}
		return fmt.Appendf(nil, "PROXY %s %s %s %d %d\r\n", family, src, dst, client.Port(), local.Port())
	case ProxyV2:
		family := byte(proxyTCP6)
		if src.Is4() {
			family = proxyTCP4
		}
		if protocol == wsa.IPPROTO_UDP {
			family += proxyUDP
		}
		ends := append(src.AsSlice(), dst.AsSlice()...)
		ends = binary.BigEndian.AppendUint16(ends, client.Port())
		ends = binary.BigEndian.AppendUint16(ends, local.Port())
		b := append([]byte(proxySignature), proxyCommand, family)
		b = binary.BigEndian.AppendUint16(b, uint16(len(ends)))
		return append(b, ends...)
	}
	return nil
}
