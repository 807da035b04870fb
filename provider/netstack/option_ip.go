package netstack

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/netnsd/netnsd/provider/wsa"
)

func readOnly(*endpoint, int) wsa.Errno { return wsa.ENOPROTOOPT }

func setNoChecksum(e *endpoint, v int) wsa.Errno {
	if e.protocol != wsa.IPPROTO_UDP {
		return wsa.ENOPROTOOPT
	}
	e.ep.SocketOptions().SetNoChecksum(v != 0)
	return 0
}

func getNoChecksum(e *endpoint) (int, wsa.Errno) {
	if e.protocol != wsa.IPPROTO_UDP {
		return 0, wsa.ENOPROTOOPT
	}
	return number(e.ep.SocketOptions().GetNoChecksum()), 0
}

// unicastNIC is over which NIC unicast packets to an address leave (IP_UNICAST_IF,
// IPV6_UNICAST_IF), 0 if the routes say so alone.
func (e *endpoint) unicastNIC(to tcpip.Address) tcpip.NICID {
	a := unmapped(to)
	switch {
	case header.IsV4MulticastAddress(a), header.IsV6MulticastAddress(a), a == header.IPv4Broadcast:
		return 0
	case a.Len() == header.IPv4AddressSize:
		return tcpip.NICID(e.unicast4.Load())
	}
	return tcpip.NICID(e.unicast6.Load())
}

func setUnicastIF(v6 bool) func(*endpoint, int) wsa.Errno {
	return func(e *endpoint, v int) wsa.Errno {
		if v != 0 && !e.driver.tcpip.HasNIC(tcpip.NICID(v)) {
			return wsa.EINVAL
		}
		if v6 {
			e.unicast6.Store(uint32(v))
		} else {
			e.unicast4.Store(uint32(v))
		}
		return 0
	}
}

func getUnicastIF(v6 bool) func(*endpoint) (int, wsa.Errno) {
	return func(e *endpoint) (int, wsa.Errno) {
		if v6 {
			return int(e.unicast6.Load()), 0
		}
		return int(e.unicast4.Load()), 0
	}
}

// getMTU is the MTU of the way to the peer, bytes: gVisor's without the IP header.
// ENOTCONN: there is no peer.
func getMTU(e *endpoint) (int, wsa.Errno) {
	to := e.peer.Load()
	if to == nil {
		return 0, wsa.ENOTCONN
	}
	full, ok := e.toFull(*to)
	if !ok {
		return 0, wsa.ENOTCONN
	}
	dest := unmapped(full.Addr)
	if full.NIC == 0 {
		full.NIC = e.unicastNIC(dest)
	}
	r, errno := e.driver.route(full.NIC, tcpip.Address{}, dest)
	if errno != 0 {
		return 0, errno
	}
	defer r.Release()
	size := header.IPv4MinimumSize
	if dest.Len() == header.IPv6AddressSize {
		size = header.IPv6MinimumSize
	}
	return int(r.MTU()) + size, 0
}
