package wsa

import (
	"errors"
	"net"
	"os"
	"strconv"
	"syscall"
)

// An Errno is a Winsock error code (lpErrno of the SPI). Zero is success and
// is never turned into an error: use [Errno.Err].
type Errno uint32

// Errors of wrapped operating system calls and of overlapped operations
// (winsock2.h gives them the values of winerror.h).
const (
	INVALID_HANDLE       Errno = 6
	NOT_ENOUGH_MEMORY    Errno = 8
	INVALID_PARAMETER    Errno = 87
	CALL_NOT_IMPLEMENTED Errno = 120
	WAIT_TIMEOUT         Errno = 258
	OPERATION_ABORTED    Errno = 995
	IO_INCOMPLETE        Errno = 996
	IO_PENDING           Errno = 997
)

// Winsock error codes.
const (
	EINTR               Errno = 10004
	EBADF               Errno = 10009
	EACCES              Errno = 10013
	EFAULT              Errno = 10014
	EINVAL              Errno = 10022
	EMFILE              Errno = 10024
	EWOULDBLOCK         Errno = 10035
	EINPROGRESS         Errno = 10036
	EALREADY            Errno = 10037
	ENOTSOCK            Errno = 10038
	EDESTADDRREQ        Errno = 10039
	EMSGSIZE            Errno = 10040
	EPROTOTYPE          Errno = 10041
	ENOPROTOOPT         Errno = 10042
	EPROTONOSUPPORT     Errno = 10043
	ESOCKTNOSUPPORT     Errno = 10044
	EOPNOTSUPP          Errno = 10045
	EPFNOSUPPORT        Errno = 10046
	EAFNOSUPPORT        Errno = 10047
	EADDRINUSE          Errno = 10048
	EADDRNOTAVAIL       Errno = 10049
	ENETDOWN            Errno = 10050
	ENETUNREACH         Errno = 10051
	ENETRESET           Errno = 10052
	ECONNABORTED        Errno = 10053
	ECONNRESET          Errno = 10054
	ENOBUFS             Errno = 10055
	EISCONN             Errno = 10056
	ENOTCONN            Errno = 10057
	ESHUTDOWN           Errno = 10058
	ETOOMANYREFS        Errno = 10059
	ETIMEDOUT           Errno = 10060
	ECONNREFUSED        Errno = 10061
	ELOOP               Errno = 10062
	ENAMETOOLONG        Errno = 10063
	EHOSTDOWN           Errno = 10064
	EHOSTUNREACH        Errno = 10065
	ENOTEMPTY           Errno = 10066
	EPROCLIM            Errno = 10067
	EUSERS              Errno = 10068
	EDQUOT              Errno = 10069
	ESTALE              Errno = 10070
	EREMOTE             Errno = 10071
	SYSNOTREADY         Errno = 10091
	VERNOTSUPPORTED     Errno = 10092
	NOTINITIALISED      Errno = 10093
	EDISCON             Errno = 10101
	ENOMORE             Errno = 10102
	ECANCELLED          Errno = 10103
	EINVALIDPROCTABLE   Errno = 10104
	EINVALIDPROVIDER    Errno = 10105
	EPROVIDERFAILEDINIT Errno = 10106
	SYSCALLFAILURE      Errno = 10107
	SERVICE_NOT_FOUND   Errno = 10108
	TYPE_NOT_FOUND      Errno = 10109
	E_NO_MORE           Errno = 10110
	E_CANCELLED         Errno = 10111
	EREFUSED            Errno = 10112
	HOST_NOT_FOUND      Errno = 11001
	TRY_AGAIN           Errno = 11002
	NO_RECOVERY         Errno = 11003
	NO_DATA             Errno = 11004
)

// Error is the text of the code without its name: what a person would read.
func (e Errno) Error() string {
	if r, ok := table[e]; ok {
		return r.text
	}
	return "winsock error " + strconv.Itoa(int(e))
}

// Name is the SDK's name of the code, such as "WSAEWOULDBLOCK".
func (e Errno) Name() string {
	if e == 0 {
		return "OK"
	}
	if r, ok := table[e]; ok {
		return r.name
	}
	return strconv.Itoa(int(e))
}

// Err is e as an error, nil for zero. It does not allocate for a known code:
// a variable Errno put into an interface would, 4 bytes an operation.
func (e Errno) Err() error {
	if e == 0 {
		return nil
	}
	if r, ok := table[e]; ok {
		return r.err
	}
	return e
}

// Timeout makes [net.OpError.Timeout] true for the codes that mean "later".
func (e Errno) Timeout() bool { return e == EWOULDBLOCK || e == ETIMEDOUT }

// Temporary is what package net asks of a syscall error.
func (e Errno) Temporary() bool { return e.Timeout() || e == EINTR || e == EMFILE }

// Is matches e with its POSIX twin and with the portable errors of the
// standard library: errors.Is(EACCES, os.ErrPermission). It goes one way only:
// errors.Is(wsa.X, syscall.Y), never the reverse, as syscall.Errno does not
// know us. ETIMEDOUT is not os.ErrDeadlineExceeded: that is a Go deadline, and
// package sockets makes it.
func (e Errno) Is(target error) bool {
	switch target {
	case os.ErrPermission:
		return e == EACCES
	case net.ErrClosed:
		return e == ENOTSOCK
	case errors.ErrUnsupported:
		return e == EOPNOTSUPP || e == EPROTONOSUPPORT || e == EAFNOSUPPORT || e == ESOCKTNOSUPPORT || e == ENOPROTOOPT
	}
	sys, ok := target.(syscall.Errno)
	if !ok || sys == 0 {
		return false
	}
	if e == ESHUTDOWN && sys == syscall.EPIPE {
		return true
	}
	r, ok := table[e]
	return ok && r.posix == sys
}

// Code finds the Errno in err; ok is false if there is none.
func Code(err error) (e Errno, ok bool) {
	ok = errors.As(err, &e)
	return e, ok
}
