package base_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestUnheardIsNotAnnounced: neither Ready nor FIONREAD tell of what a receive will
// skip, and what is wanted behind it is found; a peek skips it as well.
func TestUnheardIsNotAnnounced(t *testing.T) {
	families(t, func(t *testing.T, c *club, group, other, here, there, far string) {
		s, neighbour := c.listen(), c.listen()
		c.want("join", c.option(s, wsa.MCAST_JOIN_SOURCE_GROUP, group, there), 0)
		c.want("a neighbour joins", c.option(neighbour, wsa.MCAST_JOIN_GROUP, other), 0)
		fionread := func() uint32 {
			t.Helper()
			out := make([]byte, 4)
			_, e := c.table(s).WSPIoctl(s, &provider.IoctlRequest{Code: wsa.FIONREAD, Out: out})
			c.want("FIONREAD", e, 0)
			return binary.LittleEndian.Uint32(out)
		}
		c.say(far, group, "unwanted")
		c.say(there, other, "not joined")
		if r := c.ready(s); r.Events&wsa.FD_READ != 0 || r.Queued != 0 {
			t.Errorf("ready %+v", r)
		}
		if n := fionread(); n != 0 {
			t.Errorf("FIONREAD %d", n)
		}
		c.say(far, group, "unwanted")
		c.say(there, group, "wanted")
		c.say(far, group, "unwanted")
		if n := fionread(); n < uint32(len("wanted")) {
			t.Errorf("FIONREAD %d", n)
		}
		for range 2 {
			text, e := c.recv(s, 100, wsa.MSG_PEEK)
			c.want("peek", e, 0)
			c.is("peek", text, "wanted")
		}
		c.is("all", c.heard(s), "wanted")
	})
}

// TestSiftedBatch: the batch entries skip the same, and lose no room.
func TestSiftedBatch(t *testing.T) {
	families(t, func(t *testing.T, c *club, group, other, here, there, far string) {
		s := c.listen()
		c.want("join", c.option(s, wsa.MCAST_JOIN_GROUP, group), 0)
		c.want("block", c.option(s, wsa.MCAST_BLOCK_SOURCE, group, far), 0)
		for i := range 4 {
			c.say(far, group, "unwanted")
			c.say(there, group, fmt.Sprint("wanted", i))
		}
		take := func(room int) (all string) {
			ds := rooms(room, 20)
			n, e := s.Direct().RecvBatch(s, ds)
			for _, d := range ds[:n] {
				if d.Addr.Addr() != netip.MustParseAddr(there) {
					t.Errorf("from %v", d.Addr)
				}
				all += string(d.Data[:d.N]) + " "
			}
			return all + name(e)
		}
		c.same("a full batch", take(3), "wanted0 wanted1 wanted2 success")
		c.same("the rest", take(3), "wanted3 WSAEWOULDBLOCK")
		c.same("nothing", take(3), "WSAEWOULDBLOCK")
	})
}

// TestSiftFlood: Ready discards a part of a flood, announces nothing, and has itself
// asked again; so who waits neither spins on a level that is not there nor sleeps
// with a datagram behind.
func TestSiftFlood(t *testing.T) {
	n := basetest.NewNetwork(basetest.NetworkConfig{Datagrams: 200})
	r := newRig(t, n)
	s := r.udp()
	r.bind(s, "0.0.0.0:5000")
	r.want("join", r.member(s, wsa.IPPROTO_IP, wsa.IP_ADD_MEMBERSHIP, mreq("239.1.1.1", "0.0.0.0")), 0)
	r.want("loop", r.set(s, wsa.IPPROTO_IP, wsa.IP_MULTICAST_LOOP, 0), 0)
	w := new(watched)
	r.table(s).Watch(s, w, wsa.FD_ALL_EVENTS)
	for range 150 {
		_, e := r.sendTo(s, "239.1.1.1:5000", "own")
		r.want("send", e, 0)
	}
	_, e := r.sendTo(s, "127.0.0.1:5000", "x")
	r.want("send", e, 0)
	asked := 0
	for w.take(); r.ready(s).Events&wsa.FD_READ == 0; asked++ {
		if w.take()&wsa.FD_READ == 0 {
			t.Fatal("nothing announced, and nobody woken")
		}
	}
	if asked < 2 || asked > 3 {
		t.Errorf("asked %d times", asked)
	}
	text, _, e := r.recvFrom(s, 10)
	if text != "x" || e != 0 {
		t.Errorf("%q %s", text, name(e))
	}
}

// TestSiftControl: a layer that asks for ancillary data has what it asked for, no
// more and no less, with the sift in between.
func TestSiftControl(t *testing.T) {
	for _, has := range []provider.ControlBits{0, provider.ControlTTL, provider.ControlPacketInfo, provider.ControlPacketInfo | provider.ControlTOS} {
		c := newClub(t, wsa.AF_INET)
		s := c.listen()
		c.want("join", c.option(s, wsa.MCAST_JOIN_GROUP, "239.1.1.1"), 0)
		c.want("block", c.option(s, wsa.MCAST_BLOCK_SOURCE, "239.1.1.1", far4), 0)
		c.say(far4, "239.1.1.1", "unwanted")
		c.say(there4, "239.1.1.1", "wanted")
		m := &provider.Msg{Buffers: [][]byte{make([]byte, 10)}, Control: &provider.Control{Has: has}}
		n, e := c.table(s).WSPRecvFrom(s, m)
		c.want("recv", e, 0)
		c.is("recv", string(m.Buffers[0][:n]), "wanted")
		info := has&provider.ControlPacketInfo != 0
		if m.Control.Has != has || info != (m.Control.Dst == netip.MustParseAddr("239.1.1.1") && m.Control.IfIndex == 1) || !info && m.Control.Dst.IsValid() {
			t.Errorf("asked for %b: %+v", has, *m.Control)
		}
	}
}

// TestSiftSoftError: an ICMP error that comes while Ready looks is not lost.
func TestSiftSoftError(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := r.udp()
	r.bind(s, "0.0.0.0:5000")
	r.want("loop", r.set(s, wsa.IPPROTO_IP, wsa.IP_MULTICAST_LOOP, 0), 0)
	d.Last().Set(base.State{Readable: true, Writable: true, Drained: true})
	d.Last().On("Recv", basetest.Result{Errno: wsa.ECONNRESET, Addr: addr("10.0.0.9:7")})
	if got := r.ready(s); got.Soft != wsa.ECONNRESET || got.Events&wsa.EvError == 0 {
		t.Errorf("ready %+v", got)
	}
	_, from, e := r.recvFrom(s, 10)
	if e != wsa.ECONNRESET || from != addr("10.0.0.9:7") {
		t.Errorf("%v %s", from, name(e))
	}
}

// TestSiftRaw: a raw socket has a copy of all groups (winsock-spi 9.4), and is choosy
// only where it was told to be.
func TestSiftRaw(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := r.of(raw4)
	r.bind(s, "0.0.0.0:0")
	r.want("join", r.member(s, wsa.IPPROTO_IP, wsa.IP_ADD_SOURCE_MEMBERSHIP, mreqSource("239.1.1.1", "10.9.9.9", "0.0.0.0")), 0)
	from := func(group, source, text string) basetest.Result {
		return basetest.Result{Data: []byte(text), Addr: addr(source + ":0"), Dst: netip.MustParseAddr(group), IfIndex: 1}
	}
	d.Last().On("Recv", from("239.1.1.1", "10.9.9.8", "unwanted"), from("239.1.1.1", "10.9.9.9", "source"), from("239.1.1.2", "10.9.9.8", "not joined"))
	for _, want := range []string{"source", "not joined"} {
		text, _, e := r.recvFrom(s, 20)
		if text != want || e != 0 {
			t.Errorf("%q %s, want %q", text, name(e), want)
		}
	}
}

// TestSiftAllocates nothing, per datagram heard and per datagram discarded.
func TestSiftAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops at random under -race")
	}
	c := newClub(t, wsa.AF_INET)
	s, sender := c.listen(), c.from[there4].udp()
	c.want("join", c.option(s, wsa.MCAST_JOIN_GROUP, "239.1.1.1"), 0)
	c.want("a neighbour joins", c.option(c.listen(), wsa.MCAST_JOIN_GROUP, "239.1.1.2"), 0)
	in := &provider.Msg{Buffers: [][]byte{make([]byte, 20)}}
	wanted := &provider.Msg{Buffers: [][]byte{[]byte("wanted")}, Addr: addr("239.1.1.1:5000")}
	unwanted := &provider.Msg{Buffers: [][]byte{[]byte("unwanted")}, Addr: addr("239.1.1.2:5000")}
	send, recv, ready := c.from[there4].table(sender).WSPSendTo, c.table(s).WSPRecvFrom, c.table(s).Ready
	round := func() {
		send(sender, unwanted)
		send(sender, wanted)
		if ready(s, wsa.FD_READ).Events == 0 {
			t.Fatal("not ready")
		}
		if n, e := recv(s, in); n != 6 || e != 0 {
			t.Fatalf("%d %s", n, name(e))
		}
	}
	for range 64 { // every slot of the queues has its memory then
		round()
	}
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
