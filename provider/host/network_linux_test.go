package host_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/wsa"
)

// dropCapabilities takes all from the thread, which privateNetwork has made ours.
func dropCapabilities(t *testing.T) {
	t.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		t.Fatalf("capset: %v", err)
	}
}

// twoHosts runs near in a namespace that has another one, a router, behind
// 10.9.0.2. far runs a command in that.
func twoHosts(t *testing.T, near func(far func(command string))) {
	t.Run("", func(t *testing.T) {
		name := fmt.Sprintf("netnsd-host-%d", os.Getpid())
		privileged(t)
		needs(t, "ip and sysctl", hasTool("ip") && hasTool("sysctl"))
		run := func(command string) {
			t.Helper()
			words := strings.Fields(command)
			if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", command, err, out)
			}
		}
		run("ip netns add " + name)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", name).Run() })
		privateNetwork(t,
			"ip link add v0 type veth peer name v1 netns "+name,
			"ip addr add 10.9.0.1/24 dev v0", "ip addr add 2001:db8:9::1/64 dev v0 nodad", "ip link set v0 up",
			"ip -n "+name+" addr add 10.9.0.2/24 dev v1", "ip -n "+name+" addr add 2001:db8:9::2/64 dev v1 nodad",
			"ip -n "+name+" link set lo up", "ip -n "+name+" link set v1 up",
			"ip route add default via 10.9.0.2", "ip route add default via 2001:db8:9::2")
		far := func(command string) { run("ip netns exec " + name + " " + command) }
		far("sysctl -q net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0")
		near(far)
	})
}

// TestRoutes: what the routing table says at once.
func TestRoutes(t *testing.T) {
	privateNetwork(t,
		"ip route add unreachable 10.1.0.0/16", "ip route add prohibit 10.2.0.0/16",
		"ip -6 route add unreachable 2001:db8:1::/48", "ip -6 route add prohibit 2001:db8:2::/48")
	h := newHost(t, host.Config{})
	for _, c := range []struct {
		to   string
		want wsa.Errno
	}{
		{"10.1.0.1:80", wsa.EHOSTUNREACH}, {"10.2.0.1:80", wsa.EACCES}, {"10.3.0.1:80", wsa.ENETUNREACH},
		{"[2001:db8:1::1]:80", wsa.EHOSTUNREACH}, {"[2001:db8:2::1]:80", wsa.EACCES}, {"[2001:db8:3::1]:80", wsa.ENETUNREACH},
	} {
		to := at(c.to)
		s := openTCP(t, h, to.Family)
		equal(t, "Connect to "+c.to, s.Connect(to), c.want)
		equal(t, "phase after it", s.State().Phase, base.Idle)
		d := open(t, h, to.Family, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP)
		must(t, "Bind", d.Bind(provider.Any(to.Family, 0)))
		_, errno := d.Send(&provider.Msg{Buffers: [][]byte{nil}, Addr: to})
		equal(t, "Send to "+c.to, errno, c.want)
		sendTo(t, d, local(t, openUDP(t, h, to.Family)), "elsewhere")
		if d.State().Soft {
			t.Error("an error of the send itself is soft too")
		}
	}
}

// TestICMP: what routers say later, to streams and to datagrams.
func TestICMP(t *testing.T) {
	twoHosts(t, func(far func(string)) {
		for _, c := range []struct {
			kind, to string
			stream   wsa.Errno // what the kernel makes of it for a SYN
			datagram wsa.Errno
		}{
			{"ip route add unreachable 10.1.0.0/16", "10.1.0.1:80", wsa.EHOSTUNREACH, wsa.EHOSTUNREACH},
			{"ip route add prohibit 10.2.0.0/16", "10.2.0.1:80", wsa.EHOSTUNREACH, wsa.EACCES},
			{"true", "10.3.0.1:80", wsa.ENETUNREACH, wsa.ENETUNREACH},
			{"true", "10.9.0.2:80", wsa.ECONNREFUSED, wsa.ECONNRESET},
			{"ip -6 route add unreachable 2001:db8:1::/48", "[2001:db8:1::1]:80", wsa.ENETUNREACH, wsa.ENETUNREACH},
			{"ip -6 route add prohibit 2001:db8:2::/48", "[2001:db8:2::1]:80", wsa.EACCES, wsa.EACCES},
			{"true", "[2001:db8:3::1]:80", wsa.ENETUNREACH, wsa.ENETUNREACH},
			{"true", "[2001:db8:9::2]:80", wsa.ECONNREFUSED, wsa.ECONNRESET},
		} {
			far(c.kind)
			h := newHost(t, host.Config{})
			to := at(c.to)
			d := open(t, h, to.Family, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP)
			must(t, "Bind", d.Bind(provider.Any(to.Family, 0)))
			sendTo(t, d, to, "x")
			_, from, errno := d.recv(make([]byte, 1))
			if errno != c.datagram || from != to {
				t.Errorf("datagram to %s: %s from %v, want %s", c.to, errno.Name(), from, c.datagram.Name())
			}
			s := openTCP(t, h, to.Family)
			if errno := s.Connect(to); errno != wsa.EWOULDBLOCK {
				t.Fatalf("Connect to %s: %s", c.to, errno.Name())
			}
			if errno := s.over(); errno != c.stream {
				t.Errorf("stream to %s: %s, want %s", c.to, errno.Name(), c.stream.Name())
			}
		}
		// TTL exceeded, and a path MTU that is no error of anybody's.
		h := newHost(t, host.Config{})
		d := open(t, h, wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP)
		must(t, "Bind", d.Bind(at("0.0.0.0:0")))
		must(t, "IP_TTL", d.SetOption(wsa.IPPROTO_IP, wsa.IP_TTL, 1))
		far("ip route add 10.4.0.0/16 dev lo mtu 600")
		sendTo(t, d, at("10.4.0.1:80"), "x")
		_, from, errno := d.recv(make([]byte, 1))
		if errno != wsa.ENETRESET || from != at("10.4.0.1:80") {
			t.Errorf("TTL exceeded: %s from %v", errno.Name(), from)
		}
	})
}

// TestPathMTU: the report is the kernel's business, DF makes it the sender's.
func TestPathMTU(t *testing.T) {
	twoHosts(t, func(far func(string)) {
		far("ip link add d0 mtu 600 type veth peer name d1")
		far("ip addr add 10.5.0.1/16 dev d0")
		far("ip link set d0 up")
		far("ip link set d1 up")
		far("ip neigh add 10.5.0.2 lladdr 02:00:00:00:00:02 dev d0")
		h := newHost(t, host.Config{})
		d := open(t, h, wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP)
		must(t, "Bind", d.Bind(at("0.0.0.0:0")))
		to, big := at("10.5.0.2:80"), strings.Repeat("x", 1000)
		must(t, "IP_DONTFRAGMENT", d.SetOption(wsa.IPPROTO_IP, wsa.IP_DONTFRAGMENT, 1))
		sendTo(t, d, to, big) // draws "fragmentation needed"
		<-d.woken
		_, errno := d.Send(&provider.Msg{Buffers: [][]byte{[]byte(big)}, Addr: to})
		equal(t, "Send of 1000 bytes, 600 fit", errno, wsa.EMSGSIZE)
		must(t, "IP_DONTFRAGMENT", d.SetOption(wsa.IPPROTO_IP, wsa.IP_DONTFRAGMENT, 0))
		sendTo(t, d, to, big) // in fragments
		_, errno = d.Recv(&provider.Msg{Buffers: [][]byte{make([]byte, 1)}})
		equal(t, "Recv", errno, wsa.EWOULDBLOCK)
		if d.State().Soft {
			t.Error("the report waits for a receive")
		}
	})
}

// blackhole is a network that swallows what is sent to 10.9.0.2: it arrives at
// d1 with an Ethernet address that is not d1's.
var blackhole = []string{
	"ip link add d0 type veth peer name d1", "ip addr add 10.9.0.1/24 dev d0", "ip link set d0 up", "ip link set d1 up",
	"ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev d0",
}

func TestCloseWhileConnecting(t *testing.T) {
	privateNetwork(t, blackhole...)
	h := newHost(t, host.Config{})
	for _, abort := range []bool{false, true} {
		e := openTCP(t, h, wsa.AF_INET)
		equal(t, "Connect", e.Connect(at("10.9.0.2:80")), wsa.EWOULDBLOCK)
		equal(t, "phase", e.State().Phase, base.Connecting)
		equal(t, "Connect again", e.Connect(at("10.9.0.2:80")), wsa.EISCONN)
		e.Close(abort)
		select {
		case <-e.woken:
			t.Fatal("woken by Close")
		default:
		}
	}
}

func TestTimedOut(t *testing.T) {
	privateNetwork(t, blackhole...)
	sysctl(t, "net/ipv4/tcp_syn_retries", "1") // 1 s and 2 s
	h := newHost(t, host.Config{})
	e := openTCP(t, h, wsa.AF_INET)
	equal(t, "Connect", e.Connect(at("10.9.0.2:80")), wsa.EWOULDBLOCK)
	equal(t, "cause", e.over(), wsa.ETIMEDOUT)
}

func TestInterfaceAndMark(t *testing.T) {
	privateNetwork(t, append(blackhole, "ip rule add fwmark 7 prohibit")...)
	marked := newHost(t, host.Config{Mark: 7})
	equal(t, "Connect of a marked socket", openTCP(t, marked, wsa.AF_INET).Connect(at("10.9.0.2:80")), wsa.EACCES)
	equal(t, "Connect of another", openTCP(t, newHost(t, host.Config{}), wsa.AF_INET).Connect(at("10.9.0.2:80")), wsa.EWOULDBLOCK)

	bound := newHost(t, host.Config{Interface: "d0"})
	l := listen(t, newHost(t, host.Config{}), wsa.AF_INET)
	e := openTCP(t, bound, wsa.AF_INET)
	if errno := e.Connect(local(t, l)); errno == wsa.EWOULDBLOCK && e.State().Phase == base.Connected {
		t.Error("a socket bound to d0 reached the loopback")
	}
	if _, err := host.New(host.Config{Interface: "none"}); err == nil {
		t.Error("an interface that is not there")
	}
}

func TestBindErrors(t *testing.T) {
	privateNetwork(t)
	h := newHost(t, host.Config{})
	taken := openUDP(t, h, wsa.AF_INET)
	for _, c := range []struct {
		a    provider.Addr
		want wsa.Errno
	}{
		{local(t, taken), wsa.EADDRINUSE},
		{at("10.1.1.1:80"), wsa.EADDRNOTAVAIL},
		{at("[2001:db8::1]:80"), wsa.EADDRNOTAVAIL},
		{at("[fe80::1]:80"), wsa.EADDRNOTAVAIL},
		{at("[fe80::1%77]:80"), wsa.EADDRNOTAVAIL},
	} {
		e := open(t, h, c.a.Family, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP)
		equal(t, "Bind to "+c.a.String(), e.Bind(c.a), c.want)
	}
	dropCapabilities(t)
	e := openTCP(t, h, wsa.AF_INET)
	equal(t, "Bind to port 80", e.Bind(at("127.0.0.1:80")), wsa.EACCES)
}
