package basetest

import (
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Rows is the default catalog of winsock-spi 1.5, without urgent data.
func Rows() []base.Protocol {
	var rows []base.Protocol
	for _, af := range []int32{wsa.AF_INET, wsa.AF_INET6} {
		ip := "IP"
		if af == wsa.AF_INET6 {
			ip = "IPv6"
		}
		rows = append(rows,
			base.Protocol{Family: af, Type: wsa.SOCK_STREAM, Protocol: wsa.IPPROTO_TCP, Name: "TCP/" + ip},
			base.Protocol{Family: af, Type: wsa.SOCK_DGRAM, Protocol: wsa.IPPROTO_UDP, Name: "UDP/" + ip, MessageSize: 65467},
			base.Protocol{Family: af, Type: wsa.SOCK_RAW, MaxOffset: 255, Name: "RAW/" + ip, MessageSize: 65467, Hidden: true},
		)
	}
	return rows
}
