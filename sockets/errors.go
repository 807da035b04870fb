package sockets

import (
	"context"
	"errors"
	"io"
	"net"
	"os"

	"github.com/netnsd/netnsd/provider/wsa"
)

// An operation of the Go face, as net.OpError names it.
type operation string

const (
	opDial   operation = "dial"
	opListen operation = "listen"
	opAccept operation = "accept"
	opRead   operation = "read"
	opWrite  operation = "write"
	opClose  operation = "close"
	opSet    operation = "set"
)

// A transport is what decides how an error looks from above, besides the operation.
type transport uint8

const (
	stream transport = iota + 1
	datagram
)

// face is one row of the table where Winsock below and Go above part. A row
// holds for its operation and transport only; "" and 0 are any.
type face struct {
	op     operation
	over   transport
	below  wsa.Errno
	above  error // nil: not an error for Go
	reason string
}

// faces are the two faces (spi-notes 3). What has no row looks the same from
// both sides: wsa.Errno matches its POSIX twin by errors.Is.
var faces = []face{
	{opRead, datagram, wsa.ECONNRESET, wsa.ECONNREFUSED, "ICMP port unreachable: a Linux datagram socket never says reset"},
	{opWrite, datagram, wsa.ECONNRESET, wsa.ECONNREFUSED, "the same, found by the next send"},
	{opRead, datagram, wsa.ENETRESET, wsa.EHOSTUNREACH, "ICMP time exceeded"},
	{opWrite, datagram, wsa.ENETRESET, wsa.EHOSTUNREACH, "ICMP time exceeded"},
	{opRead, datagram, wsa.EMSGSIZE, nil, "a truncated datagram is n, nil (MSG_TRUNC tells)"},
	{opWrite, datagram, wsa.ENOTCONN, wsa.EDESTADDRREQ, "Write on a socket without a peer"},
	{opRead, stream, wsa.ESHUTDOWN, io.EOF, "Read after CloseRead"},
	{opRead, stream, wsa.ECONNABORTED, wsa.ECONNRESET, "the peer answered data by a reset"},
	{opWrite, stream, wsa.ECONNABORTED, wsa.ECONNRESET, "the peer answered data by a reset"},
	{opRead, stream, wsa.ENETRESET, wsa.ETIMEDOUT, "keep-alive found the peer gone"},
	{opWrite, stream, wsa.ENETRESET, wsa.ETIMEDOUT, "keep-alive found the peer gone"},
	{"", 0, wsa.ENOTSOCK, net.ErrClosed, "the handle is closed"},
	{"", 0, wsa.NOTINITIALISED, net.ErrClosed, "the session is closed"},
}

// translate is what e, the result of op below, is above. It is total: nil for
// success, and the Errno itself where the table has no row.
func translate(op operation, over transport, e wsa.Errno) error {
	if e == 0 {
		return nil
	}
	for i := range faces {
		f := &faces[i]
		if f.below == e && (f.op == "" || f.op == op) && (f.over == 0 || f.over == over) {
			return f.above
		}
	}
	return e.Err()
}

// opError is err as the Go face returns it: io.EOF as it is, because callers
// compare, all else in a net.OpError. An Errno stands in it directly, as
// net.OpError looks one level down for Timeout.
func opError(op operation, network string, source, addr net.Addr, over transport, err error) error {
	if e, ok := err.(wsa.Errno); ok {
		err = translate(op, over, e)
	}
	if e, ok := wsa.Code(err); ok && e == wsa.NOTINITIALISED {
		err = net.ErrClosed
	}
	switch {
	case err == nil || err == io.EOF:
		return err
	case errors.Is(err, context.Canceled):
		err = interruption{context.Canceled, "operation was canceled"}
	case errors.Is(err, context.DeadlineExceeded):
		err = interruption{context.DeadlineExceeded, "i/o timeout"}
	}
	return &net.OpError{Op: string(op), Net: network, Source: source, Addr: addr, Err: err}
}

// interruption is a context's error with the text that package net gives it. A
// deadline is os.ErrDeadlineExceeded as well, as for a dial on the kernel.
type interruption struct {
	cause error
	text  string
}

func (i interruption) Error() string   { return i.text }
func (i interruption) Unwrap() error   { return i.cause }
func (i interruption) Timeout() bool   { return i.cause == context.DeadlineExceeded }
func (i interruption) Temporary() bool { return i.Timeout() }

func (i interruption) Is(target error) bool {
	return target == os.ErrDeadlineExceeded && i.Timeout()
}
