package host

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// maxSoft bounds the ICMP errors that are kept for one endpoint. They are hints,
// and a host that answers each datagram with one must not cost memory.
const maxSoft = 16

// softErrors are ICMP errors that wait for the next Recv, first come first.
type softErrors struct {
	pending atomic.Bool
	mu      sync.Mutex
	queue   []softError
	ended   atomic.Bool // the Host has: ENETDOWN from now on

	// The newest path MTU report, for those who ask for them: whoever misses one
	// draws it again with the next datagram that is too long.
	report   softError
	reported bool
	asked    atomic.Bool // somebody has
}

type softError struct {
	to   provider.Addr // the destination that drew it
	err  wsa.Errno
	icmp provider.ICMPError
}

// push keeps e, unless there are enough.
func (q *softErrors) push(e softError) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.err == wsa.EMSGSIZE {
		q.report, q.reported = e, true
		if q.asked.Load() {
			q.pending.Store(true)
		}
		return
	}
	if len(q.queue) < maxSoft {
		q.queue = append(q.queue, e)
		q.pending.Store(true)
	}
}

// first is what pop would return.
func (q *softErrors) first() wsa.Errno {
	if !q.pending.Load() {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case len(q.queue) > 0:
		return q.queue[0].err
	case q.reported && q.asked.Load():
		return q.report.err
	case q.ended.Load():
		return wsa.ENETDOWN
	}
	return 0
}

func (q *softErrors) pop() (e softError, ok bool) {
	if !q.pending.Load() {
		return e, false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch told := q.reported && q.asked.Load(); {
	case len(q.queue) > 0:
		e = q.queue[0]
		q.queue = append(q.queue[:0], q.queue[1:]...)
	case told:
		e, q.reported = q.report, false
	default:
		return softError{err: wsa.ENETDOWN}, q.ended.Load()
	}
	q.pending.Store(len(q.queue) > 0 || q.reported && q.asked.Load() || q.ended.Load())
	return e, true
}

// ask has path MTU reports told from now on, and the one that came before.
func (q *softErrors) ask() {
	if q.asked.Load() {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asked.Store(true)
	if q.reported {
		q.pending.Store(true)
	}
}

func (q *softErrors) down() {
	q.mu.Lock()
	q.ended.Store(true)
	q.pending.Store(true)
	q.mu.Unlock()
}

// SoftError is the code of the error that the next Recv returns, 0 if none.
func (d *datagram) SoftError() wsa.Errno { return d.soft.first() }

// collect takes the error queue over and returns how many errors of the network
// stood in it; those of this machine have failed their send already. Taking from it
// also clears the error that the kernel would fail the next call with
// (sock_dequeue_err_skb).
func (d *datagram) collect() (n int) {
	m := getMessage()
	defer m.release()
	var quoted [8]byte // of the datagram that drew the error
	m.add(quoted[:])
	for {
		m.name.room()
		m.prepare(true, len(m.controlBytes()))
		got, errno := m.receive(d.fd, unix.MSG_ERRQUEUE)
		if errno != 0 {
			return n // EAGAIN
		}
		e, local := readError(m.controlBytes()[:m.header.Controllen])
		if !local {
			n++
		}
		if e.err == 0 || !local && d.ping != nil && !d.ping.sent(quoted[:got]) {
			continue
		}
		copy(e.icmp.Quoted[:], quoted[:got])
		if e.to = m.name.get(); d.raw() || d.isPing() {
			e.to = withPort(e.to, 0)
		}
		d.soft.push(e)
	}
}

// readError finds the sock_extended_err in control, and who sent it, and says what
// it means; 0 is nothing that anybody should hear of. local: it is this machine's.
func readError(control []byte) (e softError, local bool) {
	const size = int(unsafe.Sizeof(unix.SockExtendedErr{}))
	for c, ok := nextControl(&control); ok; c, ok = nextControl(&control) {
		v4 := c.level == unix.IPPROTO_IP && c.kind == unix.IP_RECVERR
		v6 := c.level == unix.IPPROTO_IPV6 && c.kind == unix.IPV6_RECVERR
		if !v4 && !v6 || len(c.data) < size {
			continue
		}
		errno, origin := syscall.Errno(binary.NativeEndian.Uint32(c.data)), c.data[4]
		e.icmp.Type, e.icmp.Code = c.data[5], c.data[6]
		switch origin {
		case unix.SO_EE_ORIGIN_ICMP:
			e.err = icmpErrno(e.icmp.Type, e.icmp.Code)
		case unix.SO_EE_ORIGIN_ICMP6:
			e.err = icmp6Errno(e.icmp.Type, e.icmp.Code)
		case unix.SO_EE_ORIGIN_LOCAL: // the send has failed with it already
			e.icmp.Type, e.icmp.Code = 0, 0
			if local = true; errno == unix.EMSGSIZE {
				e.err = wsa.EMSGSIZE
			}
		}
		if e.err == wsa.EMSGSIZE {
			if e.icmp.MTU = binary.NativeEndian.Uint32(c.data[8:]); e.icmp.MTU == 0 {
				e.err = 0
			}
		}
		e.icmp.From = offender(c.data[size:])
		return e, local
	}
	return e, false
}

// offender is SO_EE_OFFENDER: a sockaddr behind the error.
func offender(b []byte) netip.Addr {
	const in, in6 = unix.SizeofSockaddrInet4, unix.SizeofSockaddrInet6
	if len(b) < 2 {
		return netip.Addr{}
	}
	switch family := binary.NativeEndian.Uint16(b); {
	case family == unix.AF_INET && len(b) >= in:
		return netip.AddrFrom4([4]byte(b[4:8]))
	case family == unix.AF_INET6 && len(b) >= in6-4:
		return netip.AddrFrom16([16]byte(b[8:24])).Unmap()
	}
	return netip.Addr{}
}

// icmpErrno reads type and code (RFC 792, RFC 1122 3.2.2.1, RFC 1812 5.2.7.1):
// the kernel's own errno makes "prohibited" an EHOSTUNREACH.
func icmpErrno(typ, code byte) wsa.Errno {
	const unreachable, exceeded, problem = 3, 11, 12
	switch typ {
	case unreachable:
		switch code {
		case 2, 3: // protocol, port
			return wsa.ECONNRESET
		case 4: // fragmentation needed
			return wsa.EMSGSIZE
		case 0, 5, 6, 11: // network, source route, network unknown, network for this TOS
			return wsa.ENETUNREACH
		case 9, 10, 13: // administratively prohibited
			return wsa.EACCES
		}
		return wsa.EHOSTUNREACH
	case exceeded:
		return wsa.ENETRESET
	case problem:
		return wsa.EHOSTUNREACH
	}
	return 0 // source quench and the like
}

// icmp6Errno does the same for RFC 4443 3.
func icmp6Errno(typ, code byte) wsa.Errno {
	const unreachable, tooBig, exceeded, problem = 1, 2, 3, 4
	switch typ {
	case tooBig:
		return wsa.EMSGSIZE
	case unreachable:
		switch code {
		case 0: // no route
			return wsa.ENETUNREACH
		case 4: // port
			return wsa.ECONNRESET
		case 1, 5, 6: // prohibited, policy, reject route
			return wsa.EACCES
		}
		return wsa.EHOSTUNREACH
	case exceeded:
		return wsa.ENETRESET
	case problem:
		return wsa.EHOSTUNREACH
	}
	return 0
}

// A control message as the kernel lays it out: unix.ParseSocketControlMessage
// would allocate.
type control struct {
	level, kind int32
	data        []byte
}

// nextControl takes the first message off b.
func nextControl(b *[]byte) (c control, ok bool) {
	if len(*b) < unix.SizeofCmsghdr {
		return c, false
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(*b)))
	size := int(h.Len)
	if size < unix.SizeofCmsghdr || size > len(*b) {
		return c, false
	}
	c = control{level: h.Level, kind: h.Type, data: (*b)[unix.CmsgLen(0):size]}
	*b = (*b)[min(unix.CmsgSpace(size-unix.CmsgLen(0)), len(*b)):]
	return c, true
}

// intOf is an int as setsockopt and cmsg carry it; IP_TOS is one byte.
func intOf(b []byte) int {
	switch {
	case len(b) >= 4:
		return int(int32(binary.NativeEndian.Uint32(b)))
	case len(b) >= 1:
		return int(b[0])
	}
	return 0
}
