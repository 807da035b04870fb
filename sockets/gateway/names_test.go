package gateway

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func clocked(max int) (*names, *time.Time) {
	now := time.Unix(1e9, 0)
	n := newNames(max)
	n.now = func() time.Time { return now }
	return n, &now
}

func TestNamesLive(t *testing.T) {
	n, now := clocked(100)
	ip := netip.MustParseAddr("192.0.2.1")
	n.learn(ip, "a.test", 5*time.Minute)
	n.learn(netip.MustParseAddr("::ffff:192.0.2.1"), "b.test", time.Second) // the same address
	if got := n.NamesOf(ip); !slices.Equal(got, []string{"a.test", "b.test"}) {
		t.Errorf("names %v", got)
	}
	*now = now.Add(minNameLife)
	if got := n.NamesOf(ip); !slices.Equal(got, []string{"a.test"}) {
		t.Errorf("after %v: %v; b.test's short TTL is over", minNameLife, got)
	}
	*now = now.Add(5 * time.Minute)
	if got := n.NamesOf(ip); got != nil {
		t.Errorf("after its TTL: %v", got)
	}
	n.learn(netip.MustParseAddr("192.0.2.2"), "c.test", 0) // drops what has ended
	if len(n.byAddr) != 1 || len(n.ends) != 1 {
		t.Errorf("%d addresses and %d ends are kept, want 1", len(n.byAddr), len(n.ends))
	}
}

func TestNamesAreProlonged(t *testing.T) {
	n, now := clocked(100)
	ip := netip.MustParseAddr("2001:db8::1")
	n.learn(ip, "a.test", time.Minute)
	*now = now.Add(30 * time.Second)
	n.learn(ip, "a.test", time.Minute)
	*now = now.Add(45 * time.Second)
	n.learn(netip.MustParseAddr("2001:db8::2"), "x.test", time.Minute)
	if got := n.NamesOf(ip); !slices.Equal(got, []string{"a.test"}) {
		t.Errorf("names %v: a later answer prolongs a name", got)
	}
}

// A program that looks up many names costs bounded memory; what ends first goes.
func TestNamesAreBounded(t *testing.T) {
	n, _ := clocked(50)
	for i := range 1000 {
		n.learn(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), fmt.Sprint(i, ".test"), time.Duration(i+60)*time.Second)
	}
	if n.count != 50 || len(n.ends) != 50 || len(n.byAddr) != 50 {
		t.Errorf("%d names (%d in the heap) at %d addresses are kept, want 50", n.count, len(n.ends), len(n.byAddr))
	}
	if n.NamesOf(netip.MustParseAddr("10.0.3.231")) == nil {
		t.Error("the longest lived name is gone")
	}
}

// A wildcard zone hangs many names on one address: the newest are kept, and
// asking costs nothing.
func TestNamesPerAddress(t *testing.T) {
	n, _ := clocked(10_000)
	ip := netip.MustParseAddr("192.0.2.1")
	for i := range 5000 {
		n.learn(ip, fmt.Sprint(i, ".test"), time.Minute)
	}
	got := n.NamesOf(ip)
	if len(got) != maxNamesPerAddr || got[len(got)-1] != "4999.test" || n.count != maxNamesPerAddr {
		t.Errorf("%d names, the last %q, count %d", len(got), got[len(got)-1], n.count)
	}
	if a := testing.AllocsPerRun(100, func() { n.NamesOf(ip) }); a != 0 {
		t.Errorf("NamesOf allocates %v times", a)
	}
}
