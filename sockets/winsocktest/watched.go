package winsocktest

import (
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// watched is the pair's base, which tells of the entries that it is shown.
type watched struct {
	provider.Base
	startup func(*provider.ProtocolInfo)
	shown   func(function string, p *provider.ProtocolInfo) // by the other four functions of 5.4
}

// Startup implements provider.Base.
func (b *watched) Startup(r *provider.StartupRequest) (provider.ProcTable, wsa.Errno) {
	if b.startup != nil {
		b.startup(r.Info)
	}
	t, e := b.Base.Startup(r)
	if b.shown != nil && e == 0 {
		showing(&t, b.shown)
	}
	return t, e
}

// showing has the functions of 5.4 tell of the entries that go in, and
// WSPDuplicateSocket of the one that comes out.
func showing(t *provider.ProcTable, shown func(string, *provider.ProtocolInfo)) {
	n := *t
	t.WSPSocket = func(r *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
		shown("WSPSocket", r.Info)
		return n.WSPSocket(r)
	}
	t.WSPAddressToString = func(a provider.Addr, p *provider.ProtocolInfo) (string, wsa.Errno) {
		shown("WSPAddressToString", p)
		return n.WSPAddressToString(a, p)
	}
	t.WSPStringToAddress = func(text string, af int32, p *provider.ProtocolInfo) (provider.Addr, wsa.Errno) {
		shown("WSPStringToAddress", p)
		return n.WSPStringToAddress(text, af, p)
	}
	t.WSPDuplicateSocket = func(s *provider.Socket, process uint32) (*provider.ProtocolInfo, wsa.Errno) {
		p, e := n.WSPDuplicateSocket(s, process)
		if e == 0 {
			shown("WSPDuplicateSocket", p)
		}
		return p, e
	}
}

// entries is what watched told, by function. Safe for concurrent use.
type entries struct {
	mu   sync.Mutex
	seen map[string][]*provider.ProtocolInfo
}

func (e *entries) shown(function string, p *provider.ProtocolInfo) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.seen == nil {
		e.seen = make(map[string][]*provider.ProtocolInfo)
	}
	e.seen[function] = append(e.seen[function], p)
}

func (e *entries) of(function string) []*provider.ProtocolInfo {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seen[function]
}
