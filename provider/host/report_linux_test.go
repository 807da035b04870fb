package host_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/wsa"
)

// told waits for a receive that tells of an error and returns what it says. Routers
// are sparing with errors, and so again sends anew each 200 ms.
func (e *end) told(again func()) (errno wsa.Errno, to provider.Addr, icmp provider.ICMPError) {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		c := provider.Control{Has: provider.ControlICMP}
		m := provider.Msg{Buffers: [][]byte{make([]byte, 1)}, Control: &c}
		if _, errno = e.Recv(&m); errno != wsa.EWOULDBLOCK {
			return errno, m.Addr, c.ICMP
		}
		select {
		case <-e.woken:
		case <-time.After(200 * time.Millisecond):
			again()
		}
	}
	return errno, to, icmp
}

// TestICMPDetails: who asks hears who found the error, its numbers, and how the
// datagram began.
func TestICMPDetails(t *testing.T) {
	twoHosts(t, func(far func(string)) {
		far("ip route add 10.6.0.0/16 dev lo")
		h := newHost(t, host.Config{})
		near := map[int32]netip.Addr{wsa.AF_INET: netip.MustParseAddr("10.9.0.2"), wsa.AF_INET6: netip.MustParseAddr("2001:db8:9::2")}
		for _, c := range []struct {
			to     string
			errno  wsa.Errno
			ty, co uint8
			ttl    uint8
		}{
			{"10.6.0.1:80", wsa.ENETRESET, 11, 0, 1},
			{"10.4.0.1:80", wsa.ENETUNREACH, 3, 0, 9},
			{"10.9.0.2:80", wsa.ECONNRESET, 3, 3, 9},
			{"[2001:db8:4::1]:80", wsa.ENETUNREACH, 1, 0, 9},
			{"[2001:db8:9::2]:80", wsa.ECONNRESET, 1, 4, 9},
		} {
			to := at(c.to)
			d := open(t, h, to.Family, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP)
			must(t, "Bind", d.Bind(provider.Any(to.Family, 0)))
			send := func() {
				d.Send(&provider.Msg{
					Buffers: [][]byte{[]byte("datagram and more")}, Addr: to,
					Control: &provider.Control{Has: provider.ControlTTL, TTL: c.ttl},
				})
			}
			send()
			want := provider.ICMPError{From: near[to.Family], Type: c.ty, Code: c.co, Quoted: [8]byte([]byte("datagram"))}
			if errno, about, icmp := d.told(send); errno != c.errno || about != to || icmp != want {
				t.Errorf("%s with TTL %d: %s about %v, %+v; want %s, %+v", c.to, c.ttl, errno.Name(), about, icmp, c.errno.Name(), want)
			}
		}
	})
}

// TestPathMTUReports are told to those who ask, the network's and the kernel's own,
// to the former also if they came before.
func TestPathMTUReports(t *testing.T) {
	twoHosts(t, func(far func(string)) {
		far("ip link add d0 mtu 600 type veth peer name d1")
		far("ip addr add 10.5.0.1/16 dev d0")
		far("ip link set d0 up")
		far("ip link set d1 up")
		far("ip neigh add 10.5.0.2 lladdr 02:00:00:00:00:02 dev d0")
		h := newHost(t, host.Config{})
		d := open(t, h, wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP)
		must(t, "Bind", d.Bind(at("0.0.0.0:0")))
		must(t, "IP_DONTFRAGMENT", d.SetOption(wsa.IPPROTO_IP, wsa.IP_DONTFRAGMENT, 1))
		to, big := at("10.5.0.2:80"), make([]byte, 1000)
		_, errno := d.Send(&provider.Msg{Buffers: [][]byte{big}, Addr: to})
		must(t, "Send", errno)
		<-d.woken
		errno, about, icmp := d.told(func() {})
		if errno != wsa.EMSGSIZE || about != to || icmp.MTU != 600 || icmp.From != netip.MustParseAddr("10.9.0.2") {
			t.Errorf("the router's: %s about %v, %+v", errno.Name(), about, icmp)
		}
		ds := []provider.Datagram{{Data: big, Addr: to}}
		if n, errno := d.Endpoint.(interface {
			SendBatch([]provider.Datagram) (int, wsa.Errno)
		}).SendBatch(ds); n != 0 || errno != wsa.EMSGSIZE {
			t.Errorf("SendBatch: %d, %s", n, errno.Name())
		}
		errno, about, icmp = d.told(func() {})
		if errno != wsa.EMSGSIZE || about.Addr() != to.Addr() || icmp.MTU != 600 {
			t.Errorf("the kernel's: %s about %v, %+v", errno.Name(), about, icmp)
		}
		if d.State().Soft {
			t.Error("there is another")
		}
	})
}

// TestBatchTOS: each datagram of a batch has its own, trains are of one.
func TestBatchTOS(t *testing.T) {
	bothFamilies(t, func(t *testing.T, af int32) {
		h := newHost(t, host.Config{})
		a, b := openUDP(t, h, af), openUDP(t, h, af)
		level, name := wsa.IPPROTO_IP, wsa.IP_RECVTOS
		if af == wsa.AF_INET6 {
			level, name = wsa.IPPROTO_IPV6, wsa.IPV6_RECVTCLASS
		}
		must(t, "RECVTOS", b.SetOption(level, name, 1))
		tos := []uint8{0, 0, 0xb8, 0xb8, 0xb9, 0x28, 0, 2}
		ds := batchOf(local(t, b), repeated(len(tos), 100)...)
		for i := range ds {
			ds[i].TOS = tos[i]
		}
		a.sendBatch(ds)
		for i, d := range b.recvBatch(len(ds), 200) {
			if d.TOS != tos[i] {
				t.Errorf("datagram %d came with %#x, want %#x", i, d.TOS, tos[i])
			}
		}
	})
}
