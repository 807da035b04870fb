package socketstest_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/sockets/socketstest"
)

func TestMain(m *testing.M) { providertest.Main(m) }

// TestKernel holds the expectations against package net: what it does not do
// must not be asked of anybody.
func TestKernel(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			socketstest.TestConnFace(t, func(*testing.T) socketstest.Pair { return socketstest.Kernel(host) })
			socketstest.TestLoads(t, func(*testing.T) socketstest.Pair { return socketstest.Kernel(host) })
		})
	}
}

// TestMemory is the face over the network in memory, with layers between.
func TestMemory(t *testing.T) {
	for _, layers := range []int{0, 1, 3, 6} {
		for _, host := range []string{"10.0.0.2", "fd00::2"} {
			t.Run(fmt.Sprintf("%d layers %s", layers, host), func(t *testing.T) {
				mk := func(t *testing.T) socketstest.Pair { return memory(t, host, layers) }
				socketstest.TestConnFace(t, mk)
				loads(t, host, layers, mk)
			})
		}
	}
}

// memory is two sessions on two hosts of one network.
func memory(t *testing.T, host string, layers int) socketstest.Pair {
	n := basetest.NewNetwork(basetest.NetworkConfig{})
	t.Cleanup(func() {
		if open := n.Endpoints(); open != 0 {
			t.Errorf("%d endpoints are left open", open)
		}
	})
	far := n.Host(netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2"))
	return socketstest.Pair{Client: over(t, n, layers), Server: over(t, far, layers), Host: host}
}
