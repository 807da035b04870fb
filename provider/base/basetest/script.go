package basetest

import (
	"fmt"
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Script is a driver whose endpoints do what a test says. Without a script a
// call succeeds as it would on a quiet network: sends take everything, receives
// and accepts are EWOULDBLOCK, a stream's connect starts and stays Connecting;
// on an endpoint set Dead, sends and receives give State.Err.
type Script struct {
	rows []base.Protocol

	mu     sync.Mutex
	opened []*Endpoint
	fail   []wsa.Errno
	onOpen func(*Endpoint)
}

// NewScript makes a driver that serves rows; none means [Rows].
func NewScript(rows ...base.Protocol) *Script {
	if len(rows) == 0 {
		rows = Rows()
	}
	return &Script{rows: rows}
}

// FailOpen makes the next calls of Open fail, one by one; 0 lets one through.
func (d *Script) FailOpen(codes ...wsa.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = append(d.fail, codes...)
}

// OnOpen has f called with each endpoint before it is given to base.
func (d *Script) OnOpen(f func(*Endpoint)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.onOpen = f
}

// Protocols are the rows given to NewScript.
func (d *Script) Protocols() []base.Protocol { return d.rows }

// Open makes an Endpoint or fails as told.
func (d *Script) Open(af, typ, protocol int32) (base.Endpoint, wsa.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.fail) > 0 {
		e := d.fail[0]
		d.fail = d.fail[1:]
		if e != 0 {
			return nil, e
		}
	}
	ep := NewEndpoint(af, typ, protocol)
	d.opened = append(d.opened, ep)
	if d.onOpen != nil {
		d.onOpen(ep)
	}
	return ep, 0
}

// Opened are all endpoints that Open made, in order.
func (d *Script) Opened() []*Endpoint {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]*Endpoint(nil), d.opened...)
}

// Last is the endpoint opened last, nil if there is none.
func (d *Script) Last() *Endpoint {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.opened) == 0 {
		return nil
	}
	return d.opened[len(d.opened)-1]
}

// Call is one call of an Endpoint's method; fields that it does not have are zero.
type Call struct {
	Method      string
	Addr        provider.Addr // Bind, Connect, Send
	Level, Name int32         // SetOption
	Value       int           // SetOption, the backlog of Listen
	Flags       wsa.MsgFlags  // Send, Recv
	Data        []byte        // Send: a copy
	Abort       bool          // Close
}

// Result is one scripted answer.
type Result struct {
	Errno    wsa.Errno
	N        int           // Send, Recv; with Data it is ignored
	Data     []byte        // Recv: what arrives
	Addr     provider.Addr // Recv: its source; of a soft error, what drew it
	Endpoint *Endpoint     // Accept
}

// Endpoint is a scripted base.Endpoint.
type Endpoint struct {
	Family, Type, Protocol int32

	stateMu sync.Mutex // never held while a wake runs
	state   base.State
	soft    wsa.Errno

	mu      sync.Mutex // held while a wake runs
	wake    func(wsa.Events)
	watched bool
	closed  bool
	shut    bool
	script  map[string][]Result
	calls   []Call
	misuse  []string
	local   provider.Addr
	peer    provider.Addr
	queued  int
	options map[[2]int32]int
	absent  map[[2]int32]bool
}

// NewEndpoint makes an endpoint by hand, for a scripted Accept.
func NewEndpoint(af, typ, protocol int32) *Endpoint {
	e := &Endpoint{Family: af, Type: typ, Protocol: protocol}
	e.script, e.options, e.absent = make(map[string][]Result), make(map[[2]int32]int), make(map[[2]int32]bool)
	e.state.Writable = typ != wsa.SOCK_STREAM
	return e
}

// On appends answers to the named method's script ("Bind", "Recv" …).
func (e *Endpoint) On(method string, results ...Result) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.script[method] = append(e.script[method], results...)
}

// Set changes the raw state and wakes nobody.
func (e *Endpoint) Set(s base.State) {
	e.stateMu.Lock()
	defer e.stateMu.Unlock()
	e.state = s
}

// Become is Set, and wakes with hint, the endpoint's lock held.
func (e *Endpoint) Become(s base.State, hint wsa.Events) {
	e.Set(s)
	e.Wake(hint)
}

// Wake calls the wake function, the endpoint's lock held.
func (e *Endpoint) Wake(hint wsa.Events) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.wake != nil && !e.closed {
		e.wake(hint)
	}
}

// Soft sets what SoftError names; State.Soft is for Set.
func (e *Endpoint) Soft(code wsa.Errno) {
	e.stateMu.Lock()
	defer e.stateMu.Unlock()
	e.soft = code
}

// SetQueued is what Queued answers.
func (e *Endpoint) SetQueued(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queued = n
}

// SetNames is what LocalAddr and PeerAddr answer; no family is "not known".
func (e *Endpoint) SetNames(local, peer provider.Addr) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.local, e.peer = local, peer
}

// Lacks makes SetOption and Option answer ENOPROTOOPT for an option.
func (e *Endpoint) Lacks(level, name int32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.absent[[2]int32{level, name}] = true
}

// Calls are the calls so far, State, LocalAddr, PeerAddr, Queued and Option aside.
func (e *Endpoint) Calls() []Call {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Call(nil), e.calls...)
}

// Called are the calls of one method.
func (e *Endpoint) Called(method string) []Call {
	var some []Call
	for _, c := range e.Calls() {
		if c.Method == method {
			some = append(some, c)
		}
	}
	return some
}

// Closed reports whether Close was called, and with which argument.
func (e *Endpoint) Closed() (abort, closed bool) {
	c := e.Called("Close")
	if len(c) == 0 {
		return false, false
	}
	return c[0].Abort, true
}

// Misuse lists where the contract of base.Endpoint was broken.
func (e *Endpoint) Misuse() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.misuse...)
}

// next records a call and takes the method's next answer.
func (e *Endpoint) next(c Call) (Result, bool) {
	if !e.watched {
		e.misuse = append(e.misuse, c.Method+" before Watch")
	}
	if e.closed {
		e.misuse = append(e.misuse, c.Method+" after Close")
	}
	e.calls = append(e.calls, c)
	q := e.script[c.Method]
	if len(q) == 0 {
		return Result{}, false
	}
	e.script[c.Method] = q[1:]
	return q[0], true
}

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
