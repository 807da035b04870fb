package gateway

import "github.com/netnsd/netnsd/stack"

// For the tests from outside.
var (
	Upstream = upstream
	Reply    = reply
)

// usual are the marks of a datagram that nobody has marked.
var usual = marks{ttl: usualTTL}

func (g *Gateway) datagram(flow flowKey, data [][]byte, quote func() stack.Quote) {
	g.forward(flow, data, usual, quote)
}
