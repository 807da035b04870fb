package host

import (
	"syscall"

	"github.com/netnsd/netnsd/provider/wsa"
)

// op is what was tried: one errno means different things to different calls.
type op uint8

const (
	opSocket op = iota
	opBind
	opConnect
	opConnectBound // from a port that the caller chose
	opListen
	opAccept
	opSend     // stream
	opRecv     // stream
	opSendTo   // datagram
	opSendPing // to a ping socket, which looks at the message
	opRecvFrom // datagram
	opShutdown
	opSetOption
	opGetOption
	opMembership
	opDied // SO_ERROR of a stream: the end of an attempt or of a connection
	opCount
)

// translate is total: what no table knows is SYSCALLFAILURE, "a system call
// that should never fail has failed".
func translate(o op, errno syscall.Errno) wsa.Errno {
	if errno == 0 {
		return 0
	}
	if e, ok := special[o][errno]; ok {
		return e
	}
	if e, ok := general[errno]; ok {
		return e
	}
	return wsa.SYSCALLFAILURE
}

var general = map[syscall.Errno]wsa.Errno{
	syscall.EPERM:           wsa.EACCES, // the packet filter's verdict, or no capability
	syscall.EACCES:          wsa.EACCES,
	syscall.EAGAIN:          wsa.EWOULDBLOCK,
	syscall.EALREADY:        wsa.EALREADY,
	syscall.EBADF:           wsa.ENOTSOCK,
	syscall.ENOTSOCK:        wsa.ENOTSOCK,
	syscall.EINVAL:          wsa.EINVAL,
	syscall.EFAULT:          wsa.EFAULT,
	syscall.EINTR:           wsa.EINTR,
	syscall.EMFILE:          wsa.EMFILE,
	syscall.ENFILE:          wsa.EMFILE,
	syscall.ENOBUFS:         wsa.ENOBUFS,
	syscall.ENOMEM:          wsa.ENOBUFS,
	syscall.ENOSPC:          wsa.ENOBUFS, // fs.epoll.max_user_watches
	syscall.EDESTADDRREQ:    wsa.EDESTADDRREQ,
	syscall.EMSGSIZE:        wsa.EMSGSIZE,
	syscall.EPROTOTYPE:      wsa.EPROTOTYPE,
	syscall.ENOPROTOOPT:     wsa.ENOPROTOOPT,
	syscall.EPROTONOSUPPORT: wsa.EPROTONOSUPPORT,
	syscall.ESOCKTNOSUPPORT: wsa.ESOCKTNOSUPPORT,
	syscall.EOPNOTSUPP:      wsa.EOPNOTSUPP,
	syscall.ENOSYS:          wsa.EOPNOTSUPP,
	syscall.EPFNOSUPPORT:    wsa.EPFNOSUPPORT,
	syscall.EAFNOSUPPORT:    wsa.EAFNOSUPPORT,
	syscall.EADDRINUSE:      wsa.EADDRINUSE,
	syscall.EADDRNOTAVAIL:   wsa.EADDRNOTAVAIL,
	syscall.ENETDOWN:        wsa.ENETDOWN,
	syscall.ENODEV:          wsa.ENETDOWN, // the interface is gone
	syscall.ENXIO:           wsa.ENETDOWN,
	syscall.ENETUNREACH:     wsa.ENETUNREACH,
	syscall.ENONET:          wsa.ENETUNREACH,
	syscall.ENETRESET:       wsa.ENETRESET,
	syscall.ECONNABORTED:    wsa.ECONNABORTED,
	syscall.EPROTO:          wsa.ECONNABORTED,
	syscall.ECONNRESET:      wsa.ECONNRESET,
	syscall.EISCONN:         wsa.EISCONN,
	syscall.ENOTCONN:        wsa.ENOTCONN,
	syscall.ESHUTDOWN:       wsa.ESHUTDOWN,
	syscall.EPIPE:           wsa.ESHUTDOWN,
	syscall.ETIMEDOUT:       wsa.ETIMEDOUT,
	syscall.ECONNREFUSED:    wsa.ECONNREFUSED,
	syscall.EHOSTDOWN:       wsa.EHOSTUNREACH,
	syscall.EHOSTUNREACH:    wsa.EHOSTUNREACH,
}

var special = [opCount]map[syscall.Errno]wsa.Errno{
	opSocket: {
		syscall.EINVAL: wsa.EPROTONOSUPPORT, // a protocol number that the family cannot have
	},
	opBind: {
		syscall.ENODEV: wsa.EADDRNOTAVAIL, // scope id of no interface
	},
	opConnect: {
		syscall.EINPROGRESS: wsa.EWOULDBLOCK,
		syscall.EAGAIN:      wsa.ENOBUFS,       // no local port is free: what Windows says then
		syscall.EINVAL:      wsa.EADDRNOTAVAIL, // such as from 127.0.0.1 to elsewhere
	},
	opConnectBound: {
		syscall.EINPROGRESS:   wsa.EWOULDBLOCK,
		syscall.EAGAIN:        wsa.ENOBUFS,
		syscall.EINVAL:        wsa.EADDRNOTAVAIL,
		syscall.EADDRNOTAVAIL: wsa.EADDRINUSE, // the four-tuple is taken (__inet_check_established)
	},
	// accept(2): errors pending on the new connection are returned here and mean
	// that this one is gone and the next may be tried.
	opAccept: {
		syscall.ECONNABORTED: wsa.ECONNRESET,
		syscall.ENETDOWN:     wsa.ECONNRESET,
		syscall.EPROTO:       wsa.ECONNRESET,
		syscall.ENOPROTOOPT:  wsa.ECONNRESET,
		syscall.EHOSTDOWN:    wsa.ECONNRESET,
		syscall.ENONET:       wsa.ECONNRESET,
		syscall.EHOSTUNREACH: wsa.ECONNRESET,
		syscall.EOPNOTSUPP:   wsa.ECONNRESET,
		syscall.ENETUNREACH:  wsa.ECONNRESET,
		syscall.ETIMEDOUT:    wsa.ECONNRESET,
		syscall.EPERM:        wsa.ECONNRESET,
	},
	// tcp_reset sets EPIPE in CLOSE-WAIT: the peer finished, we sent on, it reset.
	opSend: {syscall.EPIPE: wsa.ECONNABORTED},
	opRecv: {syscall.EPIPE: wsa.ECONNABORTED},
	opDied: {syscall.EPIPE: wsa.ECONNABORTED},
	opSendTo: {
		syscall.ECONNREFUSED: wsa.ECONNRESET,
		syscall.EINVAL:       wsa.EADDRNOTAVAIL, // destination port 0
		syscall.EDESTADDRREQ: wsa.ENOTCONN,
	},
	opSendPing: {
		syscall.ECONNREFUSED: wsa.ECONNRESET,
		syscall.EDESTADDRREQ: wsa.ENOTCONN,
	},
	opRecvFrom: {
		syscall.ECONNREFUSED: wsa.ECONNRESET,
	},
	opSetOption: {
		syscall.EDOM:       wsa.EINVAL,
		syscall.EOPNOTSUPP: wsa.ENOPROTOOPT,
	},
	opMembership: {
		syscall.EADDRINUSE: wsa.EADDRNOTAVAIL, // a member already: base has said so before
		syscall.ENODEV:     wsa.EADDRNOTAVAIL, // the interface went
		syscall.ENXIO:      wsa.EADDRNOTAVAIL,
		syscall.ENOMEM:     wsa.ENOBUFS, // net.ipv4.igmp_max_memberships, net.core.optmem_max
	},
	opGetOption: {
		syscall.EOPNOTSUPP: wsa.ENOPROTOOPT,
	},
}

// asynchronous reports an errno that an ICMP error of an earlier datagram may
// have left, to be returned by whichever call comes next.
func asynchronous(errno syscall.Errno) bool {
	switch errno {
	case syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENONET,
		syscall.ENOPROTOOPT, syscall.EOPNOTSUPP, syscall.EPROTO, syscall.EACCES, syscall.EMSGSIZE, syscall.ENETDOWN:
		return true
	}
	return false
}

// fatal reports an error after which a stream is dead.
func fatal(e wsa.Errno) bool {
	switch e {
	case wsa.ECONNRESET, wsa.ECONNABORTED, wsa.ECONNREFUSED, wsa.ETIMEDOUT, wsa.EHOSTUNREACH, wsa.ENETUNREACH,
		wsa.ENETRESET, wsa.ENETDOWN, wsa.EACCES:
		return true
	}
	return false
}
