package owner

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// The wire format of sock_diag(7): linux/netlink.h, linux/inet_diag.h. Numbers are
// the machine's, addresses and ports the network's.
const (
	headerLen  = 16 // struct nlmsghdr
	requestLen = headerLen + 56
	answerLen  = 72 // struct inet_diag_msg
	errorLen   = 4  // what of struct nlmsgerr is read

	sockDiagByFamily = 20
	typeError        = 2 // NLMSG_ERROR
	typeDone         = 3 // NLMSG_DONE
	flagRequest      = 0x1
	flagDump         = 0x300
	flagInterrupted  = 0x10 // NLM_F_DUMP_INTR

	attributeV6Only = 11 // INET_DIAG_SKV6ONLY

	familyV4 = 2  // AF_INET
	familyV6 = 10 // AF_INET6, on Linux

	stateListen = 10 // TCP_LISTEN
)

var order = binary.NativeEndian

// A query is struct inet_diag_req_v2. With dump set, it asks for all sockets of the
// family that are bound to the source's port.
type query struct {
	family   uint8
	protocol uint8
	dump     bool
	src, dst netip.AddrPort
	device   uint32
	seq      uint32
}

func (q *query) marshal() []byte {
	b := make([]byte, requestLen)
	flags := uint16(flagRequest)
	if q.dump {
		flags |= flagDump
	}
	order.PutUint32(b[0:], requestLen)
	order.PutUint16(b[4:], sockDiagByFamily)
	order.PutUint16(b[6:], flags)
	order.PutUint32(b[8:], q.seq)
	r := b[headerLen:]
	r[0], r[1] = q.family, q.protocol
	order.PutUint32(r[4:], ^uint32(0)) // whatever state
	putID(r[8:], q.src, q.dst)
	order.PutUint32(r[44:], q.device)
	order.PutUint64(r[48:], ^uint64(0)) // INET_DIAG_NOCOOKIE, twice
	return b
}

// putID writes the beginning of struct inet_diag_sockid.
func putID(b []byte, src, dst netip.AddrPort) {
	binary.BigEndian.PutUint16(b[0:], src.Port())
	binary.BigEndian.PutUint16(b[2:], dst.Port())
	copy(b[4:20], src.Addr().AsSlice())
	copy(b[20:36], dst.Addr().AsSlice())
}

// A Socket is what the kernel says of one.
type Socket struct {
	Local, Remote netip.AddrPort // IPv4-mapped addresses as IPv4
	UID           uint32
	Inode         uint32 // 0: it belongs to no process, and UID means nothing
	V6Only        bool   // of a socket that is not connected

	family, state uint8
}

// errMalformed is of an answer that is not what the kernel would send.
var errMalformed = errors.New("malformed answer")

// An answer is what the kernel says to one question.
type answer struct {
	seq         uint32 // messages with another are skipped
	each        func(Socket)
	sockets     int  // handed to each
	interrupted bool // the table changed while it was read
}

// parse reads one packet. done says that the answer ends here.
func (a *answer) parse(b []byte) (done bool, err error) {
	for len(b) > 0 {
		if len(b) < headerLen {
			return true, fmt.Errorf("%w: %d bytes of a header", errMalformed, len(b))
		}
		n := int(order.Uint32(b))
		if n < headerLen || n > len(b) {
			return true, fmt.Errorf("%w: a message of %d bytes in %d", errMalformed, n, len(b))
		}
		if order.Uint32(b[8:]) == a.seq {
			a.interrupted = a.interrupted || order.Uint16(b[6:])&flagInterrupted != 0
			if done, err = a.message(order.Uint16(b[4:]), b[headerLen:n]); done || err != nil {
				return true, err
			}
		}
		b = b[min(align(n), len(b)):]
	}
	return false, nil
}

func align(n int) int { return (n + 3) &^ 3 }

func (a *answer) message(typ uint16, body []byte) (done bool, err error) {
	switch typ {
	case typeDone:
		return true, nil
	case typeError:
		if len(body) < errorLen {
			return true, fmt.Errorf("%w: an error of %d bytes", errMalformed, len(body))
		}
		if code := int32(order.Uint32(body)); code < 0 {
			return true, syscall.Errno(-code)
		}
		return true, nil
	case sockDiagByFamily:
		s, err := parseSocket(body)
		if err != nil {
			return true, err
		}
		a.sockets++
		a.each(s)
		return false, nil
	}
	return true, fmt.Errorf("%w: type %d", errMalformed, typ)
}

// parseSocket reads struct inet_diag_msg and the attributes after it.
func parseSocket(b []byte) (s Socket, err error) {
	if len(b) < answerLen {
		return s, fmt.Errorf("%w: a socket of %d bytes", errMalformed, len(b))
	}
	s.family, s.state = b[0], b[1]
	id := b[4:]
	var src, dst netip.Addr
	switch s.family {
	case familyV4:
		src, dst = netip.AddrFrom4([4]byte(id[4:8])), netip.AddrFrom4([4]byte(id[20:24]))
	case familyV6:
		src, dst = netip.AddrFrom16([16]byte(id[4:20])).Unmap(), netip.AddrFrom16([16]byte(id[20:36])).Unmap()
	default:
		return s, fmt.Errorf("%w: address family %d", errMalformed, s.family)
	}
	s.Local = netip.AddrPortFrom(src, binary.BigEndian.Uint16(id[0:]))
	s.Remote = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(id[2:]))
	s.UID, s.Inode = order.Uint32(b[64:]), order.Uint32(b[68:])
	return s, s.attributes(b[answerLen:])
}

// attributes are struct rtattr: length, type, value.
func (s *Socket) attributes(b []byte) error {
	for len(b) >= 4 {
		n := int(order.Uint16(b))
		if n < 4 || n > len(b) {
			return fmt.Errorf("%w: an attribute of %d bytes in %d", errMalformed, n, len(b))
		}
		if order.Uint16(b[2:]) == attributeV6Only && n > 4 {
			s.V6Only = b[4] != 0
		}
		b = b[min(align(n), len(b)):]
	}
	return nil
}
