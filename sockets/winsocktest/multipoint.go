package winsocktest

import (
	"fmt"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

const (
	cRoot, cLeaf = wsa.WSA_FLAG_MULTIPOINT_C_ROOT, wsa.WSA_FLAG_MULTIPOINT_C_LEAF
	dRoot, dLeaf = wsa.WSA_FLAG_MULTIPOINT_D_ROOT, wsa.WSA_FLAG_MULTIPOINT_D_LEAF
	leafFlags    = cLeaf | dLeaf
)

// plane is a column of the table of 7.2: an entry's service flags, and what of them a
// base is to be asked for, if its entries are such.
type plane struct {
	name    string
	service uint32
	typ     int32 // of a socket of that kind; 0: there is none, the rule alone is asked
}

var planes = []plane{
	{"S=0", 0, wsa.SOCK_STREAM},
	{"S=1, C=0, D=0 (IP)", wsa.XP1_SUPPORT_MULTIPOINT, wsa.SOCK_DGRAM},
	{"S, C=1, D=0", wsa.XP1_SUPPORT_MULTIPOINT | wsa.XP1_MULTIPOINT_CONTROL_PLANE, 0},
	{"S, C=0, D=1", wsa.XP1_SUPPORT_MULTIPOINT | wsa.XP1_MULTIPOINT_DATA_PLANE, 0},
	{"S, C=1, D=1", wsa.XP1_SUPPORT_MULTIPOINT | wsa.XP1_MULTIPOINT_CONTROL_PLANE | wsa.XP1_MULTIPOINT_DATA_PLANE, 0},
}

// validity are the rows of 7.2: flags, and the planes by index where they are legal.
var validity = []struct {
	name  string
	flags []uint32
	ok    [5]bool
}{
	{"none", []uint32{0}, [5]bool{true, true, true, true, true}},
	{"only C_* or only D_*", []uint32{cRoot, cLeaf, dRoot, dLeaf}, [5]bool{}},
	{"both C_ROOT and C_LEAF, or both D_*", []uint32{cRoot | cLeaf | dLeaf, cRoot | cLeaf, cLeaf | dRoot | dLeaf, dRoot | dLeaf, cRoot | cLeaf | dRoot | dLeaf}, [5]bool{}},
	{"C_LEAF+D_LEAF", []uint32{leafFlags}, [5]bool{false, true, true, true, true}},
	{"C_ROOT+D_LEAF", []uint32{cRoot | dLeaf}, [5]bool{false, false, true, false, true}},
	{"C_LEAF+D_ROOT", []uint32{cLeaf | dRoot}, [5]bool{false, false, false, true, true}},
	{"C_ROOT+D_ROOT", []uint32{cRoot | dRoot}, [5]bool{false, false, false, false, true}},
}

var _ = addValidity()

func addValidity() struct{} {
	for _, r := range validity {
		for n, p := range planes {
			needs, want := Needs(0), wsa.EINVAL
			if p.typ == wsa.SOCK_DGRAM {
				needs = NeedsMulticast
			}
			if r.ok[n] {
				want = 0
			}
			add(Row{Section: "7.2", Name: fmt.Sprintf("%s, %s: %s", p.name, r.name, name(want)), Needs: needs, Run: func(w *Case) {
				for _, flags := range r.flags {
					p.run(w, flags, want)
				}
			}})
		}
	}
	return struct{}{}
}

func (p plane) run(w *Case, flags uint32, want wsa.Errno) {
	w.Want("the rule", base.MultipointFlags(p.service, flags), want)
	if p.typ == 0 {
		return // planes with a root are in no base: spi-notes 4
	}
	s, e := w.C.WSPSocket(w.Family(), p.typ, 0, nil, 0, flags|wsa.WSA_FLAG_OVERLAPPED)
	w.Want("WSPSocket", e, want)
	if e != 0 {
		equal(w, "socket", s, sockets.INVALID_SOCKET)
		return
	}
	w.Want("close", w.C.WSPCloseSocket(s), 0)
}

// 7.1 the planes; roots.
var _ = add(
	Row{Section: "7.1", Name: "control and data planes: IP multicast is non-rooted in both", Needs: NeedsMulticast, Run: func(w *Case) {
		udp := w.install().own(wsa.SOCK_DGRAM)
		const planes = wsa.XP1_SUPPORT_MULTIPOINT | wsa.XP1_MULTIPOINT_CONTROL_PLANE | wsa.XP1_MULTIPOINT_DATA_PLANE
		equal(w, "planes", udp.ServiceFlags1&planes, wsa.XP1_SUPPORT_MULTIPOINT)
	}},
	Row{Section: "7.1", Name: "rooted planes: ATM, ST-II, T.120", Dropped: "spi-notes 4: rooted multipoint beyond the flag-validity table"},
	Row{Section: "7.3", Name: "s is c_root: a new c_leaf for each leaf", Dropped: "spi-notes 4: rooted multipoint beyond the flag-validity table"},
	Row{Section: "7.3", Name: "root duties: FD_CLOSE to all c_leafs, listen on a c_root and a c_leaf", Dropped: "spi-notes 4: rooted multipoint beyond the flag-validity table"},
	Row{Section: "7.3", Name: "WSAEALREADY, WSAEINTR, WSAECONNREFUSED, WSAETIMEDOUT, WSAENETUNREACH: a join that is under way", Dropped: "spi-notes 4: rooted multipoint beyond the flag-validity table; a group is joined at once"},
)
