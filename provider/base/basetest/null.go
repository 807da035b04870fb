package basetest

import (
	"sync/atomic"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Null is a driver whose endpoints succeed at once: a connect is established, a
// send takes all, a receive fills all buffers (without touching them). What
// remains is the cost of the storeys above. The zero value is ready.
type Null struct{}

// Protocols are [Rows].
func (Null) Protocols() []base.Protocol { return Rows() }

// Open never fails.
func (Null) Open(int32, int32, int32) (base.Endpoint, wsa.Errno) { return new(nullEndpoint), 0 }

type nullEndpoint struct {
	phase       atomic.Uint32
	local, peer provider.Addr
}

func (e *nullEndpoint) Watch(func(wsa.Events))             {}
func (e *nullEndpoint) Bind(a provider.Addr) wsa.Errno     { e.local = a; return 0 }
func (e *nullEndpoint) Disconnect() wsa.Errno              { e.phase.Store(uint32(base.Idle)); return 0 }
func (e *nullEndpoint) Shutdown() wsa.Errno                { return 0 }
func (e *nullEndpoint) Close(bool)                         {}
func (e *nullEndpoint) LocalAddr() (provider.Addr, bool)   { return e.local, e.local.Family != 0 }
func (e *nullEndpoint) PeerAddr() (provider.Addr, bool)    { return e.peer, e.peer.Family != 0 }
func (e *nullEndpoint) Accept() (base.Endpoint, wsa.Errno) { return nil, wsa.EWOULDBLOCK }
func (e *nullEndpoint) Queued() int                        { return 0 }

func (e *nullEndpoint) Connect(a provider.Addr) wsa.Errno {
	e.peer = a
	e.phase.Store(uint32(base.Connected))
	return 0
}

func (e *nullEndpoint) Listen(int) wsa.Errno {
	e.phase.Store(uint32(base.Listening))
	return 0
}

func (e *nullEndpoint) Send(m *provider.Msg) (int, wsa.Errno) { return m.Len(), 0 }

func (e *nullEndpoint) Recv(m *provider.Msg) (int, wsa.Errno) {
	m.Addr = e.peer
	return m.Len(), 0
}

func (e *nullEndpoint) State() base.State {
	return base.State{Phase: base.Phase(e.phase.Load()), Readable: true, Writable: true, Drained: true}
}

func (e *nullEndpoint) SetOption(int32, int32, int) wsa.Errno { return 0 }

func (e *nullEndpoint) Option(int32, int32) (int, wsa.Errno) { return 0, wsa.ENOPROTOOPT }
