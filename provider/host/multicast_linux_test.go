package host_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/tun/tuntest"
)

// worlds are the two families of twoHosts, with groups.
var worlds = []struct{ name, own, peer, group, other string }{
	{"inet", "10.9.0.1", "10.9.0.2", "239.1.1.1", "239.1.1.2"},
	{"inet6", "2001:db8:9::1", "2001:db8:9::2", "ff05::7", "ff05::8"},
}

// TestGroups: multicast between two namespaces.
func TestGroups(t *testing.T) {
	for _, w := range worlds {
		for _, c := range providertest.GroupCases {
			t.Run(w.name+" "+c.Name, func(t *testing.T) {
				twoHosts(t, func(func(string)) { // a namespace each: of the thread, so no sub-tests in it
					if w.name == "inet6" {
						groupRoutes(t, "v0")
						groupRoutes(t, "v1", "-n", fmt.Sprintf("netnsd-host-%d", os.Getpid()))
					}
					peer := tuntest.GroupPeer{NetNS: fmt.Sprintf("/run/netns/netnsd-host-%d", os.Getpid()), Interface: "v1"}
					providertest.ConformGroup(t, providertest.Groups{
						Base: base.New(base.Config{Driver: newHost(t, host.Config{})}),
						Own:  netip.MustParseAddr(w.own), Peer: netip.MustParseAddr(w.peer),
						Group: netip.MustParseAddr(w.group), Other: netip.MustParseAddr(w.other),
						Say: peer.Say, Listen: peer.Listen,
					}, c.Name)
				})
			})
		}
	}
}

// TestLoopbackGroups: what goes over the loopback interface is this machine's own too,
// and a filter that is taken off again leaves nothing behind. It needs no privilege.
// (A kernel has no route to IPv6's groups over it.)
func TestLoopbackGroups(t *testing.T) {
	h := newHost(t, host.Config{})
	group, self := netip.MustParseAddr("239.1.1.1"), netip.MustParseAddr("127.0.0.1")
	receiver, sender := open(t, h, wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP), openUDP(t, h, wsa.AF_INET)
	must(t, "bind", receiver.Bind(provider.Any(wsa.AF_INET, 0)))
	in, out := receiver.Endpoint.(base.Grouper), sender.Endpoint.(base.Grouper)
	lo, e := in.GroupInterface(group, self, 0)
	must(t, "the loopback", e)
	must(t, "join", in.JoinGroup(group, lo))
	equal(t, "join again", in.JoinGroup(group, lo), wsa.EADDRNOTAVAIL)
	must(t, "send over it", out.SendGroupsOver(wsa.AF_INET, lo))
	port := local(t, receiver).Port()
	for _, loop := range []int{1, 0, 1, 0, 0, 1} {
		must(t, "loop", receiver.SetOption(wsa.IPPROTO_IP, wsa.IP_MULTICAST_LOOP, loop))
		sendTo(t, sender, provider.AddrFrom(netip.AddrPortFrom(group, port)), "group")
		sendTo(t, sender, provider.AddrFrom(netip.AddrPortFrom(self, port)), "unicast")
		for _, want := range []string{"group", "unicast"}[1-loop:] {
			b := make([]byte, 20)
			n, _, errno := receiver.recv(b)
			if string(b[:n]) != want || errno != 0 {
				t.Errorf("loop %d: %q %s, want %q", loop, b[:n], errno.Name(), want)
			}
		}
	}
	must(t, "leave", in.LeaveGroup(group, lo))
	equal(t, "leave again", in.LeaveGroup(group, lo), wsa.EADDRNOTAVAIL)
	equal(t, "join nowhere", in.JoinGroup(group, 1<<20), wsa.EADDRNOTAVAIL)
}

// groupRoutes waits until the kernel has found the carrier of a new link, and made the
// route to groups over it.
func groupRoutes(t *testing.T, link string, netns ...string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		out, err := exec.Command("ip", append(netns, "-6", "route", "show", "table", "all", "type", "multicast", "dev", link)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if strings.Contains(string(out), "ff00::/8") {
			return
		}
	}
	t.Fatalf("no route to groups over %s", link)
}
