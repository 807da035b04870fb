package winsocktest

import (
	"net/netip"

	"github.com/netnsd/netnsd/provider/wsa"
)

// 7.3, 7.4: who hears what. The client sends, the server is a member.
var _ = add(
	Row{Section: "7.3", Name: "Deering options: a socket hears the groups that it has joined, and no others", Needs: NeedsMulticast | NeedsGroups, Run: func(w *Case) {
		s, port := w.S.receiver(0, 0)
		other, _ := w.S.receiver(port, 0)
		w.S.joins(addGroup, s, w.group(1), netip.Addr{})
		w.S.joins(addGroup, other, w.group(2), netip.Addr{})
		c := w.C.UDP()
		for _, k := range []netip.Addr{w.group(1), w.group(2), w.group(1)} {
			w.says(c, k, port, k.String())
		}
		w.S.hears(s, w.group(1).String(), w.group(1).String())
		w.S.hears(other, w.group(2).String())
		w.S.joins(dropGroup, s, w.group(1), netip.Addr{})
		w.S.joins(addGroup, s, w.group(3), netip.Addr{})
		w.says(c, w.group(1), port, "not any more")
		w.says(c, w.group(3), port, "but this")
		w.S.hears(s, "but this")
	}},
	Row{Section: "7.3", Name: "closesocket leaves", Needs: NeedsMulticast | NeedsGroups, Run: func(w *Case) {
		s, port := w.S.receiver(0, 0)
		stays, _ := w.S.receiver(port, 0)
		w.S.joins(addGroup, s, w.group(1), netip.Addr{})
		w.S.joins(addGroup, stays, w.group(1), netip.Addr{})
		w.Want("close", w.S.WSPCloseSocket(s), 0)
		w.says(w.C.UDP(), w.group(1), port, "hello")
		w.S.hears(stays, "hello")
	}},
	Row{Section: "7.4", Name: "sources: blocked, unblocked, joined, left", Needs: NeedsMulticast | NeedsGroups, Run: func(w *Case) {
		s, port := w.S.receiver(0, 0)
		c := w.C.UDP()
		from := w.seen(c, s, port)
		w.S.joins(addGroup, s, w.group(2), netip.Addr{}) // whose datagrams say that all has come
		for _, step := range []struct {
			op     groupOp
			source netip.Addr
			heard  bool
		}{
			{addGroup, from, true}, {blockSource, w.elsewhere(), true}, {blockSource, from, false}, {unblockSource, from, true}, {dropGroup, from, false},
			{addSource, w.elsewhere(), false}, {addSource, from, true}, {dropSource, w.elsewhere(), true}, {dropSource, from, false},
		} {
			w.S.joins(step.op, s, w.group(1), step.source)
			w.says(c, w.group(1), port, step.op.name)
			w.says(c, w.group(2), port, "end")
			if step.heard {
				w.S.hears(s, step.op.name)
			}
			w.S.hears(s, "end")
		}
	}},
	Row{Section: "7.3", Name: "TTL by SIO_MULTICAST_SCOPE, which is IP_MULTICAST_TTL", Needs: NeedsMulticast, Run: func(w *Case) {
		s := w.C.UDP()
		w.Want("SIO_MULTICAST_SCOPE", w.C.ioctl(s, wsa.SIO_MULTICAST_SCOPE, []byte{9, 0, 0, 0}, nil), 0)
		v, e := w.C.Option(s, w.level(), wsa.IP_MULTICAST_TTL) // IPV6_MULTICAST_HOPS has the same number
		w.Want("option", e, 0)
		equal(w, "TTL", v, 9)
		w.Want("short", w.C.ioctl(s, wsa.SIO_MULTICAST_SCOPE, []byte{9}, nil), wsa.EFAULT)
	}},
	Row{Section: "7.3", Name: "loopback by SIO_MULTIPOINT_LOOPBACK, which is IP_MULTICAST_LOOP", Needs: NeedsMulticast, Run: func(w *Case) {
		s := w.C.UDP()
		for _, on := range []byte{0, 1} {
			w.Want("SIO_MULTIPOINT_LOOPBACK", w.C.ioctl(s, wsa.SIO_MULTIPOINT_LOOPBACK, []byte{on, 0, 0, 0}, nil), 0)
			v, e := w.C.Option(s, w.level(), wsa.IP_MULTICAST_LOOP)
			w.Want("option", e, 0)
			equal(w, "loop", v, int(on))
		}
	}},
)
