package base

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/netnsd/netnsd/provider/wsa"
)

// Bindings are the addresses that the endpoints of a driver have, for a driver
// whose network does not say by itself what [BindConflict] does. The zero value is
// empty. Safe for concurrent use.
type Bindings struct {
	mu  sync.Mutex
	all map[port][]*Bound
}

// port is where conflicts are looked for.
type port struct {
	protocol int32
	number   uint16
}

// Bound is a place among Bindings, from Bind until Release.
type Bound struct {
	of   *Bindings
	port port
	Binding
}

// Bind takes want's place: nobody who has one may stand against it, the first that
// was bound speaking first. Then bind binds on the network and says which port it
// was, which for port 0 is the network's choice. Both are one step among all that
// share t; bind must not come back to it.
func (t *Bindings) Bind(want Binding, bind func() (uint16, wsa.Errno)) (*Bound, wsa.Errno) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range t.all[want.port()] {
		if e := BindConflict(b.Binding, want); e != 0 {
			return nil, e
		}
	}
	number, e := bind()
	if e != 0 {
		return nil, e
	}
	want.Addr = netip.AddrPortFrom(want.Addr.Addr(), number)
	b := &Bound{t, want.port(), want}
	if t.all == nil {
		t.all = make(map[port][]*Bound)
	}
	t.all[b.port] = append(t.all[b.port], b)
	return b, 0
}

func (b *Binding) port() port { return port{b.Protocol, b.Addr.Port()} }

// Release gives the place back. A nil Bound has none.
func (b *Bound) Release() {
	if b == nil {
		return
	}
	t := b.of
	t.mu.Lock()
	defer t.mu.Unlock()
	left := slices.DeleteFunc(t.all[b.port], func(o *Bound) bool { return o == b })
	if t.all[b.port] = left; len(left) == 0 {
		delete(t.all, b.port)
	}
}

// Len is how many places are taken.
func (t *Bindings) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, bs := range t.all {
		n += len(bs)
	}
	return n
}
