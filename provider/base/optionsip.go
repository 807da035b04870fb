package base

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/netnsd/netnsd/provider/wsa"
)

// ipOptions are the rows of winsock-spi 9.3 beside those of options.go. "Kept" are
// those that the specification has accepted and stored (R = A): they read back, and
// change nothing on the wire.
var ipOptions = []option{
	{level: wsa.IPPROTO_IP, name: wsa.IP_OPTIONS, on: onAll, fetch: keptBytes, put: keepBytes(40)}, // kept; RFC 791 3.1: IHL of 15
	{level: wsa.IPPROTO_IP, name: wsa.IP_RECEIVE_BROADCAST, on: onMessage | onFamily, def: 1, boolean: true},
	{level: wsa.IPPROTO_IP, name: wsa.IP_RECVIF, on: onMessage | onFamily, boolean: true},
	{level: wsa.IPPROTO_IP, name: wsa.IP_RECVDSTADDR, on: onMessage | onFamily, boolean: true},
	{level: wsa.IPPROTO_IP, name: wsa.IP_IFLIST, on: onMessage | onFamily, boolean: true},
	{level: wsa.IPPROTO_IP, name: wsa.IP_ADD_IFLIST, on: onMessage | onFamily, only: setOnly, write: addInterface(wsa.IPPROTO_IP)},
	{level: wsa.IPPROTO_IP, name: wsa.IP_DEL_IFLIST, on: onMessage | onFamily, only: setOnly, write: deleteInterface(wsa.IPPROTO_IP)},
	{level: wsa.IPPROTO_IP, name: wsa.IP_GET_IFLIST, on: onMessage | onFamily, only: getOnly, fetch: interfaceList(wsa.IPPROTO_IP)},
	{level: wsa.IPPROTO_IP, name: wsa.IP_UNICAST_IF, on: onAll, down: needed, only: setSelf, write: unicastIF4},
	{level: wsa.IPPROTO_IP, name: wsa.IP_ECN, on: onMessage | onFamily, boolean: true},
	{level: wsa.IPPROTO_IP, name: wsa.IP_MTU_DISCOVER, on: onAll, max: wsa.IP_PMTUDISC_PROBE, down: needed},
	{level: wsa.IPPROTO_IP, name: wsa.IP_MTU, on: onAll, only: getOnly, read: pathMTU(wsa.IPPROTO_IP, wsa.IP_MTU)},
	{level: wsa.IPPROTO_IP, name: wsa.IP_RECVERR, on: onMessage | onFamily, boolean: true},
	{level: wsa.IPPROTO_IP, name: wsa.IP_USER_MTU, on: onAll, max: anyInt},

	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_HOPOPTS, on: onType | onIPv6, fetch: keptBytes, put: keepBytes(2048)}, // kept; RFC 8200 4.3: (255+1)*8
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_PROTECTION_LEVEL, on: onType | onIPv6, def: wsa.PROTECTION_LEVEL_UNRESTRICTED, write: protectionLevel},
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_RECVIF, on: onMessage | onIPv6, boolean: true},
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_RECVDSTADDR, on: onMessage | onIPv6, boolean: true},
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_CHECKSUM, on: onRaw | onIPv6, def: -1, min: -1, max: 65534, down: told, write: checksumOffset},
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_IFLIST, on: onMessage | onIPv6, boolean: true},
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_ADD_IFLIST, on: onMessage | onIPv6, only: setOnly, write: addInterface(wsa.IPPROTO_IPV6)},
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_DEL_IFLIST, on: onMessage | onIPv6, only: setOnly, write: deleteInterface(wsa.IPPROTO_IPV6)},
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_GET_IFLIST, on: onMessage | onIPv6, only: getOnly, fetch: interfaceList(wsa.IPPROTO_IPV6)},
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_UNICAST_IF, on: onType | onIPv6, down: needed, write: unicastIF6},
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_ECN, on: onMessage | onIPv6, boolean: true},
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_MTU_DISCOVER, on: onType | onIPv6, max: wsa.IP_PMTUDISC_PROBE, down: needed},
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_MTU, on: onType | onIPv6, only: getOnly, read: pathMTU(wsa.IPPROTO_IPV6, wsa.IPV6_MTU)},
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_RECVERR, on: onMessage | onIPv6, boolean: true},
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_USER_MTU, on: onType | onIPv6, max: anyInt},

	// UDP has to have it on IPv4; IPv6 has no datagram without one (RFC 8200 8.1).
	{level: wsa.IPPROTO_UDP, name: wsa.UDP_NOCHECKSUM, on: onDatagram | onIPv4, boolean: true, down: told},
	{level: wsa.IPPROTO_UDP, name: wsa.UDP_RECV_MAX_COALESCED_SIZE, on: onDatagram | onFamily, max: anyInt}, // an upper bound: nothing is coalesced
	{level: wsa.IPPROTO_UDP, name: wsa.UDP_CHECKSUM_COVERAGE, on: onDatagram | onFamily, max: 65535},        // kept: of UDP-Lite
}

// rare is what few sockets have of their own.
type rare struct {
	bytes      map[*option][]byte
	interfaces map[int32][]uint32 // IFLIST, by level
}

// maxInterfaceList bounds an IFLIST.
const maxInterfaceList = 64

func (k *socket) rarely() *rare {
	if k.rare == nil {
		k.rare = &rare{bytes: make(map[*option][]byte), interfaces: make(map[int32][]uint32)}
	}
	return k.rare
}

// keptBytes reads a value of any length, none before it was set.
func keptBytes(k *socket, o *option, out []byte) (int, wsa.Errno) {
	if k.rare == nil {
		return 0, 0
	}
	v := k.rare.bytes[o]
	if len(out) < len(v) {
		return len(v), wsa.EFAULT
	}
	return copy(out, v), 0
}

// keepBytes takes a value of 0 to most bytes.
func keepBytes(most int) func(*socket, *option, []byte) wsa.Errno {
	return func(k *socket, o *option, in []byte) wsa.Errno {
		if len(in) > most {
			return wsa.EINVAL
		}
		k.rarely().bytes[o] = slices.Clone(in)
		return 0
	}
}

func addInterface(level int32) func(*socket, int) wsa.Errno {
	return func(k *socket, v int) wsa.Errno {
		index, list := uint32(v), k.rarely().interfaces[level]
		switch {
		case index == 0 || !k.in.hasInterface(index):
			return wsa.EINVAL
		case slices.Contains(list, index):
			return 0
		case len(list) == maxInterfaceList:
			return wsa.ENOBUFS
		}
		k.rare.interfaces[level] = append(list, index)
		return 0
	}
}

func deleteInterface(level int32) func(*socket, int) wsa.Errno {
	return func(k *socket, v int) wsa.Errno {
		list := k.rarely().interfaces[level]
		i := slices.Index(list, uint32(v))
		if i < 0 {
			return wsa.EINVAL
		}
		k.rare.interfaces[level] = slices.Delete(list, i, i+1)
		return 0
	}
}

// interfaceList is IP_GET_IFLIST: the indexes as DWORDs.
func interfaceList(level int32) func(*socket, *option, []byte) (int, wsa.Errno) {
	return func(k *socket, _ *option, out []byte) (int, wsa.Errno) {
		var list []uint32
		if k.rare != nil {
			list = k.rare.interfaces[level]
		}
		if len(out) < 4*len(list) {
			return 4 * len(list), wsa.EFAULT
		}
		for i, index := range list {
			binary.LittleEndian.PutUint32(out[4*i:], index)
		}
		return 4 * len(list), 0
	}
}

// unicastIF4: IP_UNICAST_IF is set in network byte order and read in the host's
// (SDK, IPPROTO_IP socket options). The driver is given the index.
func unicastIF4(k *socket, v int) wsa.Errno {
	o := k.option(wsa.IPPROTO_IP, wsa.IP_UNICAST_IF)
	index := bits.ReverseBytes32(uint32(v))
	if !k.in.hasInterface(index) {
		return wsa.EINVAL
	}
	if e := push(k.link, o, int(int32(index))); e != 0 {
		return e
	}
	k.keep(o, int(int32(index)))
	return 0
}

func unicastIF6(k *socket, v int) wsa.Errno {
	if !k.in.hasInterface(uint32(v)) {
		return wsa.EINVAL
	}
	return 0
}

// protectionLevel judges IPV6_PROTECTION_LEVEL. Nothing traverses NATs here, so all
// levels admit the same.
func protectionLevel(_ *socket, v int) wsa.Errno {
	switch v {
	case wsa.PROTECTION_LEVEL_UNRESTRICTED, wsa.PROTECTION_LEVEL_EDGERESTRICTED, wsa.PROTECTION_LEVEL_RESTRICTED, wsa.PROTECTION_LEVEL_DEFAULT:
		return 0
	}
	return wsa.EINVAL
}

// checksumOffset: -1 is off, else an even offset into the payload (RFC 3542 3.1).
func checksumOffset(_ *socket, v int) wsa.Errno {
	if v > 0 && v%2 != 0 {
		return wsa.EINVAL
	}
	return 0
}

// pathMTU is IP_MTU or IPV6_MTU: ENOTCONN unless connected.
func pathMTU(level, name int32) func(*socket) (int, wsa.Errno) {
	return func(k *socket) (int, wsa.Errno) {
		if _, ok := k.peerName(); !ok {
			return 0, wsa.ENOTCONN
		}
		return k.link.Option(level, name)
	}
}
