package winsocktest

import (
	"net/netip"

	"github.com/netnsd/netnsd/provider/wsa"
)

// conflict is a row of 7.4: what was done in a group, and what then is an error.
type conflict struct {
	name   string
	before []groupOp
	then   groupOp
	want   wsa.Errno
}

var conflicts = []conflict{
	{"ADD_MEMBERSHIP, ADD_MEMBERSHIP", []groupOp{addGroup}, addGroup, wsa.EADDRNOTAVAIL},
	{"ADD_MEMBERSHIP, ADD_SOURCE", []groupOp{addGroup}, addSource, wsa.EADDRNOTAVAIL},
	{"ADD_MEMBERSHIP, DROP_SOURCE", []groupOp{addGroup}, dropSource, wsa.EINVAL},
	{"ADD_MEMBERSHIP, UNBLOCK_SOURCE of never-blocked", []groupOp{addGroup}, unblockSource, wsa.EINVAL},
	{"not a member, DROP_MEMBERSHIP", nil, dropGroup, wsa.EINVAL},
	{"not a member, DROP_SOURCE", nil, dropSource, wsa.EINVAL},
	{"not a member, BLOCK_SOURCE", nil, blockSource, wsa.EINVAL},
	{"not a member, UNBLOCK_SOURCE", nil, unblockSource, wsa.EINVAL},
	{"DROP_MEMBERSHIP, DROP_MEMBERSHIP", []groupOp{addGroup, dropGroup}, dropGroup, wsa.EINVAL},
	{"DROP_MEMBERSHIP, BLOCK_SOURCE", []groupOp{addGroup, dropGroup}, blockSource, wsa.EINVAL},
	{"ADD_SOURCE, ADD_MEMBERSHIP", []groupOp{addSource}, addGroup, wsa.EADDRNOTAVAIL},
	{"ADD_SOURCE, same ADD_SOURCE", []groupOp{addSource}, addSource, wsa.EADDRNOTAVAIL},
	{"ADD_SOURCE, UNBLOCK_SOURCE", []groupOp{addSource}, unblockSource, wsa.EINVAL},
	{"DROP_SOURCE, UNBLOCK_SOURCE", []groupOp{addSource, dropSource}, unblockSource, wsa.EINVAL},
	{"BLOCK_SOURCE, BLOCK_SOURCE same", []groupOp{addGroup, blockSource}, blockSource, wsa.EADDRNOTAVAIL},
	{"BLOCK_SOURCE, ADD_SOURCE", []groupOp{addGroup, blockSource}, addSource, wsa.EINVAL},
	{"BLOCK_SOURCE, ADD_MEMBERSHIP", []groupOp{addGroup, blockSource}, addGroup, wsa.EINVAL},
	{"UNBLOCK, UNBLOCK", []groupOp{addGroup, blockSource, unblockSource}, unblockSource, wsa.EADDRNOTAVAIL},
}

var _ = addConflicts()

func addConflicts() struct{} {
	for _, c := range conflicts {
		add(Row{Section: "7.4", Name: c.name + ": " + name(c.want), Needs: NeedsMulticast, Run: c.run})
	}
	return struct{}{}
}

// run does it in both forms, and in another group, where nothing was done before.
func (c conflict) run(w *Case) {
	source := w.elsewhere()
	for _, deering := range []bool{false, true} {
		if deering && w.Family() == wsa.AF_INET6 {
			continue // which has no such form
		}
		s := w.C.UDP()
		for _, o := range c.before {
			w.Want(o.name, o.set(w.C, s, w.group(1), source, deering), 0)
		}
		w.Want(c.then.name, c.then.set(w.C, s, w.group(1), source, deering), c.want)
		if len(c.before) > 0 {
			w.Want(c.before[0].name+" of another group", c.before[0].set(w.C, s, w.group(2), source, deering), 0)
		}
		w.Want("close", w.C.WSPCloseSocket(s), 0)
	}
}

// 7.4 what is no pair of operations.
var _ = add(
	Row{Section: "7.4", Name: "DROP_SOURCE, DROP_SOURCE (not in list): WSAEADDRNOTAVAIL", Needs: NeedsMulticast, Run: func(w *Case) {
		s, one, two := w.C.UDP(), w.elsewhere(), w.elsewhere().Next()
		for _, source := range []netip.Addr{one, two} {
			w.C.joins(addSource, s, w.group(1), source)
		}
		w.C.joins(dropSource, s, w.group(1), one)
		w.Want("again", dropSource.set(w.C, s, w.group(1), one, false), wsa.EADDRNOTAVAIL)
		w.C.joins(dropSource, s, w.group(1), two)
	}},
	Row{Section: "7.4", Name: "an operation that failed has changed nothing", Needs: NeedsMulticast, Run: func(w *Case) {
		s := w.C.UDP()
		w.C.joins(addGroup, s, w.group(1), netip.Addr{})
		w.Want("twice", addGroup.set(w.C, s, w.group(1), netip.Addr{}, false), wsa.EADDRNOTAVAIL)
		w.C.joins(dropGroup, s, w.group(1), netip.Addr{})
		w.Want("dropped", dropGroup.set(w.C, s, w.group(1), netip.Addr{}, false), wsa.EINVAL)
	}},
	Row{Section: "7.4", Name: "what is no group, no source, no interface: WSAEADDRNOTAVAIL", Needs: NeedsMulticast, Run: func(w *Case) {
		s := w.C.UDP()
		w.Want("a host for a group", addGroup.set(w.C, s, w.elsewhere(), netip.Addr{}, false), wsa.EADDRNOTAVAIL)
		w.Want("a group for a source", addSource.set(w.C, s, w.group(1), w.group(2), false), wsa.EADDRNOTAVAIL)
		in := append([]byte{0, 0, 200, 0, 0, 0, 0, 0}, storage(w.group(1))...)
		w.Want("an interface that is not there", w.C.WSPSetSockOpt(s, w.level(), wsa.MCAST_JOIN_GROUP, in), wsa.EADDRNOTAVAIL)
	}},
	Row{Section: "7.4", Name: "short values: WSAEFAULT", Needs: NeedsMulticast, Run: func(w *Case) {
		s, in := w.C.UDP(), append(make([]byte, 8), storage(w.group(1))...)
		w.Want("a byte less", w.C.WSPSetSockOpt(s, w.level(), wsa.MCAST_JOIN_GROUP, in[:len(in)-1]), wsa.EFAULT)
		w.Want("nothing", w.C.WSPSetSockOpt(s, w.level(), wsa.MCAST_JOIN_GROUP, nil), wsa.EFAULT)
	}},
	Row{Section: "7.4", Name: "on a stream: WSAENOPROTOOPT", Needs: NeedsMulticast, Run: func(w *Case) {
		w.Want("join", addGroup.set(w.C, w.C.TCP(), w.group(1), netip.Addr{}, false), wsa.ENOPROTOOPT)
	}},
	Row{Section: "7.4", Name: "IP_MULTICAST_LOOP filters on the receiving socket: OFF→ON delivered, ON→OFF not", Needs: NeedsMulticast | NeedsGroups, Run: func(w *Case) {
		on, port := w.C.receiver(0, 0)
		off, _ := w.C.receiver(port, 0)
		c := w.C.UDP()
		w.Want("loop off", w.C.SetOption(off, w.level(), wsa.IP_MULTICAST_LOOP, 0), 0)
		w.C.joins(addGroup, on, w.group(1), netip.Addr{})
		w.C.joins(addGroup, off, w.group(1), netip.Addr{})
		for v, text := range []string{"sent with it off", "sent with it on"} {
			w.Want("loop", w.C.SetOption(c, w.level(), wsa.IP_MULTICAST_LOOP, v), 0)
			w.says(c, w.group(1), port, text)
			w.C.hears(on, text)
		}
		w.Want("loop on", w.C.SetOption(off, w.level(), wsa.IP_MULTICAST_LOOP, 1), 0)
		w.says(c, w.group(1), port, "on again")
		w.C.hears(off, "on again") // and nothing before it
	}},
)
