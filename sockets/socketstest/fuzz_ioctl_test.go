package socketstest_test

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

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
