package winsocktest

import (
	"encoding/binary"
	"net/netip"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// leaf is a c_leaf and d_leaf of the client's.
func (e *End) leaf() sockets.SOCKET {
	e.w.Helper()
	return e.OpenWith(wsa.SOCK_DGRAM, wsa.IPPROTO_UDP, leafFlags|wsa.WSA_FLAG_OVERLAPPED)
}

// joinLeaf is WSPJoinLeaf, which returns the socket itself (7.3: a c_leaf).
func (e *End) joinLeaf(s sockets.SOCKET, name []byte, flags uint32) wsa.Errno {
	e.w.Helper()
	n, errno := e.WSPJoinLeaf(s, name, nil, nil, nil, nil, flags)
	if want := map[bool]sockets.SOCKET{true: s, false: sockets.INVALID_SOCKET}[errno == 0]; n != want {
		e.w.Errorf("WSPJoinLeaf returned %#x with %s", n, name)
	}
	return errno
}

// joinError is a row of the error table of 7.3: flags and name of a join on a new leaf.
func joinError(text string, want wsa.Errno, flags uint32, name func(*Case) []byte) Row {
	return Row{Section: "7.3", Name: want.Name() + ": " + text, Needs: NeedsMulticast, Run: func(w *Case) {
		s := w.C.leaf()
		w.Want("WSPJoinLeaf", w.C.joinLeaf(s, name(w), flags), want)
		w.Want("what failed may be tried again", w.C.joinLeaf(s, aGroup(w), wsa.JL_RECEIVER_ONLY), 0)
	}}
}

func aGroup(w *Case) []byte { return Name(w.group(1), 5000) }

func aHost(w *Case) []byte { return Name(w.elsewhere(), 5000) }

// 7.3 WSPJoinLeaf: flags and errors.
var _ = add(
	joinError("no flag", wsa.EINVAL, 0, aGroup),
	joinError("two flags", wsa.EINVAL, wsa.JL_SENDER_ONLY|wsa.JL_RECEIVER_ONLY, aGroup),
	joinError("JL_BOTH and another", wsa.EINVAL, wsa.JL_BOTH|wsa.JL_RECEIVER_ONLY, aGroup),
	joinError("an unknown flag", wsa.EINVAL, 8, aGroup),
	joinError("ADDR_ANY", wsa.EADDRNOTAVAIL, wsa.JL_BOTH, func(w *Case) []byte { return w.Any() }),
	joinError("a host", wsa.EADDRNOTAVAIL, wsa.JL_BOTH, aHost),
	joinError("port 0", wsa.EADDRNOTAVAIL, wsa.JL_BOTH, func(w *Case) []byte { return Name(w.group(1), 0) }),
	joinError("another family", wsa.EAFNOSUPPORT, wsa.JL_BOTH, func(w *Case) []byte {
		if w.Family() == wsa.AF_INET {
			return Name(netip.MustParseAddr("ff05::7"), 5000)
		}
		return Name(netip.MustParseAddr("239.1.1.1"), 5000)
	}),
	joinError("no name", wsa.EFAULT, wsa.JL_BOTH, func(*Case) []byte { return nil }),
	joinError("a short name", wsa.EFAULT, wsa.JL_BOTH, func(w *Case) []byte { return aGroup(w)[:8] }),
	Row{Section: "7.3", Name: "WSAEOPNOTSUPP: not a multipoint socket", Needs: NeedsMulticast, Run: func(w *Case) {
		for _, s := range []sockets.SOCKET{w.C.UDP(), w.C.TCP()} {
			w.Want("WSPJoinLeaf", w.C.joinLeaf(s, aGroup(w), wsa.JL_BOTH), wsa.EOPNOTSUPP)
		}
	}},
	Row{Section: "7.3", Name: "WSAEOPNOTSUPP: QoS unsatisfiable", Needs: NeedsMulticast, Run: func(w *Case) {
		_, e := w.C.WSPJoinLeaf(w.C.leaf(), aGroup(w), nil, nil, new(sockets.QOS), nil, wsa.JL_BOTH)
		w.Want("WSPJoinLeaf", e, wsa.EOPNOTSUPP)
	}},
	Row{Section: "7.3", Name: "WSAEPROTONOSUPPORT: caller data unsupported", Needs: NeedsMulticast, Run: func(w *Case) {
		_, e := w.C.WSPJoinLeaf(w.C.leaf(), aGroup(w), []byte("data"), nil, nil, nil, wsa.JL_BOTH)
		w.Want("WSPJoinLeaf", e, wsa.EPROTONOSUPPORT)
	}},
	Row{Section: "7.3", Name: "WSAEISCONN: already a member", Needs: NeedsMulticast, Run: func(w *Case) {
		s := w.C.leaf()
		w.C.joins(addGroup, s, w.group(1), netip.Addr{})
		w.Want("a member by option", w.C.joinLeaf(s, aGroup(w), wsa.JL_RECEIVER_ONLY), wsa.EISCONN)
		w.Want("WSPJoinLeaf", w.C.joinLeaf(s, Name(w.group(2), 5000), wsa.JL_BOTH), 0)
		w.Want("a second group", w.C.joinLeaf(s, Name(w.group(3), 5000), wsa.JL_BOTH), wsa.EISCONN)
	}},
	Row{Section: "7.3", Name: "WSAENOBUFS: too many groups; one that is left makes room", Needs: NeedsMulticast, Run: func(w *Case) {
		s := w.C.leaf()
		var e wsa.Errno
		for n := 0; n < 600 && e == 0; n++ {
			e = addGroup.set(w.C, s, w.many(n), netip.Addr{}, false)
		}
		w.Want("more groups than a socket can have", e, wsa.ENOBUFS)
		w.Want("WSPJoinLeaf", w.C.joinLeaf(s, aGroup(w), wsa.JL_BOTH), wsa.ENOBUFS)
		w.C.joins(dropGroup, s, w.many(0), netip.Addr{})
		w.Want("WSPJoinLeaf", w.C.joinLeaf(s, aGroup(w), wsa.JL_BOTH), 0)
	}},
	Row{Section: "7.3", Name: "WSAEADDRINUSE: late bind conflict", Dropped: "an implicit bind takes a port that is free; the conflict is scripted in provider/base"},
	Row{Section: "7.3", Name: "a socket that is not bound is bound", Needs: NeedsMulticast, Run: func(w *Case) {
		s := w.C.leaf()
		w.Want("WSPJoinLeaf", w.C.joinLeaf(s, aGroup(w), wsa.JL_BOTH), 0)
		name := w.C.SockName(s)
		equal(w, "port", binary.BigEndian.Uint16(name[2:]) != 0, true)
	}},
	Row{Section: "7.3", Name: "non-blocking: at once, and FD_CONNECT tells", Needs: NeedsMulticast, Run: func(w *Case) {
		s := w.C.leaf()
		event := w.C.registered(s, wsa.FD_CONNECT)
		w.Want("WSPJoinLeaf", w.C.joinLeaf(s, aGroup(w), wsa.JL_BOTH), 0)
		ne := w.C.recorded(s, event, wsa.FD_CONNECT)
		equal(w, "iErrorCode", ne.Errors[4], 0)
	}},
	Row{Section: "7.3", Name: "the session is the peer of a sender, and of a receiver not", Needs: NeedsMulticast, Run: func(w *Case) {
		for flags, want := range map[uint32]wsa.Errno{wsa.JL_SENDER_ONLY: 0, wsa.JL_BOTH: 0, wsa.JL_RECEIVER_ONLY: wsa.ENOTCONN} {
			s := w.C.leaf()
			w.Want("WSPJoinLeaf", w.C.joinLeaf(s, aGroup(w), flags), 0)
			w.Want("WSPGetPeerName", w.C.peerless(s), want)
			if want == 0 {
				w.sameName("peer", w.C.peerName(s), aGroup(w))
				continue
			}
			w.Want("WSPSend", w.C.send(s, "x", 0), wsa.ENOTCONN)
		}
	}},
	Row{Section: "7.3", Name: "JL_SENDER_ONLY sends to the group and does not hear it", Needs: NeedsMulticast | NeedsGroups, Run: func(w *Case) {
		w.leaves(wsa.JL_SENDER_ONLY, false)
	}},
	Row{Section: "7.3", Name: "JL_BOTH sends to the group and hears it", Needs: NeedsMulticast | NeedsGroups, Run: func(w *Case) {
		w.leaves(wsa.JL_BOTH, true)
	}},
	Row{Section: "7.3", Name: "JL_RECEIVER_ONLY hears the group, and everybody who sends to the socket", Needs: NeedsMulticast | NeedsGroups, Run: func(w *Case) {
		s, port := w.S.receiver(0, leafFlags)
		w.Want("WSPJoinLeaf", w.S.joinLeaf(s, Name(w.group(1), port), wsa.JL_RECEIVER_ONLY), 0)
		c := w.C.UDP()
		w.says(c, w.group(1), port, "to all")
		w.S.hears(s, "to all")
		w.C.sendTo(c, "to one", Name(w.S.Host, port))
		w.S.hears(s, "to one")
	}},
	Row{Section: "7.3", Name: "closing the socket leaves the session", Needs: NeedsMulticast | NeedsGroups, Run: func(w *Case) {
		s, port := w.S.receiver(0, leafFlags)
		stays, _ := w.S.receiver(port, leafFlags)
		for _, k := range []sockets.SOCKET{s, stays} {
			w.Want("WSPJoinLeaf", w.S.joinLeaf(k, Name(w.group(1), port), wsa.JL_RECEIVER_ONLY), 0)
		}
		w.Want("close", w.S.WSPCloseSocket(s), 0)
		w.says(w.C.UDP(), w.group(1), port, "hello")
		w.S.hears(stays, "hello")
	}},
)

// many is one of more groups than a socket can be in.
func (w *Case) many(n int) netip.Addr {
	a := w.group(0).AsSlice()
	a[len(a)-2] += byte(2 + n/200)
	a[len(a)-1] = byte(1 + n%200)
	g, _ := netip.AddrFromSlice(a)
	return g
}

// leaves: a leaf of the client's sends, another of the server's hears it.
func (w *Case) leaves(flags uint32, hears bool) {
	w.Helper()
	far, port := w.S.receiver(0, leafFlags)
	w.Want("WSPJoinLeaf", w.S.joinLeaf(far, Name(w.group(1), port), wsa.JL_RECEIVER_ONLY), 0)
	s, _ := w.C.receiver(port, leafFlags)
	w.C.joins(addGroup, s, w.group(2), netip.Addr{}) // whose datagrams say that all has come
	w.Want("WSPJoinLeaf", w.C.joinLeaf(s, Name(w.group(1), port), flags), 0)
	w.Want("WSPSend", w.C.send(s, "to the session", 0), 0)
	w.S.hears(far, "to the session")
	w.says(w.C.UDP(), w.group(2), port, "end")
	if hears {
		w.C.hears(s, "to the session")
	}
	w.C.hears(s, "end")
}
