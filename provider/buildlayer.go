package provider

import (
	"slices"
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
)

func startBase(base Base, r *StartupRequest) (t ProcTable, e wsa.Errno) {
	returned := false
	defer r.guard.caught(opStartup, nil, &e, &returned)
	t, e = base.Startup(r)
	returned = true
	return t, e
}

// addLayer raises one storey.
func (b *builder) addLayer(entry *Entry, index int, storeys []CatalogID) error {
	c := b.chain
	g := &guard{chain: c, layer: entry.Name, index: index, bit: 1 << index, below: c.Table, place: c.flying}
	r := b.request(entry, g, &c.Info, b.placeOf(index, storeys))
	d, decides := entry.Layer.(Decider)
	if g.on = onFailure(entry.Layer, g); decides && g.on == FailureUnstated {
		return b.fail(entry.Name, wsa.EPROVIDERFAILEDINIT, "a layer that decides must state on_failure: closed or open")
	} else if g.on == FailureUnstated {
		g.on = FailClosed
	}
	if decides {
		b.build.decider = &deciding{d: d, guard: g}
	}
	g.breaker = b.build.resources.breaker(c, entry.Name, b.breaker)
	next := c.Table
	next.Watch, next.WSPAccept = g.watchBelow(next.Watch), g.acceptBelow(next.WSPAccept)
	b.timeBase(&next)
	table, e := b.startLayer(entry.Layer, r, &next)
	if e != 0 {
		return b.fail(entry.Name, initFailure(e), "the layer failed to start: %s", e.Name())
	}
	err := b.checkGroups(entry, r, &table)
	if r.Data.Version != Version {
		err = b.fail(entry.Name, wsa.EINVALIDPROVIDER, "the layer speaks version %s of the SPI, not 2.2", r.Data)
	}
	if err != nil {
		if table.WSPCleanup != nil {
			c.cleanups = slices.Insert(c.cleanups, 0, cleanup{g, once(g.cleanup(table.WSPCleanup))})
		}
		return err
	}
	s := Storey{ID: entry.Info.CatalogEntryID, Name: entry.Name, Replaces: replaced(&table), Decides: decides, Observes: r.observe != nil, Reads: r.readsHellos}
	b.stand(g, s, entry.Layer)
	b.taken(&table)
	table = g.guarded(table)
	if table.WSPCleanup != nil {
		table.WSPCleanup = once(table.WSPCleanup)
		c.cleanups = slices.Insert(c.cleanups, 0, cleanup{g, table.WSPCleanup})
	}
	table.fill(&c.Table)
	if ask := b.build.decider; decides && ask.sends {
		table.WSPSendTo = (&decider{ask: ask}).sendTo(table.WSPSendTo)
	}
	b.build.decider = nil
	if r.observe != nil && r.Info.MessageOriented() {
		table.WSPSendTo = g.observed(r.observe, table.WSPSendTo)
	}
	c.Table = table
	return nil
}

// timeBase has the base's data entries timed for the lowest layer that replaces them:
// those above find its guard there.
func (b *builder) timeBase(next *ProcTable) {
	if !b.received {
		next.WSPRecv, next.WSPRecvFrom = timedBelow(next.WSPRecv), timedBelow(next.WSPRecvFrom)
	}
	if !b.sent {
		next.WSPSend, next.WSPSendTo = timedBelow(next.WSPSend), timedBelow(next.WSPSendTo)
	}
}

// taken notes which data entries are no longer the base's.
func (b *builder) taken(t *ProcTable) {
	b.received = b.received || t.WSPRecv != nil
	b.sent = b.sent || t.WSPSend != nil
}

// stand enters the layer where the chain looks for it.
func (b *builder) stand(g *guard, s Storey, l Layer) {
	c := b.chain
	c.storeys = slices.Insert(c.storeys, 0, s)
	c.guards = slices.Insert(c.guards, 0, g)
	if s.inPath() {
		c.inPath |= 1 << g.index
	}
	if len(s.Replaces) > 0 || s.Decides || s.Observes {
		g.flies = true
		c.flying++
		c.flown = append(c.flown, g)
	}
	if s.Decides {
		c.deciders = slices.Insert(c.deciders, 0, *b.build.decider)
	}
	if w, ok := l.(Witness); ok {
		c.witnesses = slices.Insert(c.witnesses, 0, witness{w, g})
	}
	if a, ok := l.(AnswerWitness); ok {
		c.listeners = slices.Insert(c.listeners, 0, listener{a, g})
	}
}

// onFailure asks once, contained: it is needed when the layer has failed already.
func onFailure(l Layer, g *guard) (on OnFailure) {
	d, states := l.(FailureStater)
	if !states {
		return FailureUnstated
	}
	k := new(call)
	ask := func() (on OnFailure) {
		var e wsa.Errno
		returned := false
		defer g.caught(opOnFailure, nil, &e, &returned)
		on = d.OnFailure()
		returned = true
		return on
	}
	if g.chain.within(func() { sought(k, func() { on = ask() }) }) != nil {
		g.report(Stalled, opOnFailure.String(), nil, late(g.chain.budget), stackOf(k))
		return FailureUnstated
	}
	return on
}

// started is what a WSPStartup has returned.
type started struct {
	t ProcTable
	e wsa.Errno
}

// startLayer runs WSPStartup on a goroutine of its own: if it does not return, it keeps
// that one, and the chain is not built. Should it return after all, it is undone.
func (b *builder) startLayer(l Layer, r *StartupRequest, next *ProcTable) (ProcTable, wsa.Errno) {
	start := func(s *started) {
		returned := false
		defer r.guard.caught(opStartup, nil, &s.e, &returned)
		s.t, s.e = l.Startup(r, next)
		returned = true
	}
	if b.chain.budget < 0 {
		var s started
		start(&s)
		r.phase.Store(hasStarted)
		return s.t, s.e
	}
	done, k, budget := make(chan started, 1), new(call), 6*b.chain.budget
	go func() {
		var s started
		defer func() { // also when it ends this goroutine
			if r.phase.CompareAndSwap(starting, hasStarted) {
				done <- s
			} else if s.e == 0 && s.t.WSPCleanup != nil {
				r.guard.cleanup(s.t.WSPCleanup)()
			}
		}()
		sought(k, func() { start(&s) })
	}()
	timer := time.NewTimer(budget)
	defer timer.Stop()
	select {
	case s := <-done:
		return s.t, s.e
	case <-timer.C:
	}
	if !r.phase.CompareAndSwap(starting, abandoned) {
		s := <-done
		return s.t, s.e
	}
	r.guard.report(Stalled, opStartup.String(), nil, late(budget), stackOf(k))
	return ProcTable{}, wsa.EPROVIDERFAILEDINIT
}
