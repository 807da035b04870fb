package winsocktest

import (
	"encoding/binary"
	"fmt"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// binding is how a socket is bound: with which option set, and to the wildcard or
// a specific address.
type binding struct {
	mode     string // default, REUSE, EXCL
	wildcard bool
}

func (b binding) String() string {
	if b.wildcard {
		return b.mode + " W"
	}
	return b.mode + " S"
}

var bindings = []binding{{"default", true}, {"default", false}, {"REUSE", true}, {"REUSE", false}, {"EXCL", true}, {"EXCL", false}}

// matrix is the table of winsock-spi 9.5, rows the first bind, columns the second.
var matrix = [6][6]wsa.Errno{
	{wsa.EADDRINUSE, 0, wsa.EACCES, 0, wsa.EADDRINUSE, 0},
	{0, wsa.EADDRINUSE, 0, wsa.EACCES, wsa.EADDRINUSE, wsa.EADDRINUSE},
	{wsa.EADDRINUSE, 0, 0, 0, wsa.EADDRINUSE, 0},
	{0, wsa.EADDRINUSE, 0, 0, wsa.EADDRINUSE, wsa.EADDRINUSE},
	{wsa.EADDRINUSE, wsa.EACCES, wsa.EACCES, wsa.EACCES, wsa.EADDRINUSE, wsa.EACCES},
	{0, wsa.EADDRINUSE, 0, wsa.EACCES, wsa.EADDRINUSE, wsa.EADDRINUSE},
}

var _ = addBindings()

func addBindings() struct{} {
	for i, first := range bindings {
		for j, second := range bindings {
			want := matrix[i][j]
			add(Row{
				Section: "9.5", Name: fmt.Sprintf("%v, then %v: %s", first, second, name(want)), Needs: NeedsWindowsBind,
				Run: func(w *Case) { w.bindBoth(first, second, want) },
			})
		}
	}
	return add(Row{Section: "9.5", Name: "the columns of another user", Dropped: "spi-notes 4: a session has one user"})
}

func (w *Case) bindBoth(first, second binding, want wsa.Errno) {
	for kind, open := range map[string]func() sockets.SOCKET{"stream": w.C.TCP, "datagram": w.C.UDP} {
		a, b := open(), open()
		w.prepare(a, first)
		w.prepare(b, second)
		w.Want(kind+", the first bind", w.C.WSPBind(a, w.nameFor(first, 0)), 0)
		port := binary.BigEndian.Uint16(w.C.SockName(a)[2:])
		w.Want(kind+", the second bind", w.C.WSPBind(b, w.nameFor(second, port)), want)
	}
}

func (w *Case) prepare(s sockets.SOCKET, b binding) {
	switch b.mode {
	case "REUSE":
		w.Want("SO_REUSEADDR", w.C.SetOption(s, sol, wsa.SO_REUSEADDR, 1), 0)
	case "EXCL":
		w.Want("SO_EXCLUSIVEADDRUSE", w.C.SetOption(s, sol, wsa.SO_EXCLUSIVEADDRUSE, 1), 0)
	}
}

func (w *Case) nameFor(b binding, port uint16) []byte {
	if b.wildcard {
		return Name(provider.Any(w.Family(), 0).Addr(), port)
	}
	return Name(w.C.Host, port)
}
