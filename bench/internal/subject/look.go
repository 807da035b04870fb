//go:build linux

package subject

import (
	"sync/atomic"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Look is a layer that looks at data: it stands in every data entry and counts
// the bytes of each direction, which needs no more than the result of the call
// below.
type Look struct{}

// Startup implements provider.Layer.
func (Look) Startup(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	n := new(struct{ in, out atomic.Uint64 })
	count := func(sum *atomic.Uint64, f func(*provider.Socket, *provider.Msg) (int, wsa.Errno)) func(*provider.Socket, *provider.Msg) (int, wsa.Errno) {
		return func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
			k, e := f(s, m)
			sum.Add(uint64(k))
			return k, e
		}
	}
	return provider.ProcTable{
		WSPSend: count(&n.out, next.WSPSend), WSPSendTo: count(&n.out, next.WSPSendTo),
		WSPRecv: count(&n.in, next.WSPRecv), WSPRecvFrom: count(&n.in, next.WSPRecvFrom),
	}, 0
}
