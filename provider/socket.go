package provider

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
)

// Socket is what all storeys of a chain share: one handle space, no handle
// translation. It is made by Upcalls.CreateSocketHandle, that is, by the base
// in WSPSocket, WSPAccept and WSPJoinLeaf, and belongs to its Chain.
type Socket struct {
	Info   *ProtocolInfo // the chain's entry (SO_PROTOCOL_INFO), never the base's under a chain
	Origin *Origin       // never nil
	Base   any           // the base's own state

	Family, Type, Protocol int32 // as resolved by the base

	// Traffic is counted once, by the base (law 15).
	Traffic Traffic

	chain   *Chain
	slots   []any
	learned learned
	told    func() // of OnLearn
	verdict atomic.Pointer[Verdict]
	pended  atomic.Pointer[pendedSend]
	vouched atomic.Bool // Vouch
	failure atomic.Pointer[Failure]
	odd     atomic.Uint32 // failed, and guard.bit of the layers that it passes by: what guards ask first
	aside   atomic.Uint32 // by index of place: who has stepped aside
	closed  atomic.Bool   // the base's close ran
	opened  atomic.Bool   // the base's edge has handed it up
	handle  uint64
	since   time.Time

	flights []flight // calls of layers on their way
	at      int      // among the watchdog's
	stall   latch
	trials  []*breaker // that it was admitted by to be tried

	watch watchPoint // the base's watcher
	mu    sync.Mutex
	upper map[int]*watchPoint // watchers at storeys that replaced Watch, for Fail
}

// Traffic counts what the base moved. Packets are datagrams; a stream counts none.
type Traffic struct {
	BytesIn, BytesOut     atomic.Uint64
	PacketsIn, PacketsOut atomic.Uint64
}

// Failure is why a live socket was failed by [Socket.Fail].
type Failure struct {
	Errno  wsa.Errno
	Reason string
}

// Chain is the chain that made s.
func (s *Socket) Chain() *Chain { return s.chain }

// Handle is the number that the session gave s, unique in its life time.
func (s *Socket) Handle() uint64 { return s.handle }

// Since is when s was made.
func (s *Socket) Since() time.Time { return s.since }

// Fail ends a live socket from outside any operation: from now on it is
// readable, writable and closed, and every operation but close returns e. The
// first failure stays. It wakes all watchers, so it must not be called with a
// lock held that a Wake takes.
func (s *Socket) Fail(e wsa.Errno, reason string) {
	if e == 0 {
		e = wsa.ECONNABORTED
	}
	if s.fail(e, reason) {
		s.rouse()
	}
}

// failed of Socket.odd.
const failed = 1 << 31

// fail is Fail without the waking; false if s was failed before.
func (s *Socket) fail(e wsa.Errno, reason string) bool {
	if !s.failure.CompareAndSwap(nil, &Failure{e, reason}) {
		return false
	}
	s.odd.Or(failed)
	return true
}

// pass has s pass the layer of g by: it is made without it.
func (s *Socket) pass(g *guard) {
	s.odd.Or(g.bit)
	s.aside.Or(1 << g.index)
}

// rouse wakes all watchers of a failed socket.
func (s *Socket) rouse() {
	s.Wake(everything)
	s.mu.Lock()
	upper := slices.Collect(maps.Values(s.upper))
	s.mu.Unlock()
	for _, w := range upper {
		w.wake(s, everything)
	}
}

// everything is what a failed socket shows.
const everything = wsa.FD_READ | wsa.FD_WRITE | wsa.FD_ACCEPT | wsa.FD_CONNECT | wsa.FD_CLOSE | wsa.EvDrained | wsa.EvError

// Opened reports whether the base has finished s: from then on its fields may
// be read by whoever found it by its handle.
func (s *Socket) Opened() bool { return s.opened.Load() }

// Failure is what Fail was told, nil for a healthy socket.
func (s *Socket) Failure() *Failure { return s.failure.Load() }

// Failed is the code of Failure, 0 for a healthy socket. Bases and guards ask
// it first in every operation: one atomic load.
func (s *Socket) Failed() wsa.Errno {
	if f := s.failure.Load(); f != nil {
		return f.Errno
	}
	return 0
}

// FailedReadiness is what Ready answers for a failed socket.
func (s *Socket) FailedReadiness(mask wsa.Events) (Readiness, bool) {
	f := s.failure.Load()
	if f == nil {
		return Readiness{}, false
	}
	return Readiness{Events: mask & everything, Connect: f.Errno, Close: f.Errno, Soft: f.Errno}, true
}

// Verdict is the last verdict of a deciding layer, nil if none was asked.
func (s *Socket) Verdict() *Verdict { return s.verdict.Load() }

// SetWatch is the Watch entry of a base: it keeps the watcher of the storey
// above. It waits for a Wake that is running, so it must not be called from one.
func (s *Socket) SetWatch(w Watcher, mask wsa.Events) { s.watch.set(w, mask) }

// Wake is called by the base when readiness may have changed: any goroutine,
// the base's locks held.
func (s *Socket) Wake(hint wsa.Events) { s.watch.wake(s, hint) }

// Slot is one storey's private place on every Socket of its chain.
type Slot[T any] struct{ i int }

// NewSlot reserves a Slot; it panics once Startup has returned. A layer that has
// one must replace WSPSocket, WSPAccept and WSPJoinLeaf, where slots are filled.
func NewSlot[T any](r *StartupRequest) Slot[T] {
	if r.phase.Load() != starting {
		panic("provider: NewSlot after Startup of " + r.guard.layer)
	}
	i := r.build.slots
	r.build.slots++
	r.usesSlots = true
	return Slot[T]{i}
}

// Of is what was put there, nil if nothing.
func (k Slot[T]) Of(s *Socket) *T {
	v, _ := s.slots[k.i].(*T)
	return v
}

// Put fills the slot: only before WSPSocket, WSPAccept or WSPJoinLeaf returns
// the socket, so that it is read afterwards without a lock.
func (k Slot[T]) Put(s *Socket, v *T) { s.slots[k.i] = v }
