package host_test

import (
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/wsa"
)

// ip runs iproute2 in the namespace of the thread.
func ip(t *testing.T, command string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", command, err, out)
	}
}

// cards are the links of the tests: two ends of a veth with addresses.
var cards = []string{
	"ip link add v0 type veth peer name v1",
	"ip addr add 10.77.0.1/24 dev v0",
	"ip -6 addr add fd77::1/64 dev v0 nodad",
	"ip link set v0 up mtu 1400",
	"ip link set v1 up",
}

func TestInterfaces(t *testing.T) {
	privateNetwork(t, cards...)
	h := newHost(t, host.Config{})
	all, errno := h.Interfaces()
	must(t, "Interfaces", errno)
	find := func(name string) base.Interface {
		i := slices.IndexFunc(all, func(i base.Interface) bool { return i.Name == name })
		if i < 0 {
			t.Fatalf("no %s: %+v", name, all)
		}
		return all[i]
	}
	lo, v0 := find("lo"), find("v0")
	if lo.Index != 1 || lo.Flags&(wsa.IFF_UP|wsa.IFF_LOOPBACK) != wsa.IFF_UP|wsa.IFF_LOOPBACK || !slices.Contains(lo.Addrs, netip.MustParsePrefix("127.0.0.1/8")) {
		t.Errorf("lo: %+v", lo)
	}
	if v0.Flags != wsa.IFF_UP|wsa.IFF_BROADCAST|wsa.IFF_MULTICAST || v0.MTU != 1400 || v0.Index < 2 ||
		!slices.Contains(v0.Addrs, netip.MustParsePrefix("10.77.0.1/24")) || !slices.Contains(v0.Addrs, netip.MustParsePrefix("fd77::1/64")) {
		t.Errorf("v0: %+v", v0)
	}
}

func TestRoute(t *testing.T) {
	privateNetwork(t, cards...)
	h := newHost(t, host.Config{})
	all, _ := h.Interfaces()
	v0 := all[slices.IndexFunc(all, func(i base.Interface) bool { return i.Name == "v0" })].Index
	for _, c := range []struct {
		to, from string
		index    uint32
		want     wsa.Errno
	}{
		{"10.77.0.9:80", "10.77.0.1:0", v0, 0},
		{"10.77.0.255:80", "10.77.0.1:0", v0, 0}, // the broadcast address
		{"10.77.0.1:80", "10.77.0.1:0", v0, 0},
		{"127.0.0.1:80", "127.0.0.1:0", 1, 0},
		{"[fd77::9]:80", "[fd77::1]:0", v0, 0},
		{"[::ffff:10.77.0.9]:80", "[::ffff:10.77.0.1]:0", v0, 0},
		{"8.8.8.8:80", "", 0, wsa.ENETUNREACH},
		{"[2001:db8::1]:80", "", 0, wsa.ENETUNREACH},
		{"[fe80::9]:80", "", 0, wsa.ENETUNREACH}, // over which interface?
	} {
		from, index, errno := h.Route(at(c.to))
		if errno != c.want || index != c.index || errno == 0 && from != at(c.from) {
			t.Errorf("%s: %v over %d, %s; want %s over %d, %s", c.to, from, index, errno.Name(), c.from, c.index, c.want.Name())
		}
	}
}

// TestChanges: the kernel's news reach all listeners, until each has stopped.
func TestChanges(t *testing.T) {
	privateNetwork(t, cards...)
	h := newHost(t, host.Config{})
	one, two := make(chan wsa.Events, 100), make(chan wsa.Events, 100)
	stop1, errno := h.Changes(func(e wsa.Events) { one <- e })
	must(t, "Changes", errno)
	stop2, errno := h.Changes(func(e wsa.Events) { two <- e })
	must(t, "Changes", errno)
	until := func(c chan wsa.Events, want wsa.Events) {
		t.Helper()
		late := time.NewTimer(patience)
		defer late.Stop()
		for got := wsa.Events(0); got&want == 0; {
			select {
			case got = <-c:
			case <-late.C:
				t.Fatalf("not told of %#x", want)
			}
		}
	}
	ip(t, "addr add 10.78.0.1/24 dev v0")
	until(one, wsa.FD_ADDRESS_LIST_CHANGE)
	until(two, wsa.FD_ADDRESS_LIST_CHANGE)
	ip(t, "route add 10.79.0.0/24 via 10.78.0.9")
	until(one, wsa.FD_ROUTING_INTERFACE_CHANGE)
	stop1()
	for len(one) > 0 {
		<-one
	}
	ip(t, "link set v0 down")
	until(two, wsa.FD_ADDRESS_LIST_CHANGE)
	if len(one) > 0 {
		t.Error("told after stop")
	}
	stop2()
	stop3, errno := h.Changes(func(e wsa.Events) { one <- e })
	must(t, "Changes, anew", errno)
	ip(t, "link set v0 up")
	until(one, wsa.FD_ADDRESS_LIST_CHANGE)
	succeed(t, h.Close())
	for len(one) > 0 { // the last of them is the Host's end
		<-one
	}
	stop3()
	if _, errno := h.Changes(func(wsa.Events) {}); errno != wsa.ENETDOWN {
		t.Errorf("closed: %s", errno.Name())
	}
	if _, errno := h.Interfaces(); errno != wsa.ENETDOWN {
		t.Errorf("closed: %s", errno.Name())
	}
	if _, _, errno := h.Route(at("127.0.0.1:9")); errno != wsa.ENETDOWN {
		t.Errorf("closed: %s", errno.Name())
	}
}

func succeed(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestQueuedTotal: all datagrams count, and none is taken.
func TestQueuedTotal(t *testing.T) {
	bothFamilies(t, func(t *testing.T, af int32) {
		h := newHost(t, host.Config{})
		a, b := openUDP(t, h, af), openUDP(t, h, af)
		send := func(text string) {
			t.Helper()
			_, errno := a.Send(&provider.Msg{Buffers: [][]byte{[]byte(text)}, Addr: local(t, b)})
			must(t, "Send", errno)
		}
		total := func(want int) {
			t.Helper()
			equal(t, "total", b.Endpoint.(base.TotalQueuer).QueuedTotal(), want)
		}
		total(0)
		texts := []string{"first", "", "second one", "third"}
		for _, s := range texts {
			send(s)
		}
		b.readable()
		total(20)
		total(20)
		equal(t, "the first", b.Endpoint.(base.Queuer).Queued(), 5)
		for _, want := range texts {
			buf := make([]byte, 30)
			m := &provider.Msg{Buffers: [][]byte{buf}, Flags: wsa.MSG_PEEK}
			for range 2 {
				n, errno := b.Recv(m)
				must(t, "Recv", errno)
				equal(t, "datagram", string(buf[:n]), want)
				m.Flags = 0
			}
			if want == "first" {
				total(15)
			}
		}
		total(0)
		equal(t, "readable", b.State().Readable, false)
	})
}

func TestTCPInfo(t *testing.T) {
	bothFamilies(t, func(t *testing.T, af int32) {
		h := newHost(t, host.Config{})
		a, b := pair(t, h, af)
		a.send([]byte("x"))
		b.want("x")
		i := a.Endpoint.(base.TCPInformer).TCPInfo()
		if i.State != wsa.TCPSTATE_ESTABLISHED || i.MSS < 536 || i.RTT <= 0 || i.CongestionWindow < i.MSS || i.ReceiveBuffer == 0 {
			t.Errorf("%+v", i)
		}
		must(t, "Shutdown", b.Shutdown())
		a.until("closed by the peer", func(s base.State) bool { return s.PeerClosed })
		equal(t, "state", a.Endpoint.(base.TCPInformer).TCPInfo().State, wsa.TCPSTATE_CLOSE_WAIT)
		a.Close(true)
		equal(t, "closed", a.Endpoint.(base.TCPInformer).TCPInfo(), base.TCPInfo{})
	})
}
