package socketstest_test

import (
	"slices"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// eventSelect registers network events with the event of the goroutine.
func (r *runner) eventSelect(i instruction) {
	d, mask := r.m.at(i.slot), eventMask(i)
	event := sockets.CreateEvent()
	switch {
	case i.c == 0xff:
		event = nil
	case i.c == 0xfe:
		event.Close()
	}
	r.register("WSPEventSelect", d, mask, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPEventSelect(d.h, event, mask) })
}

// asyncSelect registers them with a message function, which is told of no others.
func (r *runner) asyncSelect(i instruction) {
	d, mask := r.m.at(i.slot), eventMask(i)
	post := func(s sockets.SOCKET, event wsa.Events, e wsa.Errno) {
		d.k.mu.Lock()
		masks := d.k.masks
		d.k.mu.Unlock()
		if event&^masks != 0 || event&(event-1) != 0 || event == 0 {
			r.m.failf("a message of %#x, and %#x were asked for", uint32(event), uint32(masks))
		}
		r.m.judgeEvent(event, e)
	}
	if i.c == 0xff {
		post = nil
	}
	r.register("WSPAsyncSelect", d, mask, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPAsyncSelect(d.h, post, mask) })
}

func eventMask(i instruction) wsa.Events {
	switch i.b & 3 {
	case 0:
		return wsa.FD_ALL_EVENTS
	case 1:
		if i.a == 0xff {
			return 0x10000 // no event of Winsock
		}
		return wsa.FD_READ | wsa.FD_WRITE | wsa.FD_CLOSE
	}
	return wsa.Events(i.a) | wsa.Events(i.b>>6)<<8
}

func (r *runner) register(fn string, d *descriptor, mask wsa.Events, f func(*sockets.WSPProcTable) wsa.Errno) {
	k := d.k
	k.mu.Lock()
	k.masks |= mask
	k.masked.by(r.g)
	k.mu.Unlock()
	k.nonblocking.Store(true)
	e := r.call(fn, d, f)
	k.mu.Lock()
	defer k.mu.Unlock()
	if e == 0 {
		k.mask = mask
	}
}

// enumNetworkEvents wants none that was not asked for.
func (r *runner) enumNetworkEvents(i instruction) {
	d := r.m.at(i.slot)
	var event *sockets.Event
	if i.a&1 != 0 {
		event = sockets.CreateEvent()
	}
	ne := new(sockets.NetworkEvents)
	ne.Events = untouched
	for x := range ne.Errors {
		ne.Errors[x] = untouched
	}
	given := ne
	if i.c == 0xff {
		given = nil
	}
	e := r.call("WSPEnumNetworkEvents", d, func(t *sockets.WSPProcTable) wsa.Errno { return t.WSPEnumNetworkEvents(d.h, event, given) })
	if e != 0 || given == nil {
		if e == 0 || ne.Events != untouched {
			r.m.failf("WSPEnumNetworkEvents: %s, and events %#x", e.Name(), uint32(ne.Events))
		}
		return
	}
	d.k.mu.Lock()
	masks := d.k.masks
	if d.k.masked.alone(r.g) || d.k.masked == 0 {
		masks = d.k.mask
	}
	d.k.mu.Unlock()
	if ne.Events&^masks != 0 {
		r.m.failf("WSPEnumNetworkEvents: %#x, and %#x were asked for", uint32(ne.Events), uint32(masks))
	}
	for x, e := range ne.Errors {
		bit := wsa.Events(1) << x
		switch {
		case ne.Events&bit == 0 && e != untouched:
			r.m.failf("WSPEnumNetworkEvents: %#x, and the error of %#x is set", uint32(ne.Events), uint32(bit))
		case ne.Events&bit != 0:
			r.m.judgeEvent(bit, e)
		}
	}
}

// judgeEvent says whether an event may come with e.
func (m *machine) judgeEvent(event wsa.Events, e wsa.Errno) {
	switch {
	case e == 0, slices.Contains(eventErrors[event], e):
		if e != wsa.ENETDOWN || m.ending[0].Load() || m.ending[1].Load() {
			return
		}
	case e == wsa.ECONNABORTED && m.cancelled.Load():
		return
	}
	m.failf("event %#x with %s", uint32(event), e.Name())
}
