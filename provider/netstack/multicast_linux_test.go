package netstack_test

import (
	"errors"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/tun"
	"github.com/netnsd/netnsd/tun/tuntest"
)

// TestGroupsOverTUN: real multicast between a stack and a kernel, over a device.
func TestGroupsOverTUN(t *testing.T) {
	for _, tap := range []bool{false, true} {
		t.Run(map[bool]string{false: "tun", true: "tap"}[tap], func(t *testing.T) { groupsOver(t, tap) })
	}
}

func groupsOver(t *testing.T, tap bool) {
	ns := tuntest.NetNS(t)
	const name = "group0"
	kernel := []netip.Prefix{netip.MustParsePrefix("10.66.0.2/24"), netip.MustParsePrefix("fd66::2/64")}
	own := []netip.Prefix{netip.MustParsePrefix("10.66.0.1/24"), netip.MustParsePrefix("fd66::1/64")}
	d, err := tun.Open(tun.Config{Name: name, Netns: ns, MTU: 1500, TAP: tap})
	if err != nil {
		t.Fatal(err)
	}
	link, err := d.Link()
	if err == nil {
		err = errors.Join(link.AddAddr(kernel[0]), link.AddAddr(kernel[1]), link.SetUp())
	}
	if err != nil {
		d.Close()
		t.Fatal(err)
	}
	st, err := stack.New(stack.Config{})
	if err != nil {
		d.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	if _, err := st.AddNIC(stack.NICConfig{Device: d, Addrs: own}); err != nil {
		t.Fatal(err)
	}
	usable(t, ns, name)
	drv := driver(t, st)
	peer := tuntest.GroupPeer{NetNS: ns, Interface: name}
	for i, fam := range []int32{wsa.AF_INET, wsa.AF_INET6} {
		t.Run(families[i].name, func(t *testing.T) {
			providertest.ConformGroups(t, providertest.Groups{
				Base: base.New(base.Config{Driver: drv}), Own: own[i].Addr(), Peer: kernel[i].Addr(),
				Group: groupsOf[fam][0], Other: groupsOf[fam][1], Say: peer.Say, Listen: peer.Listen,
			})
		})
	}
}

// usable waits until the kernel has the link's route to groups and has found its
// address to be nobody else's (RFC 4862, 5.4).
func usable(t *testing.T, ns, link string) {
	t.Helper()
	ip := func(words ...string) string {
		out, err := exec.Command("ip", append([]string{"-n", filepath.Base(ns), "-6"}, words...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(words, " "), err, out)
		}
		return string(out)
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(ip("route", "show", "table", "all", "type", "multicast", "dev", link), "ff00::/8") &&
			!strings.Contains(ip("addr", "show", "dev", link), "tentative") {
			return
		}
	}
	t.Fatalf("%s is not usable", link)
}
