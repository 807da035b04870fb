package netstack

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

var networks = map[int32]tcpip.NetworkProtocolNumber{
	wsa.AF_INET:  header.IPv4ProtocolNumber,
	wsa.AF_INET6: header.IPv6ProtocolNumber,
}

// messageSize is dwMessageSize of Windows' UDP and RAW entries (winsock-spi 1.5).
const messageSize = 65467

// Protocols is the catalog of winsock-spi 1.5, and DGRAM/ICMP behind it in each
// family: the ping socket, which needs no capability. It does not match
// protocol 0, so that DGRAM alone stays UDP. RAW stands there without the
// capability too, as on Windows: to open it is EACCES.
func (d *Driver) Protocols() []base.Protocol {
	var all []base.Protocol
	for _, f := range []struct {
		af   int32
		name string
		ping int32
	}{{wsa.AF_INET, "IP", wsa.IPPROTO_ICMP}, {wsa.AF_INET6, "IPv6", wsa.IPPROTO_ICMPV6}} {
		if !d.tcpip.CheckNetworkProtocol(networks[f.af]) {
			continue
		}
		all = append(all,
			base.Protocol{Family: f.af, Type: wsa.SOCK_STREAM, Protocol: wsa.IPPROTO_TCP, Name: "TCP/" + f.name},
			base.Protocol{Family: f.af, Type: wsa.SOCK_DGRAM, Protocol: wsa.IPPROTO_UDP, Name: "UDP/" + f.name, MessageSize: messageSize},
			base.Protocol{Family: f.af, Type: wsa.SOCK_RAW, MaxOffset: 255, Name: "RAW/" + f.name, MessageSize: messageSize, Hidden: true},
			base.Protocol{Family: f.af, Type: wsa.SOCK_DGRAM, Protocol: f.ping, Name: "ICMP/" + f.name, MessageSize: messageSize, Hidden: true, NoZero: true},
		)
	}
	return all
}
