package netstack

import (
	"reflect"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/netnsd/netnsd/provider/wsa"
)

// op is the operation that an error came from: the same tcpip.Error means
// different things in different ones (spi-notes 1.3).
type op uint8

const (
	opOpen op = iota
	opBind
	opConnect
	opListen
	opAccept
	opSend   // to the peer
	opSendTo // to a named destination
	opRecv
	opShutdown
	opOption
	opDead // why a stream is dead: only the codes of base.State.Err
	ops
)

// row is what one tcpip.Error becomes: usually one code, sometimes another for
// some operations.
type row struct {
	err  tcpip.Error
	code wsa.Errno
	but  map[op]wsa.Errno
}

// rows is total over gVisor's errors; a test parses its source. State checks are
// package base's and come before: what is "cannot happen after them" gets the
// code that hides nothing.
var rows = []row{
	// Not by us: our Close is the last call. gVisor aborts endpoints when the stack closes.
	{&tcpip.ErrAborted{}, wsa.ECONNABORTED, map[op]wsa.Errno{opDead: wsa.ENETDOWN, opConnect: wsa.ENETDOWN}},
	{&tcpip.ErrAddressFamilyNotSupported{}, wsa.EAFNOSUPPORT, nil},
	{&tcpip.ErrAlreadyBound{}, wsa.EINVAL, nil},
	{&tcpip.ErrAlreadyConnected{}, wsa.EISCONN, nil},
	{&tcpip.ErrAlreadyConnecting{}, wsa.EALREADY, nil},
	{&tcpip.ErrBadAddress{}, wsa.EFAULT, map[op]wsa.Errno{opBind: wsa.EADDRNOTAVAIL, opConnect: wsa.EADDRNOTAVAIL, opSendTo: wsa.EADDRNOTAVAIL}},
	{&tcpip.ErrBadBuffer{}, wsa.EFAULT, nil},
	// tcp.connect makes it of ErrPortInUse; Connect tells the two apart.
	{&tcpip.ErrBadLocalAddress{}, wsa.EADDRNOTAVAIL, map[op]wsa.Errno{opConnect: wsa.EADDRINUSE}},
	{&tcpip.ErrBroadcastDisabled{}, wsa.EACCES, nil},
	{&tcpip.ErrClosedForReceive{}, wsa.ESHUTDOWN, map[op]wsa.Errno{opAccept: wsa.EINVAL}},
	{&tcpip.ErrClosedForSend{}, wsa.ESHUTDOWN, nil},
	{&tcpip.ErrConnectStarted{}, wsa.EWOULDBLOCK, nil},
	{&tcpip.ErrConnectionAborted{}, wsa.ECONNABORTED, nil},
	// From a datagram socket it is an ICMP port unreachable.
	{&tcpip.ErrConnectionRefused{}, wsa.ECONNREFUSED, map[op]wsa.Errno{opSend: wsa.ECONNRESET, opSendTo: wsa.ECONNRESET, opRecv: wsa.ECONNRESET}},
	{&tcpip.ErrConnectionReset{}, wsa.ECONNRESET, nil},
	{&tcpip.ErrDestinationRequired{}, wsa.EDESTADDRREQ, map[op]wsa.Errno{opSend: wsa.ENOTCONN}},
	{&tcpip.ErrDuplicateAddress{}, wsa.EADDRINUSE, nil},
	{&tcpip.ErrDuplicateNICID{}, wsa.EINVAL, nil},
	{&tcpip.ErrEndpointBusy{}, wsa.EALREADY, nil},
	{&tcpip.ErrHostDown{}, wsa.EHOSTDOWN, map[op]wsa.Errno{opDead: wsa.EHOSTUNREACH, opConnect: wsa.EHOSTUNREACH}},
	{&tcpip.ErrHostUnreachable{}, wsa.EHOSTUNREACH, nil},
	// UDP says it of a destination port 0.
	{&tcpip.ErrInvalidEndpointState{}, wsa.EINVAL, map[op]wsa.Errno{opSendTo: wsa.EADDRNOTAVAIL}},
	{&tcpip.ErrInvalidNICID{}, wsa.EADDRNOTAVAIL, map[op]wsa.Errno{opDead: wsa.ENETDOWN}},
	{&tcpip.ErrInvalidOptionValue{}, wsa.EINVAL, nil},
	{&tcpip.ErrInvalidPortRange{}, wsa.EINVAL, nil},
	{&tcpip.ErrMalformedHeader{}, wsa.EINVAL, nil},
	{&tcpip.ErrMessageTooLong{}, wsa.EMSGSIZE, nil},
	{&tcpip.ErrMissingRequiredFields{}, wsa.EINVAL, nil},
	{&tcpip.ErrMulticastInputCannotBeOutput{}, wsa.EINVAL, nil},
	{&tcpip.ErrNetworkUnreachable{}, wsa.ENETUNREACH, nil},
	{&tcpip.ErrNoBufferSpace{}, wsa.ENOBUFS, nil},
	{&tcpip.ErrNoNet{}, wsa.ENETUNREACH, nil}, // ICMP: source host isolated
	// Windows says 10055 when the ephemeral ports are used up.
	{&tcpip.ErrNoPortAvailable{}, wsa.ENOBUFS, nil},
	{&tcpip.ErrNoSuchFile{}, wsa.EINVAL, nil}, // unknown congestion control
	{&tcpip.ErrNotConnected{}, wsa.ENOTCONN, nil},
	{&tcpip.ErrNotPermitted{}, wsa.EACCES, nil},
	// ICMP: source route failed.
	{&tcpip.ErrNotSupported{}, wsa.EOPNOTSUPP, map[op]wsa.Errno{opOpen: wsa.EPROTONOSUPPORT, opOption: wsa.ENOPROTOOPT, opDead: wsa.EHOSTUNREACH}},
	{&tcpip.ErrPortInUse{}, wsa.EADDRINUSE, map[op]wsa.Errno{opOption: wsa.EADDRNOTAVAIL}},
	{&tcpip.ErrQueueSizeNotSupported{}, wsa.ENOPROTOOPT, nil},
	{&tcpip.ErrTimeout{}, wsa.ETIMEDOUT, nil},
	{&tcpip.ErrUnknownDevice{}, wsa.EADDRNOTAVAIL, map[op]wsa.Errno{opDead: wsa.ENETDOWN}},
	{&tcpip.ErrUnknownNICID{}, wsa.ENETDOWN, map[op]wsa.Errno{opBind: wsa.EADDRNOTAVAIL, opOption: wsa.EADDRNOTAVAIL}},
	{&tcpip.ErrUnknownProtocol{}, wsa.EPROTONOSUPPORT, map[op]wsa.Errno{opConnect: wsa.EAFNOSUPPORT, opSendTo: wsa.EAFNOSUPPORT}},
	// ICMP: protocol unreachable: the host is there and does not want TCP.
	{&tcpip.ErrUnknownProtocolOption{}, wsa.ENOPROTOOPT, map[op]wsa.Errno{opDead: wsa.ECONNREFUSED}},
	{&tcpip.ErrWouldBlock{}, wsa.EWOULDBLOCK, nil},
}

// terminal are the codes that base.State.Err may have; whatever else ends a
// stream is ECONNABORTED.
var terminal = map[wsa.Errno]bool{
	wsa.ECONNREFUSED: true, wsa.ETIMEDOUT: true, wsa.ENETUNREACH: true, wsa.EHOSTUNREACH: true,
	wsa.ECONNRESET: true, wsa.ECONNABORTED: true, wsa.ENETDOWN: true,
}

var codes = func() map[reflect.Type][ops]wsa.Errno {
	m := make(map[reflect.Type][ops]wsa.Errno, len(rows))
	for _, r := range rows {
		var all [ops]wsa.Errno
		for o := range all {
			all[o] = r.code
			if c, ok := r.but[op(o)]; ok {
				all[o] = c
			}
		}
		if !terminal[all[opDead]] {
			all[opDead] = wsa.ECONNABORTED
		}
		m[reflect.TypeOf(r.err)] = all
	}
	return m
}()

// errno is the code of err when o returned it, 0 for nil.
func errno(o op, err tcpip.Error) wsa.Errno {
	if err == nil {
		return 0
	}
	if _, again := err.(*tcpip.ErrWouldBlock); again && o != opDead { // the hot one
		return wsa.EWOULDBLOCK
	}
	if c, ok := codes[reflect.TypeOf(err)]; ok {
		return c[o]
	}
	return wsa.ECONNABORTED // an error that gVisor got after the table was tested
}
