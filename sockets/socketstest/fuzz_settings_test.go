package socketstest_test

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// eventSelect registers network events with the event of the goroutine.
func (r *runner) eventSelect(i instruction) {
	d, mask := r.m.at(i.slot), eventMask(i)
	event := sockets.CreateEvent()
	switch {
	case i.c == 0xff:
		event = nil
	case i.c == 0xfe:
		event.Close()
	}
	r.register("WSPEventSelect", d, mask, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPEventSelect(d.h, event, mask) })
}

// asyncSelect registers them with a message function, which is told of no others.
func (r *runner) asyncSelect(i instruction) {
	d, mask := r.m.at(i.slot), eventMask(i)
	post := func(s sockets.SOCKET, event wsa.Events, e wsa.Errno) {
		d.k.mu.Lock()
		masks := d.k.masks
		d.k.mu.Unlock()
		if event&^masks != 0 || event&(event-1) != 0 || event == 0 {
			r.m.failf("a message of %#x, and %#x were asked for", uint32(event), uint32(masks))
		}
		r.m.judgeEvent(event, e)
	}
	if i.c == 0xff {
		post = nil
	}
	r.register("WSPAsyncSelect", d, mask, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPAsyncSelect(d.h, post, mask) })
}

func eventMask(i instruction) wsa.Events {
	switch i.b & 3 {
	case 0:
		return wsa.FD_ALL_EVENTS
	case 1:
		if i.a == 0xff {
			return 0x10000 // no event of Winsock
		}
		return wsa.FD_READ | wsa.FD_WRITE | wsa.FD_CLOSE
	}
	return wsa.Events(i.a) | wsa.Events(i.b>>6)<<8
}

func (r *runner) register(fn string, d *descriptor, mask wsa.Events, f func(*sockets.WSPProcTable) wsa.Errno) {
	k := d.k
	k.mu.Lock()
	k.masks |= mask
	k.masked.by(r.g)
	k.mu.Unlock()
	k.nonblocking.Store(true)
	e := r.call(fn, d, f)
	k.mu.Lock()
	defer k.mu.Unlock()
	if e == 0 {
		k.mask = mask
	}
}

// enumNetworkEvents wants none that was not asked for.
func (r *runner) enumNetworkEvents(i instruction) {
	d := r.m.at(i.slot)
	var event *sockets.Event
	if i.a&1 != 0 {
		event = sockets.CreateEvent()
	}
	ne := new(sockets.NetworkEvents)
	ne.Events = untouched
	for x := range ne.Errors {
		ne.Errors[x] = untouched
	}
	given := ne
	if i.c == 0xff {
		given = nil
	}
	e := r.call("WSPEnumNetworkEvents", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPEnumNetworkEvents(d.h, event, given) })
	if e != 0 || given == nil {
		if e == 0 || ne.Events != untouched {
			r.m.failf("WSPEnumNetworkEvents: %s, and events %#x", e.Name(), uint32(ne.Events))
		}
		return
	}
	d.k.mu.Lock()
	masks := d.k.masks
	if d.k.masked.alone(r.g) || d.k.masked == 0 {
		masks = d.k.mask
	}
	d.k.mu.Unlock()
	if ne.Events&^masks != 0 {
		r.m.failf("WSPEnumNetworkEvents: %#x, and %#x were asked for", uint32(ne.Events), uint32(masks))
	}
	for x, e := range ne.Errors {
		bit := wsa.Events(1) << x
		switch {
		case ne.Events&bit == 0 && e != untouched:
			r.m.failf("WSPEnumNetworkEvents: %#x, and the error of %#x is set", uint32(ne.Events), uint32(bit))
		case ne.Events&bit != 0:
			r.m.judgeEvent(bit, e)
		}
	}
}

// judgeEvent says whether an event may come with e.
func (m *machine) judgeEvent(event wsa.Events, e wsa.Errno) {
	switch {
	case e == 0, slices.Contains(eventErrors[event], e):
		if e != wsa.ENETDOWN || m.ending[0].Load() || m.ending[1].Load() {
			return
		}
	case e == wsa.ECONNABORTED && m.cancelled.Load():
		return
	}
	m.failf("event %#x with %s", uint32(event), e.Name())
}

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

var fuzzIoctls = []uint32{
	wsa.FIONREAD, wsa.SIOCATMARK, wsa.SIO_GET_EXTENSION_FUNCTION_POINTER, wsa.SIO_ADDRESS_LIST_CHANGE, wsa.SIO_ROUTING_INTERFACE_CHANGE,
	wsa.SIO_ADDRESS_LIST_QUERY, wsa.SIO_ROUTING_INTERFACE_QUERY, wsa.SIO_KEEPALIVE_VALS, wsa.SIO_UDP_CONNRESET, wsa.SIO_UDP_NETRESET,
	wsa.SIO_BASE_HANDLE, wsa.SIO_BSP_HANDLE, wsa.SIO_BSP_HANDLE_SELECT, wsa.SIO_GET_INTERFACE_LIST, wsa.SIO_GET_BROADCAST_ADDRESS,
	wsa.SIO_ENABLE_CIRCULAR_QUEUEING, wsa.SIO_FLUSH, wsa.SIO_MULTIPOINT_LOOPBACK, wsa.SIO_MULTICAST_SCOPE, wsa.SIO_GET_QOS,
	wsa.SIO_TRANSLATE_HANDLE, wsa.SIO_TCP_INFO, wsa.SIO_LOOPBACK_FAST_PATH, wsa.SIO_RCVALL, 0x12345678, wsa.SIO_ADDRESS_LIST_CHANGE,
	wsa.SIO_IDEAL_SEND_BACKLOG_QUERY, wsa.SIO_QUERY_TARGET_PNP_HANDLE,
}

// control is the input and the room of an ioctl.
func (r *runner) control(d *descriptor, i instruction) (code uint32, in, out []byte) {
	code = fuzzIoctls[int(i.a)%len(fuzzIoctls)]
	switch i.b & 7 {
	case 0:
		in = sockets.WSAID_ACCEPTEX[:]
	case 1:
		in = r.name(d, i.c, 1, false)
	case 2:
		in = append(dword(1), append(dword(1000), dword(1000)...)...)
	case 3:
		in = nil
	default:
		in = dword(uint32(i.b >> 3 & 1))
	}
	return code, in, make([]byte, int(i.c)*4)
}

func (r *runner) ioctl(i instruction) {
	d := r.m.at(i.slot)
	code, in, out := r.control(d, i)
	n := uint32(untouched)
	e := r.call("WSPIoctl", d, func(t *sockets.WSPProcTable) wsa.Errno {
		return t.WSPIoctl(d.h, code, in, out, &n, nil, nil, nil)
	})
	switch {
	case e == 0 && int(n) > len(out):
		r.m.failf("WSPIoctl(%#x) has written %d bytes into %d", code, n, len(out))
	case e == wsa.EWOULDBLOCK && !d.k.nonblocking.Load():
		r.m.failf("WSPIoctl(%#x) on a blocking socket: %s", code, e.Name())
	case e == wsa.IO_PENDING:
		r.m.failf("WSPIoctl(%#x), not overlapped: %s", code, e.Name())
	}
}

func (r *runner) ioctlOverlapped(i instruction) {
	d := r.m.at(i.slot)
	code, in, out := r.control(d, i)
	o := r.newOperation("WSPIoctl", d, message{data: out}, i.c, false)
	if !d.k.overlapped && o.routine { // the arguments of an overlapped one are ignored (6.1)
		return
	}
	n := uint32(untouched)
	if d.k.overlapped {
		r.start(o, func(t *sockets.WSPProcTable) wsa.Errno {
			return t.WSPIoctl(d.h, code, in, out, &n, &o.o, o.completion(), nil)
		})
	}
}

// text is WSPAddressToString and WSPStringToAddress.
func (r *runner) text(i instruction) {
	d := r.m.at(i.slot)
	info := &provider.ProtocolInfo{}
	if s, e := r.session(d).Lookup(d.h); e == 0 {
		info = s.Info
	}
	t := &r.tables[d.side]
	if i.a&1 == 0 {
		room := make([]uint16, int(i.b)%70)
		n := uint32(len(room))
		e := t.WSPAddressToString(r.name(d, i.c, 1, false), info, room, &n)
		r.m.wants("WSPAddressToString", e, wsa.NOTINITIALISED)
		if e == 0 && (int(n) > len(room) || room[n-1] != 0) {
			r.m.failf("WSPAddressToString: %d characters of %d", n, len(room))
		}
		return
	}
	text := []string{"10.1.0.1:80", "[fd00::1%2]:443", "1.2.3", "", "::", "256.1.1.1", "[::1", "1.2.3.4:99999"}[i.b&7]
	b := make([]byte, int(i.c)%40)
	n := int32(len(b))
	e := t.WSPStringToAddress(text, d.k.family, info, b, &n)
	r.m.wants("WSPStringToAddress", e, wsa.NOTINITIALISED)
	if e == 0 && int(n) > len(b) {
		r.m.failf("WSPStringToAddress: %d bytes of %d", n, len(b))
	}
}
