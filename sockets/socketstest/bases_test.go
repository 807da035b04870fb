package socketstest_test

import (
	"fmt"
	"testing"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/socketstest"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// TestNetstack is the face over two private stacks and a wire between them.
func TestNetstack(t *testing.T) {
	for _, layers := range []int{0, 1, 3, 6} {
		for _, host := range []string{stacktest.B4.String(), stacktest.B6.String()} {
			t.Run(fmt.Sprintf("%d layers %s", layers, host), func(t *testing.T) {
				mk := func(t *testing.T) socketstest.Pair {
					p := stacktest.NewPair(t, stacktest.PairConfig{})
					session := func(s *stack.Stack) *sockets.Session {
						d := netstack.New(netstack.Config{Stack: s})
						t.Cleanup(d.Close)
						return over(t, d, layers)
					}
					return socketstest.Pair{Client: session(p.A), Server: session(p.B), Host: host}
				}
				socketstest.TestConnFace(t, mk)
				socketstest.TestLoads(t, mk)
			})
		}
	}
}

// over is a session over the driver with pass-through layers between.
func over(t *testing.T, d base.Driver, layers int) *sockets.Session {
	b := base.New(base.Config{Driver: d})
	return socketstest.Start(t, socketstest.Catalog(t, b, socketstest.PassThrough(layers)...))
}
