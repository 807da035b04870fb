//go:build linux

package main

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/netnsd/netnsd/tun"
)

// A road leads from a lab over two routers to a far host:
//
//	program ─ netnsd ─ lab ──── near ────(MTU 1300)──── far
//	                  10.90.1.1  .2   10.90.2.1          .2, 203.0.113.1
//
// near has networks behind it that end in every way that a router knows.
type road struct{ *lab }

const (
	near4, near6 = "10.90.1.2", "fd90:1::2"
	far4, far6   = "203.0.113.1", "2001:db8:90::1"
	roadMTU      = 1300
)

// ends are addresses behind near and the errors by which it says what they are,
// in Linux' words: IPv4 has no EACCES (net/ipv4/icmp.c, icmp_err_convert).
var ends = []struct{ kind, addr4, err4, addr6, err6 string }{
	{"", "192.0.2.1", "ENETUNREACH", "2001:db8:91::1", "ENETUNREACH"}, // no route
	{"unreachable", "192.0.2.65", "EHOSTUNREACH", "2001:db8:92::1", "ENETUNREACH"},
	{"prohibit", "192.0.2.129", "EHOSTUNREACH", "2001:db8:93::1", "EACCES"},
	{"blackhole", "192.0.2.193", "timeout", "2001:db8:94::1", "timeout"},
}

func newRoad(t *testing.T) road {
	t.Helper()
	need(t, "ip", "nsenter", "sysctl")
	l := newLab(t)
	lab := filepath.Base(l.path)
	near, far := fmt.Sprintf("%s-near", lab), fmt.Sprintf("%s-far", lab)
	t.Cleanup(func() { sh(t, "ip -n "+lab+" link del up0; ip netns del "+near+"; ip netns del "+far) })
	script := strings.NewReplacer("LAB", lab, "NEAR", near, "FAR", far, "MTU", fmt.Sprint(roadMTU)).Replace(`
ip netns add NEAR; ip netns add FAR
for n in NEAR FAR; do
	ip netns exec $n sysctl -q net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 net.ipv4.icmp_msgs_per_sec=100000 net.ipv4.icmp_msgs_burst=100000
	ip -n $n link set lo up
done
ip netns exec LAB sysctl -q net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_msgs_per_sec=100000 net.ipv4.icmp_msgs_burst=100000 net.ipv6.icmp.ratelimit=0 net.ipv4.ping_group_range='0 2147483647'
ip -n LAB link add up0 type veth peer name down0 netns NEAR
ip -n NEAR link add up1 mtu MTU type veth peer name down1 mtu MTU netns FAR
ip -n LAB addr add 10.90.1.1/24 dev up0; ip -n LAB addr add fd90:1::1/64 dev up0 nodad
ip -n NEAR addr add 10.90.1.2/24 dev down0; ip -n NEAR addr add fd90:1::2/64 dev down0 nodad
ip -n NEAR addr add 10.90.2.1/24 dev up1; ip -n NEAR addr add fd90:2::1/64 dev up1 nodad
ip -n FAR addr add 10.90.2.2/24 dev down1; ip -n FAR addr add fd90:2::2/64 dev down1 nodad
ip -n FAR addr add 203.0.113.1/32 dev lo; ip -n FAR addr add 2001:db8:90::1/128 dev lo nodad
ip -n LAB link set up0 up; ip -n NEAR link set down0 up; ip -n NEAR link set up1 up; ip -n FAR link set down1 up
ip -n LAB route add default via 10.90.1.2; ip -n LAB route add default via fd90:1::2
ip -n FAR route add default via 10.90.2.1; ip -n FAR route add default via fd90:2::1
ip -n NEAR route add 203.0.113.1/32 via 10.90.2.2; ip -n NEAR route add 2001:db8:90::1/128 via fd90:2::2
`)
	for i, e := range ends {
		if e.kind != "" {
			script += fmt.Sprintf("ip -n %s route add %s %s/26\nip -n %[1]s route add %[2]s %[4]s/48\n", near, e.kind, network(e.addr4), e.addr6[:len(e.addr6)-1])
		}
		// Linux allows each source five such errors, then one a second (ip_error).
		script += fmt.Sprintf("ip -n %[1]s addr add 10.90.1.%[2]d/32 dev up0\nip -n %[1]s route add %[3]s/26 via %[4]s src 10.90.1.%[2]d\n", lab, 10+i, network(e.addr4), near4)
	}
	sh(t, script)
	r := road{l}
	if !eventually(func() bool { // neighbours, and IPv6 addresses that the kernel takes its time for
		return l.exec(root, "ping", "-c1", "-W1", far4).status == 0 && l.exec(root, "ping", "-c1", "-W1", far6).status == 0
	}) {
		t.Fatal("the road leads nowhere")
	}
	return r
}

// network is the /26 of addr.
func network(addr string) string {
	i := strings.LastIndexByte(addr, '.')
	var host int
	fmt.Sscan(addr[i+1:], &host)
	return fmt.Sprintf("%s.%d", addr[:i], host&^63)
}

// far is a lab of its own for servers.
func (r road) far() *lab { return &lab{t: r.t, path: r.path + "-far"} }

// TestRoad is what programs see of the network between them and a host that is some
// routers away.
func TestRoad(t *testing.T) {
	r := newRoad(t)
	for _, c := range []struct {
		name string
		test func(r road)
	}{
		{"RouterErrors", road.routerErrors}, {"PathMTU", road.pathMTU}, {"Traceroute", road.traceroute},
		{"Ping", road.ping}, {"NmapConnectScan", road.nmap}, {"NoIPv6", road.noIPv6}, // the last: it takes IPv6 away
	} {
		t.Run(c.name, func(t *testing.T) {
			l := *r.lab
			l.t = t
			c.test(road{&l})
		})
	}
}

// same runs a client of ours in netnsd and without it: both are to see want.
func (r road) same(want string, client ...string) {
	r.t.Helper()
	client = append([]string{"netnsd-client"}, client...)
	in := r.run(nobody, nil, client...)
	bare := r.exec(nobody, client...)
	if in.stdout != want+"\n" || bare.stdout != want+"\n" {
		r.t.Errorf("%v: %q, without netnsd %q, want %s\n%s", client[1:], in.stdout, bare.stdout, want, in.stderr)
	}
}

// routerErrors: what a router says of a connection or a datagram is what the program hears. Linux
// limits how often it says so (ip_error), therefore both send more than one packet.
func (r road) routerErrors() {
	type row struct{ host, want string }
	rows := []row{{far4, "ECONNREFUSED"}, {far6, "ECONNREFUSED"}}
	for _, e := range ends {
		rows = append(rows, row{e.addr4, e.err4}, row{e.addr6, e.err6})
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, c := range rows {
		wg.Go(func() {
			addr, limit := net.JoinHostPort(c.host, "81"), "30s"
			if c.want == "timeout" {
				limit = "1s"
			} else {
				r.same(c.want, "udperror", addr)
			}
			r.same(c.want, "dial", "tcp", addr, limit)
		})
	}
}

// noIPv6: a host without it says so at once, not after a while.
func (r road) noIPv6() {
	sh(r.t, "ip -n "+filepath.Base(r.path)+" -6 route del default")
	addr := net.JoinHostPort(far6, "80")
	r.same("ENETUNREACH", "dial", "tcp", addr, "30s")
	r.same("ENETUNREACH", "udperror", addr)
}

// pathMTU: it is a router's on the way. Who forbids fragments hears of it, all
// others come through in fragments.
func (r road) pathMTU() {
	for _, host := range []string{far4, far6} {
		addr := net.JoinHostPort(host, "7")
		r.far().answer(addr, func(b []byte) []byte { return b })
		r.same("ok", "pmtu", addr, fmt.Sprint(roadMTU))
		for _, size := range []int{0, 1400, 8000, 65000, 65507} {
			r.same("ok", "udpecho", addr, fmt.Sprint(size))
		}
	}
}

// hops are the routers on the road, as the program sees them.
func hops(far string) []string {
	if far == far4 {
		return []string{"10.0.2.2", near4, far4}
	}
	return []string{"fd00::2", near6, far6}
}

// traceroute: programs that count hops find the routers that there are.
func (r road) traceroute() {
	need(r.t, "traceroute", "tracepath", "mtr")
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, far := range []string{far4, far6} {
		for _, trace := range []string{
			"traceroute -w 20,0,0 -n", "tracepath -n", "mtr -n -r -c 1 -G 1",
			// One probe at a time: with more it takes the error of one for its own failure to
			// send the next, which is then a star, on any Linux.
			"traceroute -w 20,0,0 -n -I -N 1",
		} {
			wg.Go(func() {
				argv := append(strings.Fields(trace), far)
				x := r.run(nobody, nil, argv...)
				if got := found(x.stdout); x.status != 0 || !slices.Equal(got, hops(far)) {
					r.t.Errorf("%v: status %d, hops %v, want %v\n%s%s", argv, x.status, got, hops(far), x.stdout, x.stderr)
				}
			})
		}
	}
}

// found are the hops in what a program has printed, each once.
func found(printed string) (all []string) {
	for line := range strings.Lines(printed) {
		words := strings.Fields(line)
		if len(words) < 2 || strings.HasSuffix(words[0], "?:") || strings.Trim(words[0], "0123456789.:|-") != "" {
			continue // a title, or ourselves
		}
		for _, word := range words[1:] {
			if net.ParseIP(word) != nil {
				if !slices.Contains(all, word) {
					all = append(all, word)
				}
				break
			}
		}
	}
	return all
}

// ping: replies are the far host's, errors the routers', and both carry
// the number of the request that they are about.
func (r road) ping() {
	need(r.t, "ping")
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, c := range []struct {
		argv   string
		status int
		want   []string
	}{
		{"ping -n -c 3 -i 0.2 " + far4, 0, []string{"from " + far4 + ": icmp_seq=1 ttl=62", "icmp_seq=3 ttl=62"}},
		{"ping -n -c 3 -i 0.2 " + far6, 0, []string{"from " + far6 + ": icmp_seq=1 ttl=62", "icmp_seq=3 ttl=62"}},
		{"ping -n -c 1 10.0.2.2", 0, []string{"from 10.0.2.2"}},
		{"ping -n -c 1 fd00::2", 0, []string{"from fd00::2"}},
		{"ping -n -c 2 -i 0.2 -t 1 " + far4, 1, []string{"From 10.0.2.2 icmp_seq=1 Time to live exceeded", "icmp_seq=2 Time"}},
		{"ping -n -c 2 -i 0.2 -t 2 " + far4, 1, []string{"From " + near4 + " icmp_seq=1 Time to live exceeded", "icmp_seq=2 Time"}},
		{"ping -n -c 2 -i 0.2 -t 2 " + far6, 1, []string{"From " + near6 + " icmp_seq=1 Time exceeded", "icmp_seq=2 Time"}},
		{"ping -n -c 2 -i 0.2 -W 2 " + ends[2].addr6, 1, []string{"From " + near6 + " icmp_seq=1 Destination unreachable: Administratively prohibited"}},
		{"ping -n -c 2 -i 0.2 -W 2 -M do -s 1400 " + far4, 1, []string{"Frag needed and DF set (mtu = 1300)"}},
		{"ping -n -c 3 -i 0.2 -s 8000 " + far6, 0, []string{"8008 bytes from " + far6}},
		{"ping -n -c 1 -W 1 " + ends[3].addr4, 1, nil}, // nobody answers for a black hole
	} {
		wg.Go(func() {
			x := r.run(root, nil, strings.Fields(c.argv)...)
			if x.status != c.status {
				r.t.Errorf("%s: status %d, want %d\n%s%s", c.argv, x.status, c.status, x.stdout, x.stderr)
			}
			for _, want := range c.want {
				if !strings.Contains(x.stdout, want) {
					r.t.Errorf("%s: no %q in\n%s%s", c.argv, want, x.stdout, x.stderr)
				}
			}
		})
	}
}

// Where the host's kernel lets a user ping nobody, nothing is answered in its place,
// and doctor knows why.
func TestPingForbidden(t *testing.T) {
	need(t, "ping")
	l := newLab(t)
	sh(t, "nsenter --net="+l.path+" sysctl -qw net.ipv4.ping_group_range='1 0'")
	for _, addr := range []string{server4, server6} {
		if x := l.run(nobody, nil, "ping", "-n", "-c", "1", "-W", "1", addr); x.status != 1 || !strings.Contains(x.stdout, "100% packet loss") {
			t.Errorf("ping %s: status %d\n%s%s", addr, x.status, x.stdout, x.stderr)
		}
	}
	x := l.exec(nobody, "netnsd", "doctor")
	for _, check := range []string{"ping4", "ping6"} {
		if !slices.ContainsFunc(strings.Split(x.stdout, "\n"), func(line string) bool {
			return strings.Contains(line, check) && strings.Contains(line, "net.ipv4.ping_group_range is 1 0")
		}) {
			t.Errorf("doctor does not say why for %s:\n%s%s", check, x.stdout, x.stderr)
		}
	}
}

// nmap: an open port is open, a closed one closed, and where nobody
// or a router answers it is filtered.
func (r road) nmap() {
	need(r.t, "nmap")
	for _, host := range []string{far4, far6} {
		r.far().listen(net.JoinHostPort(host, "80"))
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, c := range []struct {
		host string
		want []string
	}{
		{far4, []string{"80/tcp open", "81/tcp closed"}},
		{far6, []string{"80/tcp open", "81/tcp closed"}},
		{ends[2].addr6, []string{"80/tcp filtered", "81/tcp filtered"}},
		{ends[3].addr4, []string{"80/tcp filtered", "81/tcp filtered"}},
	} {
		argv := []string{"nmap", "-sT", "-Pn", "-n", "-p", "80,81", "-T5", "--max-retries", "1", c.host}
		if strings.Contains(c.host, ":") {
			argv = slices.Insert(argv, 1, "-6")
		}
		wg.Go(func() {
			x := r.run(root, nil, argv...)
			for _, want := range c.want {
				if got := strings.Join(strings.Fields(x.stdout), " "); !strings.Contains(got, want) {
					r.t.Errorf("%v: no %q in\n%s%s", argv, want, x.stdout, x.stderr)
				}
			}
		})
	}
}

// TestUDPMapping: one port for all destinations of a source, or one each.
func TestUDPMapping(t *testing.T) {
	l := newLab(t)
	addrs := []string{server4 + ":7", server4 + ":8"}
	for _, addr := range addrs {
		l.whom(addr)
	}
	for _, c := range []struct {
		flags []string
		want  string
	}{{nil, "ok"}, {[]string{"--udp", "shared"}, "ok"}, {[]string{"--udp", "per-flow"}, "2 ports"}} {
		if x := l.run(root, c.flags, append([]string{"netnsd-client", "ports"}, addrs...)...); x.stdout != c.want+"\n" {
			t.Errorf("%v: %q, want %s\n%s", c.flags, x.stdout, c.want, x.stderr)
		}
	}
	if x := l.run(root, []string{"--udp", "symmetric"}, "true"); x.status != 125 || !strings.Contains(x.stderr, "per-flow") {
		t.Errorf("a mapping that there is not: status %d\n%s", x.status, x.stderr)
	}
}

// whom answers every datagram to addr with the address that it came from.
func (l *lab) whom(addr string) {
	l.t.Helper()
	var pc net.PacketConn
	err := tun.InNetns(l.path, func() (err error) {
		pc, err = net.ListenPacket("udp", addr)
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { pc.Close() })
	go func() { // ends with the socket
		buf := make([]byte, 100)
		for {
			_, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			pc.WriteTo([]byte(from.String()), from)
		}
	}()
}
