//go:build linux

package load

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/netnsd/netnsd/stack/stacktest"
)

// A Flood is packets as of very many hosts, of a kind of stacktest.Flood.
type Flood struct {
	Kind string
	To   netip.AddrPort
	Rate int // packets a second
	For  time.Duration
}

// Flooded is an address of the host's that nobody measures at, with a port that accepts
// and hangs up, and others that are closed.
var Flooded = netip.MustParseAddr("10.9.0.9")

// Ports of Flooded.
const (
	OpenPort   = 9
	ClosedPort = 81
)

// hangUp accepts at Flooded until the process ends.
func hangUp() error {
	l, err := net.Listen("tcp", netip.AddrPortFrom(Flooded, OpenPort).String())
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	return nil
}

func (s Flood) pour() error {
	f, err := stacktest.NewFlood(s.Kind, s.To)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.For)
	defer cancel()
	return f.Pour(ctx, 0, s.Rate)
}
