//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestDaemonRawPrograms is what programs see that make packets of their own: under
// `netnsd run` they get EPERM, in a namespace that somebody else owns they work, and
// what they find out is what is there.
func TestDaemonRawPrograms(t *testing.T) {
	need(t, "nmap", "traceroute", "fping", "mtr", "ping")
	r := newRoad(t)
	open, shut := r.inner(), r.inner()
	for _, netns := range []string{open, shut} { // nmap -6 asks lo for its own address
		sh(t, "ip -n "+netns+" link set lo up")
	}
	d := r.netnsd(fmt.Sprintf(`
catalog:
  layers: [{name: pass, type: policy, policy: {version: 1, default: allow}}, {name: silence, type: policy, policy: {version: 1, default: allow, rules: [{deny: ["*:81-82"], with: drop}]}}]
  chains: [{name: open, layers: [pass]}, {name: silent, layers: [silence]}]
attachments:
  - {name: open, netns: {name: %s}, chain: open}
  - {name: shut, netns: {name: %s}, chain: silent}
`, open, shut))
	for _, host := range []string{far4, far6} {
		r.far().serve(join(host, 80), summing)
		r.far().answer(join(host, 7), func(b []byte) []byte { return b })
	}
	t.Run("nmap", func(t *testing.T) { r.scans(t, open, shut) })
	t.Run("hops", func(t *testing.T) { r.hopsOf(t, open) })
	t.Run("fping", func(t *testing.T) { r.fping(t, open) })
	d.stop()
}

func join(host string, port int) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return fmt.Sprintf("%s:%d", host, port)
}

// scans: a port is open, closed or filtered to every kind of scan.
func (r road) scans(t *testing.T, open, shut string) {
	for _, c := range []struct {
		netns, scan, host string
		want              []string
	}{
		{open, "-sS -p 80,81", far4, []string{"80/tcp open", "81/tcp closed"}},
		{open, "-sS -p 80,81", far6, []string{"80/tcp open", "81/tcp closed"}},
		{open, "-sT -p 80,81", far4, []string{"80/tcp open", "81/tcp closed"}},
		{open, "-sT -p 80,81", far6, []string{"80/tcp open", "81/tcp closed"}},
		{open, "-sU -p 7,9", far4, []string{"7/udp open echo", "9/udp closed"}},
		{open, "-sU -p 7,9", far6, []string{"7/udp open echo", "9/udp closed"}},
		{open, "-sS -p 80", ends[3].addr4, []string{"80/tcp filtered"}},
		{open, "-sS -p 80", ends[2].addr6, []string{"80/tcp filtered"}},
		{open, "-sU -p 7", ends[3].addr4, []string{"7/udp open|filtered"}},
		{shut, "-sS -p 80-82", far4, []string{"80/tcp open", "81/tcp filtered", "82/tcp filtered"}},
		{shut, "-sT -p 80-82", far6, []string{"80/tcp open", "81/tcp filtered", "82/tcp filtered"}},
		{shut, "-sU -p 7,82", far4, []string{"7/udp open echo", "82/udp open|filtered"}},
	} {
		t.Run(strings.ReplaceAll(c.scan+" "+c.host, " ", "_"), func(t *testing.T) {
			t.Parallel()
			argv := append([]string{"nmap", "-Pn", "-n", "-T4", "--reason"}, strings.Fields(c.scan)...)
			if strings.Contains(c.host, ":") {
				argv = append(argv, "-6")
			}
			out, status := r.in(c.netns, append(argv, c.host)...)
			for _, want := range c.want {
				if got := strings.Join(strings.Fields(out), " "); status != 0 || !strings.Contains(got, want) {
					t.Errorf("%s: status %d, no %q in\n%s", c.scan, status, want, out)
				}
			}
		})
	}
}

// hopsOf: every way to count hops counts the same. As everywhere a probe may be lost in
// a burst of a hundred; a hop is one that answers to one of three.
func (r road) hopsOf(t *testing.T, netns string) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, far := range []string{far4, far6} {
		for _, trace := range []string{
			"traceroute -w 20,0,0 -n -T -p 80", "traceroute -w 20,0,0 -n -T -p 81", "traceroute -w 20,0,0 -n -U -p 9", "traceroute -w 20,0,0 -n -I -N 1",
			"mtr -n -r -c 3 -i 0.3 -G 2", "mtr -n -r -c 3 -i 0.3 -G 2 --tcp -P 80", "mtr -n -r -c 3 -i 0.3 -G 2 --udp",
		} {
			wg.Go(func() {
				argv := append(strings.Fields(trace), far)
				out, status := r.in(netns, argv...)
				if got := found(out); status != 0 || !slices.Equal(got, hops(far)) {
					t.Errorf("%v: status %d, hops %v, want %v\n%s", argv, status, got, hops(far), out)
				}
			})
		}
	}
}

// fping: many hosts at once, and each is answered for itself.
func (r road) fping(t *testing.T, netns string) {
	for _, c := range []struct {
		argv, want string
		status     int
	}{
		{"fping -4 -r 1 10.0.2.2 " + far4 + " " + near4, "10.0.2.2 is alive\n" + far4 + " is alive\n" + near4 + " is alive\n", 0},
		{"fping -6 -r 1 fd00::2 " + far6 + " " + near6, "fd00::2 is alive\n" + far6 + " is alive\n" + near6 + " is alive\n", 0},
		{"fping -4 -r 0 -t 300 " + far4 + " " + ends[3].addr4, far4 + " is alive\n" + ends[3].addr4 + " is unreachable\n", 1},
	} {
		out, status := r.in(netns, strings.Fields(c.argv)...)
		lines := slices.DeleteFunc(strings.SplitAfter(out, "\n"), func(s string) bool { return s == "" || strings.HasPrefix(s, "ICMP") })
		want := strings.SplitAfter(c.want, "\n")
		want = want[:len(want)-1]
		slices.Sort(lines)
		slices.Sort(want)
		if status != c.status || !slices.Equal(lines, want) {
			t.Errorf("%s: status %d, want %d\n%s", c.argv, status, c.status, out)
		}
	}
}
