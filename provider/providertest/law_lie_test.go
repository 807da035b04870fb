package providertest_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// liar replaces data entries, and says of 4 bytes what it likes.
func liar(n int, e wsa.Errno) layerFunc {
	lie := func(*provider.Socket, *provider.Msg) (int, wsa.Errno) { return n, e }
	return func(_ *provider.StartupRequest, _ *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
		return provider.ProcTable{WSPRecv: lie, WSPRecvFrom: lie, WSPSend: lie, WSPSendTo: lie}, 0
	}
}

// What a data entry says it has moved is caught at the guard if it cannot be (law 6): the
// socket is failed, as nobody knows what has become of the bytes, and no caller is given a
// length that its buffer does not have.
func TestLaw14Lies(t *testing.T) {
	for _, c := range []struct {
		name       string
		n          int
		e          wsa.Errno
		send, recv bool // is a lie
	}{
		{"all", 4, 0, false, false},
		{"none", 0, 0, false, false},
		{"none and an error", 0, wsa.EWOULDBLOCK, false, false},
		{"more than there is room for", 5, 0, true, true},
		{"fewer than none", -1, 0, true, true},
		{"fewer than none, and an error", -1, wsa.ENOBUFS, true, true},
		{"some, and an error", 2, wsa.ECONNRESET, true, true},
		{"some, and later", 2, wsa.EWOULDBLOCK, true, true},
		{"a truncated datagram", 4, wsa.EMSGSIZE, true, false},
		{"a truncated datagram of more than there is room for", 5, wsa.EMSGSIZE, true, true},
	} {
		rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_UDP, liar(c.n, c.e))
		tab := &rig.Chain.Table
		for op, call := range map[string]func(*provider.Socket, *provider.Msg) (int, wsa.Errno){
			"WSPSend": tab.WSPSend, "WSPSendTo": tab.WSPSendTo, "WSPRecv": tab.WSPRecv, "WSPRecvFrom": tab.WSPRecvFrom,
		} {
			t.Run(c.name+"/"+op, func(t *testing.T) {
				lies := c.send
				if op == "WSPRecv" || op == "WSPRecvFrom" {
					lies = c.recv
				}
				s, before := rig.Socket(t), len(rig.Host.Reports())
				defer tab.WSPCloseSocket(s, provider.CloseAbort)
				n, e := call(s, &provider.Msg{Buffers: [][]byte{make([]byte, 1), make([]byte, 3)}})
				got := rig.Host.Reports()[before:]
				if !lies {
					if n != c.n || e != c.e || len(got) != 0 || s.Failed() != 0 {
						t.Errorf("%d, %v, reported %v", n, e, got)
					}
					return
				}
				if n != 0 || e != wsa.ECONNABORTED || s.Failed() != wsa.ECONNABORTED {
					t.Errorf("%d, %v; the socket is failed: %v", n, e, s.Failed())
				}
				if len(got) != 1 || got[0].Kind != provider.Lied || got[0].Op != op || got[0].Layer != "layer0" || got[0].Socket != s {
					t.Errorf("reported %v", got)
				}
			})
		}
	}
}

// The same of entries that move no bytes: what the caller would stumble over.
func TestLaw14LiesOfOthers(t *testing.T) {
	type T = provider.ProcTable
	for op, c := range map[string]struct {
		table T
		call  func(*T, *provider.Socket, *provider.SocketRequest) (ok bool)
	}{
		"WSPSocket": {T{WSPSocket: func(*provider.SocketRequest) (*provider.Socket, wsa.Errno) { return nil, 0 }},
			func(t *T, _ *provider.Socket, r *provider.SocketRequest) bool {
				_, e := t.WSPSocket(r)
				return e == wsa.SYSCALLFAILURE
			}},
		"WSPAccept": {T{WSPAccept: func(*provider.Socket, *provider.AcceptRequest) (*provider.Socket, wsa.Errno) { return nil, 0 }},
			func(t *T, s *provider.Socket, _ *provider.SocketRequest) bool {
				_, e := t.WSPAccept(s, &provider.AcceptRequest{})
				return e == wsa.ECONNABORTED
			}},
		"WSPJoinLeaf": {T{WSPJoinLeaf: func(*provider.Socket, *provider.JoinRequest) (*provider.Socket, wsa.Errno) { return nil, 0 }},
			func(t *T, s *provider.Socket, _ *provider.SocketRequest) bool {
				_, e := t.WSPJoinLeaf(s, &provider.JoinRequest{})
				return e == wsa.ECONNABORTED
			}},
		"WSPDuplicateSocket": {T{WSPDuplicateSocket: func(*provider.Socket, uint32) (*provider.ProtocolInfo, wsa.Errno) { return nil, 0 }},
			func(t *T, s *provider.Socket, _ *provider.SocketRequest) bool {
				_, e := t.WSPDuplicateSocket(s, 1)
				return e == wsa.ECONNABORTED
			}},
		"WSPGetSockOpt": {T{WSPGetSockOpt: func(*provider.Socket, int32, int32, []byte) (int, wsa.Errno) { return 5, 0 }},
			func(t *T, s *provider.Socket, _ *provider.SocketRequest) bool {
				n, e := t.WSPGetSockOpt(s, wsa.SOL_SOCKET, wsa.SO_RCVBUF, make([]byte, 4))
				return n == 0 && e == wsa.ECONNABORTED
			}},
		"WSPIoctl": {T{WSPIoctl: func(*provider.Socket, *provider.IoctlRequest) (int, wsa.Errno) { return 5, 0 }},
			func(t *T, s *provider.Socket, _ *provider.SocketRequest) bool {
				n, e := t.WSPIoctl(s, &provider.IoctlRequest{Code: wsa.FIONREAD, Out: make([]byte, 4)})
				return n == 0 && e == wsa.ECONNABORTED
			}},
		"Ready": {T{Ready: func(*provider.Socket, wsa.Events) provider.Readiness { return provider.Readiness{Queued: -1} }},
			func(t *T, s *provider.Socket, _ *provider.SocketRequest) bool {
				r := t.Ready(s, wsa.FD_CLOSE)
				return r.Queued == 0 && r.Close == wsa.ECONNABORTED
			}},
	} {
		t.Run(op, func(t *testing.T) {
			rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, layerFunc(func(_ *provider.StartupRequest, next *T) (T, wsa.Errno) {
				if op == "Ready" {
					c.table.Watch = next.Watch
				}
				return c.table, 0
			}))
			s := new(provider.Socket)
			if op != "WSPSocket" {
				s = rig.Socket(t)
				defer rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
			}
			if !c.call(&rig.Chain.Table, s, rig.Request()) {
				t.Error("the lie was handed on")
			}
			if got := rig.Host.Reports(); len(got) != 1 || got[0].Kind != provider.Lied || got[0].Op != op || got[0].Layer != "layer0" {
				t.Errorf("reported %v", got)
			}
		})
	}
}
