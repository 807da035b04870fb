package sockets

import "github.com/netnsd/netnsd/provider/wsa"

// Translate is what a code looks like from above.
func Translate(op string, isDatagram bool, e wsa.Errno) error {
	over := stream
	if isDatagram {
		over = datagram
	}
	return translate(operation(op), over, e)
}

// Payload is what follows an IPv4 header.
var Payload = payload

// ExpireRead is the read deadline's timer, stopped too late.
func (c *TCPConn) ExpireRead() { c.sock.rd.expire() }
