package socketstest

import (
	"net"
	"testing"

	"golang.org/x/net/nettest"
)

// TestConnFace runs nettest.TestConn and every probe, each over a pair of its own.
func TestConnFace(t *testing.T, mk func(*testing.T) Pair) {
	t.Run("Conn", func(t *testing.T) { TestConn(t, mk(t)) })
	for _, p := range Probes() {
		t.Run(p.Name, func(t *testing.T) { p.Run(&T{T: t, Pair: mk(t)}) })
	}
}

// TestConn is nettest.TestConn over connections of the pair.
func TestConn(t *testing.T, p Pair) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		l, err := p.Server.Listen(t.Context(), "tcp", net.JoinHostPort(p.Host, "0"))
		if err != nil {
			return nil, nil, nil, err
		}
		defer l.Close()
		if c1, err = p.Client.DialContext(t.Context(), "tcp", l.Addr().String()); err != nil {
			return nil, nil, nil, err
		}
		if c2, err = l.Accept(); err != nil {
			c1.Close()
			return nil, nil, nil, err
		}
		return c1, c2, func() { c1.Close(); c2.Close() }, nil
	})
}
