package winsocktest

import (
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

var _ = add(
	Row{Section: "12.4", Name: "an unbound UDP socket is in writefds", Run: func(w *Case) {
		set := sockets.FDSet{w.C.UDP()}
		n, e := w.C.WSPSelect(0, nil, &set, nil, new(time.Duration))
		w.Want("WSPSelect", e, 0)
		if n != 1 || len(set) != 1 {
			w.Errorf("%d sockets: %v", n, set)
		}
	}},
	Row{Section: "12.9", Name: "three empty sets: WSAEINVAL", Run: func(w *Case) {
		_, e := w.C.WSPSelect(0, nil, nil, nil, new(time.Duration))
		w.Want("WSPSelect", e, wsa.EINVAL)
	}},
	Row{Section: "3.17", Name: "QoS templates", Dropped: "spi-notes 4: QoS and groups"},
)
