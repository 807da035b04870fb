package basetest

import (
	"net/netip"
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
	Group       netip.Addr    // JoinGroup, LeaveGroup
	Index       uint32        // JoinGroup, LeaveGroup, SendGroupsOver
}

// Result is one scripted answer.
type Result struct {
	Errno    wsa.Errno
	N        int           // Send, Recv; with Data it is ignored
	Data     []byte        // Recv: what arrives
	Addr     provider.Addr // Recv: its source; of a soft error, what drew it
	Endpoint *Endpoint     // Accept
	Dst      netip.Addr    // Recv: where it went, of PKTINFO
	IfIndex  uint32        // Recv: where it came in, of PKTINFO
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
