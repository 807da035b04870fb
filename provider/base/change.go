package base

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// changes is the base's one subscription to the changes of its network. It is there
// while a socket is armed, and ends with the last of them.
type changes struct {
	starting sync.Mutex // orders start and stop; held while the driver is called
	stop     func()

	mu    sync.Mutex // held in the driver's call; no driver is called with it
	armed map[*socket]*change
}

// change is what one socket has asked to be told of (SIO_ADDRESS_LIST_CHANGE,
// SIO_ROUTING_INTERFACE_CHANGE). The driver's call marks; Ready and the ioctl look
// whether what the socket saw when it was armed is still so. Thus an event stands for
// a difference, and nothing is asked of the network under its own locks.
type change struct {
	marks atomic.Uint32 // hints since anybody looked

	mu        sync.Mutex
	changed   wsa.Events // level, until armed anew
	waits     wsa.Events // armed, no difference yet
	addresses []provider.Addr
	to        provider.Addr // of SIO_ROUTING_INTERFACE_CHANGE
	way       way
}

// way is a route as far as a socket can see it.
type way struct {
	from  provider.Addr
	index uint32
	errno wsa.Errno // there is none
}

const changeEvents = wsa.FD_ADDRESS_LIST_CHANGE | wsa.FD_ROUTING_INTERFACE_CHANGE

// subscribe makes k one of those that are told. k.mu is held for writing.
func (k *socket) subscribe(d Interfacer) wsa.Errno {
	if k.change.Load() != nil {
		return 0
	}
	c, own := &k.in.changes, new(change)
	c.starting.Lock()
	defer c.starting.Unlock()
	if c.stop == nil {
		stop, e := d.Changes(c.note)
		if e != 0 {
			return e
		}
		c.stop = stop
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.armed == nil {
		c.armed = make(map[*socket]*change)
	}
	c.armed[k] = own
	k.change.Store(own)
	return 0
}

// unsubscribe is for a socket that closes. k.mu is held for writing.
func (k *socket) unsubscribe() {
	if k.change.Swap(nil) == nil {
		return
	}
	c := &k.in.changes
	c.starting.Lock()
	defer c.starting.Unlock()
	c.mu.Lock()
	delete(c.armed, k)
	last := len(c.armed) == 0
	c.mu.Unlock()
	if last {
		c.stop() // waits for a note that runs, which needs mu
		c.stop = nil
	}
}

// note is the driver's call.
func (c *changes) note(hint wsa.Events) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, own := range c.armed {
		own.marks.Or(uint32(hint & changeEvents))
		if s := k.self.Load(); s != nil {
			s.Wake(hint & changeEvents)
		}
	}
}

// changed is FD_ADDRESS_LIST_CHANGE and FD_ROUTING_INTERFACE_CHANGE of Ready.
func (k *socket) changed() wsa.Events {
	c := k.change.Load()
	if c == nil {
		return 0
	}
	d := k.in.driver.(Interfacer)
	c.mu.Lock()
	defer c.mu.Unlock()
	marks := wsa.Events(c.marks.Swap(0))
	if marks&wsa.FD_ADDRESS_LIST_CHANGE != 0 && c.waits&wsa.FD_ADDRESS_LIST_CHANGE != 0 {
		if list, e := addressList(d, k.row.Family); e != 0 || !slices.Equal(list, c.addresses) {
			c.tell(wsa.FD_ADDRESS_LIST_CHANGE)
		}
	}
	if marks != 0 && c.waits&wsa.FD_ROUTING_INTERFACE_CHANGE != 0 && wayTo(d, c.to) != c.way {
		c.tell(wsa.FD_ROUTING_INTERFACE_CHANGE)
	}
	return c.changed
}

func (c *change) tell(event wsa.Events) {
	c.changed |= event
	c.waits &^= event
}

func wayTo(d Interfacer, to provider.Addr) (w way) {
	w.from, w.index, w.errno = d.Route(to)
	return w
}

// addressListChange is SIO_ADDRESS_LIST_CHANGE: it arms, takes back what was told
// before, and is EWOULDBLOCK; when the addresses of the socket's family are others,
// FD_ADDRESS_LIST_CHANGE shows, and a pended call succeeds.
func addressListChange(k *socket, r *provider.IoctlRequest) (int, wsa.Errno) {
	d, e := k.interfacer()
	if e != 0 {
		return 0, e
	}
	return k.arm(d, wsa.FD_ADDRESS_LIST_CHANGE, r.Pended, func(c *change) wsa.Errno {
		c.addresses, e = addressList(d, k.row.Family)
		return e
	})
}

// routingInterfaceChange is SIO_ROUTING_INTERFACE_CHANGE for the destination given:
// the one given last, if there are several. That it is unreachable is a state like
// others, whose end is told.
func routingInterfaceChange(k *socket, r *provider.IoctlRequest) (int, wsa.Errno) {
	d, e := k.interfacer()
	if e != 0 {
		return 0, e
	}
	to, e := k.destination(r.In)
	if e != 0 {
		return 0, e
	}
	return k.arm(d, wsa.FD_ROUTING_INTERFACE_CHANGE, r.Pended, func(c *change) wsa.Errno {
		c.to, c.way = to, wayTo(d, to)
		return 0
	})
}

// arm is what the two have in common; look takes down how things stand. The
// subscription comes first, so that no change is between the two.
func (k *socket) arm(d Interfacer, event wsa.Events, pended bool, look func(*change) wsa.Errno) (int, wsa.Errno) {
	if pended && k.changed()&event != 0 {
		return 0, 0
	}
	if e := k.subscribe(d); e != 0 {
		return 0, e
	}
	c := k.change.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	if pended && c.waits&event != 0 {
		return 0, wsa.EWOULDBLOCK
	}
	if e := look(c); e != 0 {
		return 0, e
	}
	c.changed &^= event
	c.waits |= event
	return 0, wsa.EWOULDBLOCK
}
