package socketstest_test

import (
	"bytes"
	"encoding/binary"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// option is one that programs touch.
type option struct {
	level, name int32
	values      [][]byte
	exact       bool // it reads as it was set
}

func dword(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }

var yesNo = [][]byte{dword(0), dword(1)}

var fuzzOptions = []option{
	{wsa.SOL_SOCKET, wsa.SO_RCVTIMEO, [][]byte{dword(1), dword(3), dword(5)}, true},
	{wsa.SOL_SOCKET, wsa.SO_SNDTIMEO, [][]byte{dword(1), dword(3), dword(5)}, true},
	{wsa.SOL_SOCKET, wsa.SO_LINGER, [][]byte{{0, 0, 0, 0}, {1, 0, 0, 0}, {1, 0, 1, 0}, {1, 0}}, true},
	{wsa.SOL_SOCKET, wsa.SO_SNDBUF, [][]byte{dword(0), dword(4096), dword(8192), dword(100_000)}, true},
	{wsa.SOL_SOCKET, wsa.SO_RCVBUF, [][]byte{dword(0), dword(4096), dword(8192), dword(100_000)}, true},
	{wsa.SOL_SOCKET, wsa.SO_KEEPALIVE, yesNo, true},
	{wsa.SOL_SOCKET, wsa.SO_BROADCAST, yesNo, true},
	{wsa.SOL_SOCKET, wsa.SO_OOBINLINE, yesNo, true},
	{wsa.SOL_SOCKET, wsa.SO_DONTLINGER, yesNo, false}, // it is SO_LINGER's
	{wsa.SOL_SOCKET, wsa.SO_REUSEADDR, yesNo, true},
	{wsa.SOL_SOCKET, wsa.SO_EXCLUSIVEADDRUSE, yesNo, true},
	{wsa.SOL_SOCKET, wsa.SO_ERROR, yesNo, false},
	{wsa.SOL_SOCKET, wsa.SO_TYPE, yesNo, false},
	{wsa.SOL_SOCKET, wsa.SO_ACCEPTCONN, yesNo, false},
	{wsa.SOL_SOCKET, wsa.SO_CONDITIONAL_ACCEPT, yesNo, true},
	{wsa.SOL_SOCKET, wsa.SO_PAUSE_ACCEPT, yesNo, true},
	{wsa.SOL_SOCKET, wsa.SO_BSP_STATE, yesNo, false},
	{wsa.SOL_SOCKET, wsa.SO_PROTOCOL_INFOW, yesNo, false},
	{wsa.SOL_SOCKET, wsa.SO_CONNECT_TIME, yesNo, false},
	{wsa.SOL_SOCKET, wsa.SO_RANDOMIZE_PORT, yesNo, true},
	{wsa.IPPROTO_TCP, wsa.TCP_NODELAY, yesNo, true},
	{wsa.IPPROTO_TCP, wsa.TCP_KEEPIDLE, [][]byte{dword(1), dword(100)}, true},
	{wsa.IPPROTO_TCP, wsa.TCP_MAXRT, [][]byte{dword(5), dword(100)}, false},
	{wsa.IPPROTO_IP, wsa.IP_TTL, [][]byte{dword(1), dword(64), dword(255), dword(256)}, true},
	{wsa.IPPROTO_IP, wsa.IP_MULTICAST_TTL, [][]byte{dword(1), dword(64)}, true},
	{wsa.IPPROTO_IP, wsa.IP_MULTICAST_LOOP, yesNo, true},
	{wsa.IPPROTO_IP, wsa.IP_DONTFRAGMENT, yesNo, true},
	{wsa.IPPROTO_IP, wsa.IP_PKTINFO, yesNo, true},
	{wsa.IPPROTO_IP, wsa.IP_RECVTTL, yesNo, true},
	{wsa.IPPROTO_IP, wsa.IP_ADD_MEMBERSHIP, [][]byte{{239, 1, 2, 3, 0, 0, 0, 0}, {239, 1, 2, 4, 0, 0, 0, 0}, {10, 0, 0, 1, 0, 0, 0, 0}}, false},
	{wsa.IPPROTO_IP, wsa.IP_DROP_MEMBERSHIP, [][]byte{{239, 1, 2, 3, 0, 0, 0, 0}, {239, 1, 2, 4, 0, 0, 0, 0}}, false},
	{wsa.IPPROTO_IP, wsa.IP_BLOCK_SOURCE, [][]byte{{239, 1, 2, 3, 10, 1, 0, 1, 0, 0, 0, 0}}, false},
	{wsa.IPPROTO_IP, wsa.IP_ADD_SOURCE_MEMBERSHIP, [][]byte{{239, 1, 2, 3, 10, 1, 0, 1, 0, 0, 0, 0}}, false},
	{wsa.IPPROTO_IPV6, wsa.IPV6_UNICAST_HOPS, [][]byte{dword(1), dword(64), dword(^uint32(0))}, false}, // -1 reads as the default
	{wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY, yesNo, true},
	{wsa.IPPROTO_IPV6, wsa.IPV6_PKTINFO, yesNo, true},
	{12345, 1, yesNo, false},
	{wsa.SOL_SOCKET, 0x7777, yesNo, false},
}

// membership are options that would reach the machine's own network.
func (o option) membership() bool {
	return o.level == wsa.IPPROTO_IP && o.name >= wsa.IP_ADD_MEMBERSHIP && o.name <= wsa.IP_UNBLOCK_SOURCE && o.name != wsa.IP_DONTFRAGMENT
}

func (r *runner) setOption(i instruction) {
	d, o := r.m.at(i.slot), fuzzOptions[int(i.a)%len(fuzzOptions)]
	if o.membership() && r.m.ground.public {
		return
	}
	value := o.values[int(i.b)%len(o.values)]
	if i.c == 0xff {
		value = value[:1]
	}
	key := optionKey{o.level, o.name}
	d.k.optionTouched(key, r.g)
	e := r.call("WSPSetSockOpt", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPSetSockOpt(d.h, o.level, o.name, value) })
	if e == 0 && o.exact {
		d.k.optionSet(key, r.g, value, e)
	}
	for _, twin := range twins[o.name] {
		d.k.optionTouched(optionKey{o.level, twin}, r.g)
	}
}

// twins are options of SOL_SOCKET that change with another.
var twins = map[int32][]int32{wsa.SO_DONTLINGER: {wsa.SO_LINGER}}

func (r *runner) getOption(i instruction) {
	d, o := r.m.at(i.slot), fuzzOptions[int(i.a)%len(fuzzOptions)]
	value, n := bytes.Repeat([]byte{filler}, 700), int32(700)
	if i.c&0xf0 == 0xf0 {
		n = int32(i.c & 0xf)
	}
	e := r.call("WSPGetSockOpt", d, func(t *sockets.WSPProcTable) wsa.Errno {
		return t.WSPGetSockOpt(d.h, o.level, o.name, value, &n)
	})
	if e != 0 {
		return
	}
	if n < 0 || int(n) > len(value) {
		r.m.failf("option %#x of level %#x has %d bytes", o.name, o.level, n)
		return
	}
	if want := d.k.optionWanted(optionKey{o.level, o.name}, r.g); want != nil && o.exact && !bytes.HasPrefix(want, value[:n]) {
		r.m.failf("option %#x of level %#x is %x, was set to %x", o.name, o.level, value[:n], want)
	}
}
