package socketstest_test

import (
	"fmt"
	"testing"

	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/sockets/socketstest"
)

// TestHost is the face over the host's sockets on loopback: what TestKernel is,
// with a chain between.
func TestHost(t *testing.T) {
	for _, layers := range []int{0, 1, 3, 6} {
		for _, address := range []string{"127.0.0.1", "::1"} {
			t.Run(fmt.Sprintf("%d layers %s", layers, address), func(t *testing.T) {
				mk := func(t *testing.T) socketstest.Pair {
					h, err := host.New(host.Config{})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { h.Close() })
					s := over(t, h, layers)
					return socketstest.Pair{Client: s, Server: s, Host: address}
				}
				socketstest.TestConnFace(t, mk)
				loads(t, address, layers, mk)
			})
		}
	}
}
