package gateway

import (
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A carrier is what one operation on a socket needs: a Msg made per call escapes,
// and so does a method value. Few are in use at a time, while flows are many.
type carrier struct {
	p     *splice
	msg   provider.Msg
	chunk [1][]byte
	err   wsa.Errno // of the last receive
	lend  func([][]byte) int
	fill  func([]byte) (int, error)
}

var carriers = sync.Pool{New: func() any {
	c := new(carrier)
	c.lend, c.fill = c.send, c.receive
	return c
}}

func (c *carrier) send(bufs [][]byte) int {
	c.msg.Buffers, c.msg.Flags = bufs, 0
	n, e := c.p.send(c.p.s, &c.msg)
	if e == 0 && (n <= 0 || n > quantum) {
		n, e = 0, errRubbish
	}
	c.msg.Buffers, c.p.sendErr = nil, e
	return n
}

// errRubbish is for a layer that answers what no socket would: taken nothing, but
// no error, or more than there was. Without it the flow would stand still for ever.
const errRubbish = wsa.SYSCALLFAILURE

func (c *carrier) receive(b []byte) (int, error) {
	n, e := c.recv(b, 0)
	if n < 0 || n > len(b) {
		n, e = 0, errRubbish
	}
	c.err = e
	return n, e.Err()
}

func (c *carrier) recv(b []byte, flags wsa.MsgFlags) (int, wsa.Errno) {
	c.chunk[0] = b
	c.msg.Buffers, c.msg.Flags = c.chunk[:], flags
	n, e := c.p.recv(c.p.s, &c.msg)
	c.chunk[0], c.msg.Buffers = nil, nil
	return n, e
}
