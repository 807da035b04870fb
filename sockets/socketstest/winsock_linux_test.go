package socketstest_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/sockets/winsocktest"
)

// TestWinsockHost is the Winsock suite over the host's sockets on loopback.
func TestWinsockHost(t *testing.T) {
	eachChain(t, "0 layers, IPv6 true", func(t *testing.T, layers []provider.Layer, v6 bool) {
		at := netip.MustParseAddr("127.0.0.1")
		if v6 {
			at = netip.IPv6Loopback()
		}
		can := groups(v6) | urgent(layers) | winsocktest.NeedsMulticast | winsocktest.NeedsKeepAlive | winsocktest.NeedsChanges |
			winsocktest.NeedsConnectICMP | winsocktest.NeedsICMP | winsocktest.NeedsNoRaw
		providertest.Conform(t, func(t *testing.T) providertest.Pair {
			return providertest.NewPair(t, hostBase(t), hostBase(t), at, can, layers...)
		})
	})
}

func hostBase(t *testing.T) provider.Base {
	h, err := host.New(host.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return base.New(base.Config{Driver: h})
}

// groups is the capability if the machine has a way for them.
func groups(v6 bool) winsocktest.Needs {
	to := "239.77.1.1:9"
	if v6 {
		to = "[ff05::4d01]:9"
	}
	c, err := net.Dial("udp", to) // which sends nothing
	if err != nil {
		return 0
	}
	c.Close()
	return winsocktest.NeedsGroups
}

// urgent are the capabilities that a layer of the kit takes away.
func urgent(layers []provider.Layer) winsocktest.Needs {
	if unheld(layers) == 0 {
		return 0
	}
	return unheld(layers) | winsocktest.NeedsUrgent
}
