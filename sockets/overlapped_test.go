package sockets_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/socketstest"
	"github.com/netnsd/netnsd/sockets/winsocktest"
)

// TestNoAllocationsWinsock: an operation of the Winsock face allocates nothing,
// be it synchronous, overlapped and complete at once, or pending and recorded.
func TestNoAllocationsWinsock(t *testing.T) {
	for _, n := range []int{0, 1, 3, 6} {
		t.Run(fmt.Sprintf("%d layers", n), func(t *testing.T) {
			var waits atomic.Bool // the next receive pends, and is woken by wake
			s := start(t, &script{table: provider.ProcTable{
				WSPRecv: func(k *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
					if waits.CompareAndSwap(true, false) {
						return 0, wsa.EWOULDBLOCK
					}
					return m.Len(), 0
				},
			}}, socketstest.PassThrough(n)...)
			table := s.ProcTable()
			h, e := table.WSPSocket(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, wsa.WSA_FLAG_OVERLAPPED)
			if e != 0 {
				t.Fatal(e)
			}
			if e := table.WSPConnect(h, winsocktest.Name(peer.Addr(), 9), nil, nil, nil, nil); e != 0 {
				t.Fatal(e)
			}
			k, e := s.Lookup(h)
			if e != 0 {
				t.Fatal(e)
			}
			port := sockets.CreateCompletionPort(0)
			defer port.Close()
			if e := s.Associate(h, port, 1); e != 0 {
				t.Fatal(e)
			}
			var o sockets.Overlapped
			var count uint32
			var flags wsa.MsgFlags
			one, three := [][]byte{make([]byte, 1024)}, [][]byte{make([]byte, 10), make([]byte, 20), make([]byte, 30)}
			record := func(e wsa.Errno) wsa.Errno {
				if e != 0 && e != wsa.IO_PENDING {
					return e
				}
				r, e := port.Get(-1)
				return max(r.Errno, e)
			}
			for name, f := range map[string]func() wsa.Errno{
				"WSPRecv":             func() wsa.Errno { return table.WSPRecv(h, one, &count, &flags, nil, nil, nil) },
				"WSPRecv, 3 buffers":  func() wsa.Errno { return table.WSPRecv(h, three, &count, &flags, nil, nil, nil) },
				"WSPSend":             func() wsa.Errno { return table.WSPSend(h, one, &count, 0, nil, nil, nil) },
				"WSPRecv, overlapped": func() wsa.Errno { return record(table.WSPRecv(h, one, &count, &flags, &o, nil, nil)) },
				"WSPSend, 3 buffers":  func() wsa.Errno { return table.WSPSend(h, three, &count, 0, nil, nil, nil) },
				"WSPSend, overlapped": func() wsa.Errno { return record(table.WSPSend(h, three, &count, 0, &o, nil, nil)) },
				"WSPRecv, pending": func() wsa.Errno {
					waits.Store(true)
					e := table.WSPRecv(h, one, &count, &flags, &o, nil, nil)
					k.Wake(wsa.FD_READ)
					return record(e)
				},
			} {
				var e wsa.Errno
				if n := testing.AllocsPerRun(100, func() { e = f() }); n != 0 || e != 0 {
					t.Errorf("%s: %v allocations, %v", name, n, e)
				}
			}
		})
	}
}
