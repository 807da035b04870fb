package basetest

import (
	"fmt"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// The methods of base.Endpoint, each recorded and scripted.

// Watch keeps the wake function.
func (e *Endpoint) Watch(wake func(wsa.Events)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.watched {
		e.misuse = append(e.misuse, "Watch twice")
	}
	e.watched, e.wake = true, wake
}

// Bind succeeds and keeps the address; port 0 becomes 49152.
func (e *Endpoint) Bind(a provider.Addr) wsa.Errno {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, _ := e.next(Call{Method: "Bind", Addr: a})
	if r.Errno == 0 {
		e.local = a
		if a.Port() == 0 {
			e.local = provider.AddrFrom(portOf(a, 49152))
		}
	}
	return r.Errno
}

// Connect starts (stream) or succeeds (datagram).
func (e *Endpoint) Connect(a provider.Addr) wsa.Errno {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, scripted := e.next(Call{Method: "Connect", Addr: a})
	if scripted && r.Errno != wsa.EWOULDBLOCK {
		return r.Errno
	}
	e.stateMu.Lock()
	defer e.stateMu.Unlock()
	if e.Type != wsa.SOCK_STREAM {
		e.state.Phase = base.Connected
		return r.Errno
	}
	e.state.Phase = base.Connecting
	return wsa.EWOULDBLOCK
}

// Disconnect succeeds.
func (e *Endpoint) Disconnect() wsa.Errno {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, _ := e.next(Call{Method: "Disconnect"})
	return r.Errno
}

// Listen succeeds.
func (e *Endpoint) Listen(backlog int) wsa.Errno {
	e.mu.Lock()
	defer e.mu.Unlock()
	if backlog < 1 {
		e.misuse = append(e.misuse, fmt.Sprintf("Listen(%d)", backlog))
	}
	r, _ := e.next(Call{Method: "Listen", Value: backlog})
	return r.Errno
}

// Accept is EWOULDBLOCK unless scripted.
func (e *Endpoint) Accept() (base.Endpoint, wsa.Errno) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, _ := e.next(Call{Method: "Accept"})
	switch {
	case r.Endpoint != nil:
		return r.Endpoint, 0
	case r.Errno != 0:
		return nil, r.Errno
	}
	return nil, wsa.EWOULDBLOCK
}

// Send takes everything, unless scripted or dead.
func (e *Endpoint) Send(m *provider.Msg) (int, wsa.Errno) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var data []byte
	for _, b := range m.Buffers {
		data = append(data, b...)
	}
	r, scripted := e.next(Call{Method: "Send", Addr: m.Addr, Flags: m.Flags, Data: data})
	if st := e.State(); !scripted && st.Phase == base.Dead {
		return 0, st.Err
	}
	if !scripted {
		return len(data), 0
	}
	if r.Errno != 0 && r.Addr.Family != 0 {
		m.Addr = r.Addr
	}
	return r.N, r.Errno
}

// Recv is EWOULDBLOCK unless scripted or dead.
func (e *Endpoint) Recv(m *provider.Msg) (int, wsa.Errno) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, scripted := e.next(Call{Method: "Recv", Flags: m.Flags})
	if st := e.State(); !scripted && st.Phase == base.Dead {
		return 0, st.Err
	}
	if !scripted {
		return 0, wsa.EWOULDBLOCK
	}
	m.Addr = r.Addr
	tell(m.Control, r)
	if r.Data == nil {
		return r.N, r.Errno
	}
	n := scatter(m.Buffers, r.Data)
	if n < len(r.Data) && e.Type != wsa.SOCK_STREAM {
		return n, wsa.EMSGSIZE
	}
	return n, r.Errno
}

// Shutdown succeeds; it must come once, and only on a stream.
func (e *Endpoint) Shutdown() wsa.Errno {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.shut || e.Type != wsa.SOCK_STREAM {
		e.misuse = append(e.misuse, "Shutdown twice or on a datagram endpoint")
	}
	r, _ := e.next(Call{Method: "Shutdown"})
	e.shut = e.shut || r.Errno == 0
	return r.Errno
}

// Close ends the endpoint; no wake runs afterwards.
func (e *Endpoint) Close(abort bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.next(Call{Method: "Close", Abort: abort})
	e.closed, e.wake = true, nil
}

// LocalAddr is what SetNames or Bind said.
func (e *Endpoint) LocalAddr() (provider.Addr, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.local, e.local.Family != 0
}

// PeerAddr is what SetNames said.
func (e *Endpoint) PeerAddr() (provider.Addr, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.peer, e.peer.Family != 0
}

// State is what Set said.
func (e *Endpoint) State() base.State {
	e.stateMu.Lock()
	defer e.stateMu.Unlock()
	return e.state
}

// SoftError is what Soft said.
func (e *Endpoint) SoftError() wsa.Errno {
	e.stateMu.Lock()
	defer e.stateMu.Unlock()
	return e.soft
}

// Queued is what SetQueued said.
func (e *Endpoint) Queued() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.queued
}

// SetOption keeps the value, unless Lacks was told of the option.
func (e *Endpoint) SetOption(level, name int32, value int) wsa.Errno {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, _ := e.next(Call{Method: "SetOption", Level: level, Name: name, Value: value})
	if e.absent[[2]int32{level, name}] {
		return wsa.ENOPROTOOPT
	}
	if r.Errno == 0 {
		e.options[[2]int32{level, name}] = value
	}
	return r.Errno
}

// Option is what SetOption kept.
func (e *Endpoint) Option(level, name int32) (int, wsa.Errno) {
	e.mu.Lock()
	defer e.mu.Unlock()
	v, ok := e.options[[2]int32{level, name}]
	if !ok || e.absent[[2]int32{level, name}] {
		return 0, wsa.ENOPROTOOPT
	}
	return v, 0
}
