package sockets_test

import (
	"encoding/binary"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/socketstest"
)

// TestApplicationIsFixedAtStartup: a session's program, and what it permits, are what
// they were when it began (winsock-spi 2.7).
func TestApplicationIsFixedAtStartup(t *testing.T) {
	c := socketstest.Catalog(t, new(script))
	if _, err := c.WSCInstallProviderAndChains(provider.GUID{1}, "proxy.dll", "proxy", socketstest.PassThrough(1)[0], 0, nil); err != nil {
		t.Fatal(err)
	}
	proxy := binary.NativeEndian.AppendUint32(nil, wsa.LSP_PROXY)
	if err := c.WSCSetProviderInfo(provider.GUID{1}, wsa.ProviderInfoLspCategories, proxy, 0); err != nil {
		t.Fatal(err)
	}
	storeys := func(s *sockets.Session) int { return len(dial(t, s).Socket().Chain().Storeys()) }
	cfg := sockets.Config{Catalog: c, Application: "/bin/foo", Arguments: "-x"}
	before := startup(t, cfg)
	for _, r := range []struct {
		permitted uint32
		want      int
	}{{wsa.LSP_FIREWALL, 1}, {wsa.LSP_PROXY, 2}} {
		if _, err := c.WSCSetApplicationCategory("/bin/foo", "-x", r.permitted); err != nil {
			t.Fatal(err)
		}
		if n := storeys(startup(t, cfg)); n != r.want {
			t.Errorf("a program that permits %#x more: %d storeys, want %d", r.permitted, n, r.want)
		}
	}
	if n := storeys(before); n != 2 {
		t.Errorf("a session that began before: %d storeys, want 2", n)
	}
	cfg.Arguments = ""
	if n := storeys(startup(t, cfg)); n != 2 {
		t.Errorf("the same program with other arguments: %d storeys, want 2", n)
	}
}
