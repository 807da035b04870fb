package providertest

import (
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// groupMembership: each socket hears the groups that it has joined itself.
func groupMembership(t *testing.T, r *groupRig) {
	s, stranger := r.receiver(0), r.receiver(0)
	r.want("join", s.group(wsa.MCAST_JOIN_GROUP, r.Group), 0)
	r.want("join the other", stranger.group(wsa.MCAST_JOIN_GROUP, r.Other), 0)
	both := r.Other.Next() // whose datagram says to each that all before it have come, those it does not hear, too
	for _, k := range []*groupSocket{s, stranger} {
		r.want("join a third", k.group(wsa.MCAST_JOIN_GROUP, both), 0)
	}
	r.say(r.Group, "1")
	r.say(r.Other, "2")
	r.say(r.Group, "3")
	r.say(both, "end")
	s.hears("1", "3", "end")
	stranger.hears("2", "end")
	r.want("join too", stranger.group(wsa.MCAST_JOIN_GROUP, r.Group), 0)
	r.want("leave", s.group(wsa.MCAST_LEAVE_GROUP, r.Group), 0)
	r.want("join", s.group(wsa.MCAST_JOIN_GROUP, r.Other), 0)
	r.say(r.Group, "4")
	r.say(r.Other, "5")
	r.say(both, "end")
	s.hears("5", "end")
	stranger.hears("4", "5", "end")
	r.want("leave", stranger.group(wsa.MCAST_LEAVE_GROUP, r.Group), 0)
	r.want("join again", s.group(wsa.MCAST_JOIN_GROUP, r.Group), 0)
	r.say(r.Group, "6")
	s.hears("6")
}

// groupSources: the peer is blocked, joined, and another joined in its place.
func groupSources(t *testing.T, r *groupRig) {
	elsewhere := r.Peer.Next()
	s := r.receiver(0)
	r.want("join the other", s.group(wsa.MCAST_JOIN_GROUP, r.Other), 0) // whose datagrams say that all has come
	step := func(what string, e wsa.Errno, heard bool) {
		t.Helper()
		r.want(what, e, 0)
		r.say(r.Group, what)
		r.say(r.Other, "end of "+what)
		if heard {
			s.hears(what)
		}
		s.hears("end of " + what)
	}
	step("join", s.group(wsa.MCAST_JOIN_GROUP, r.Group), true)
	step("block another", s.group(wsa.MCAST_BLOCK_SOURCE, r.Group, elsewhere), true)
	step("block", s.group(wsa.MCAST_BLOCK_SOURCE, r.Group, r.Peer), false)
	step("unblock", s.group(wsa.MCAST_UNBLOCK_SOURCE, r.Group, r.Peer), true)
	step("leave", s.group(wsa.MCAST_LEAVE_GROUP, r.Group), false)
	step("join another source", s.group(wsa.MCAST_JOIN_SOURCE_GROUP, r.Group, elsewhere), false)
	step("join the source", s.group(wsa.MCAST_JOIN_SOURCE_GROUP, r.Group, r.Peer), true)
	step("leave the other source", s.group(wsa.MCAST_LEAVE_SOURCE_GROUP, r.Group, elsewhere), true)
	step("leave the source", s.group(wsa.MCAST_LEAVE_SOURCE_GROUP, r.Group, r.Peer), false)
}

// groupLoop is the experiment of winsock-spi 7.4: the receiver's option decides.
func groupLoop(t *testing.T, r *groupRig) {
	const loop = wsa.IP_MULTICAST_LOOP // and IPV6_MULTICAST_LOOP
	on, off, sender := r.receiver(0), r.receiver(0), r.open(0)
	off.set(r.level, loop, 0)
	for _, s := range []*groupSocket{on, off} {
		r.want("join", s.group(wsa.MCAST_JOIN_GROUP, r.Group), 0)
	}
	for v, text := range []string{"sent with it off", "sent with it on"} {
		sender.set(r.level, loop, uint32(v))
		m := &provider.Msg{Buffers: [][]byte{[]byte(text)}, Addr: provider.AddrFrom(netip.AddrPortFrom(r.Group, r.port))}
		_, e := r.chain.Table.WSPSendTo(sender.Socket, m)
		r.want("send", e, 0)
		on.hears(text)
		r.say(r.Group, "the peer's")
		on.hears("the peer's")
		off.hears("the peer's")
	}
	off.set(r.level, loop, 1)
	m := &provider.Msg{Buffers: [][]byte{[]byte("x")}, Addr: provider.AddrFrom(netip.AddrPortFrom(r.Group, r.port))}
	_, e := r.chain.Table.WSPSendTo(sender.Socket, m)
	r.want("send", e, 0)
	off.hears("x")
}

// groupLeaf: WSPJoinLeaf in both directions.
func groupLeaf(t *testing.T, r *groupRig) {
	const leaf = wsa.WSA_FLAG_MULTIPOINT_C_LEAF | wsa.WSA_FLAG_MULTIPOINT_D_LEAF
	s := r.receiver(leaf)
	to := provider.AddrFrom(netip.AddrPortFrom(r.Group, r.port))
	next := r.Listen(t, to.AddrPort)
	n, e := r.chain.Table.WSPJoinLeaf(s.Socket, &provider.JoinRequest{To: to, Flags: wsa.JL_BOTH})
	r.want("join leaf", e, 0)
	if n != s.Socket {
		t.Error("a leaf of a plane without root is not the socket itself")
	}
	_, e = r.chain.Table.WSPJoinLeaf(s.Socket, &provider.JoinRequest{To: to, Flags: wsa.JL_BOTH})
	r.want("again", e, wsa.EISCONN)
	_, e = r.chain.Table.WSPSend(s.Socket, &provider.Msg{Buffers: [][]byte{[]byte("to nobody")}})
	r.want("send", e, 0)
	s.hears("to nobody") // looped back
	if text, from := next(); text != "to nobody" || from != r.Own {
		t.Errorf("the peer heard %q from %v", text, from)
	}
	r.say(r.Group, "from the peer")
	s.hears("from the peer")
	r.say(r.Own, "unicast")
	s.hears("unicast")
}

// groupConflicts: the errors of winsock-spi 7.4 come from the base, not from the
// network below it.
func groupConflicts(t *testing.T, r *groupRig) {
	s := r.receiver(0)
	r.want("leave", s.group(wsa.MCAST_LEAVE_GROUP, r.Group), wsa.EINVAL)
	r.want("join", s.group(wsa.MCAST_JOIN_GROUP, r.Group), 0)
	r.want("join again", s.group(wsa.MCAST_JOIN_GROUP, r.Group), wsa.EADDRNOTAVAIL)
	r.want("join source", s.group(wsa.MCAST_JOIN_SOURCE_GROUP, r.Group, r.Peer), wsa.EADDRNOTAVAIL)
	r.want("leave source", s.group(wsa.MCAST_LEAVE_SOURCE_GROUP, r.Group, r.Peer), wsa.EINVAL)
	r.want("unblock", s.group(wsa.MCAST_UNBLOCK_SOURCE, r.Group, r.Peer), wsa.EINVAL)
	r.want("block", s.group(wsa.MCAST_BLOCK_SOURCE, r.Group, r.Peer), 0)
	r.want("block again", s.group(wsa.MCAST_BLOCK_SOURCE, r.Group, r.Peer), wsa.EADDRNOTAVAIL)
	r.want("join", s.group(wsa.MCAST_JOIN_GROUP, r.Group), wsa.EINVAL)
	r.want("join, no group", s.group(wsa.MCAST_JOIN_GROUP, r.Peer), wsa.EADDRNOTAVAIL)
	r.want("leave", s.group(wsa.MCAST_LEAVE_GROUP, r.Group), 0)
}

// groupInterface: by address and number, to join and to send.
func groupInterface(t *testing.T, r *groupRig) {
	s := r.receiver(0)
	next := r.Listen(t, netip.AddrPortFrom(r.Group, r.port))
	set := func(name int32, in []byte) wsa.Errno {
		return r.chain.Table.WSPSetSockOpt(s.Socket, r.level, name, in)
	}
	const join, sendIF = wsa.IP_ADD_MEMBERSHIP, wsa.IP_MULTICAST_IF // IPv6 has the same numbers
	if r.af == wsa.AF_INET {
		group := r.Group.AsSlice()
		r.want("an address that is not ours", set(join, append(group, r.Peer.AsSlice()...)), wsa.EADDRNOTAVAIL)
		r.want("a number that is not ours", set(join, append(group, 0, 200, 0, 0)), wsa.EADDRNOTAVAIL)
		r.want("an address", set(join, append(group, r.Own.AsSlice()...)), 0)
		r.want("the default, which is the same", set(join, append(group, 0, 0, 0, 0)), wsa.EADDRNOTAVAIL)
		r.want("send over no address of ours", set(sendIF, r.Peer.AsSlice()), wsa.EADDRNOTAVAIL)
		r.want("send over an address", set(sendIF, r.Own.AsSlice()), 0)
	} else {
		r.want("a number that is not ours", set(join, append(r.Group.AsSlice(), 0, 0, 200, 0)), wsa.EADDRNOTAVAIL)
		r.want("the default", set(join, append(r.Group.AsSlice(), 0, 0, 0, 0)), 0)
		r.want("send over no number of ours", set(sendIF, []byte{0, 0, 200, 0}), wsa.EADDRNOTAVAIL)
		r.want("send over the default", set(sendIF, []byte{0, 0, 0, 0}), 0)
	}
	r.say(r.Group, "in")
	s.hears("in")
	m := &provider.Msg{Buffers: [][]byte{[]byte("out")}, Addr: provider.AddrFrom(netip.AddrPortFrom(r.Group, r.port))}
	_, e := r.chain.Table.WSPSendTo(s.Socket, m)
	r.want("send", e, 0)
	if text, from := next(); text != "in" && text != "out" || from == r.Own && text != "out" {
		t.Errorf("the peer heard %q from %v", text, from)
	} else if text == "in" { // its own, looped back
		if text, from = next(); text != "out" || from != r.Own {
			t.Errorf("the peer heard %q from %v", text, from)
		}
	}
	s.hears("out")
}

// groupAnnouncement: who waits is not woken into a receive that finds nothing.
func groupAnnouncement(t *testing.T, r *groupRig) {
	s := r.receiver(0)
	r.want("join", s.group(wsa.MCAST_JOIN_GROUP, r.Group), 0)
	r.want("block", s.group(wsa.MCAST_BLOCK_SOURCE, r.Group, r.Peer), 0)
	for range 100 {
		r.say(r.Group, "blocked")
	}
	r.say(r.Own, "unicast")
	s.hears("unicast") // which receives only what Ready has announced
	if got := r.chain.Table.Ready(s.Socket, wsa.FD_READ); got.Events != 0 || got.Queued != 0 {
		t.Errorf("ready %+v", got)
	}
}
