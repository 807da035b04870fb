package host

import (
	"syscall"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Config says how the sockets of a Host differ from anybody else's on the
// machine. The zero value: not at all.
type Config struct {
	// Mark is SO_MARK, which routing rules and the packet filter can match: how a
	// gateway keeps its own traffic out of the TUN that it serves. 0 = none. It
	// needs CAP_NET_ADMIN.
	Mark uint32
	// Interface is SO_BINDTODEVICE: packets leave and enter through this interface
	// only. "" = any.
	Interface string

	rawPing bool                         // tests: never a ping socket, always its stand-in
	train   func(size int) syscall.Errno // tests: what the kernel says to a train; 0 = ask it
}

// Largest payloads: 65535 less the headers that the 16-bit length counts
// (RFC 791 3.1, RFC 768, RFC 8200 3).
const (
	maxUDP4  = 65535 - 20 - 8
	maxUDP6  = 65535 - 8
	maxICMP4 = 65535 - 20
	maxIP    = 65535
)

// protocols is the catalog of winsock-spi 1.5, plus ping sockets, which Windows
// has not: they are found by their number only.
var protocols = []base.Protocol{
	{Family: wsa.AF_INET, Type: wsa.SOCK_STREAM, Protocol: wsa.IPPROTO_TCP, Name: "TCP/IP", Expedited: true, IFS: true},
	{Family: wsa.AF_INET, Type: wsa.SOCK_DGRAM, Protocol: wsa.IPPROTO_UDP, Name: "UDP/IP", MessageSize: maxUDP4, IFS: true},
	{Family: wsa.AF_INET, Type: wsa.SOCK_RAW, MaxOffset: 255, Name: "RAW/IP", MessageSize: maxIP, Hidden: true, IFS: true},
	{Family: wsa.AF_INET, Type: wsa.SOCK_DGRAM, Protocol: wsa.IPPROTO_ICMP, Name: "ICMP/IP", MessageSize: maxICMP4, IFS: true, NoZero: true},
	{Family: wsa.AF_INET6, Type: wsa.SOCK_STREAM, Protocol: wsa.IPPROTO_TCP, Name: "TCP/IPv6", Expedited: true, IFS: true},
	{Family: wsa.AF_INET6, Type: wsa.SOCK_DGRAM, Protocol: wsa.IPPROTO_UDP, Name: "UDP/IPv6", MessageSize: maxUDP6, IFS: true},
	{Family: wsa.AF_INET6, Type: wsa.SOCK_RAW, MaxOffset: 255, Name: "RAW/IPv6", MessageSize: maxIP, Hidden: true, IFS: true},
	{Family: wsa.AF_INET6, Type: wsa.SOCK_DGRAM, Protocol: wsa.IPPROTO_ICMPV6, Name: "ICMP/IPv6", MessageSize: maxIP, IFS: true, NoZero: true},
}
