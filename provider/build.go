package provider

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync"

	"github.com/netnsd/netnsd/provider/wsa"
)

// Host is what a chain needs of the session that it is built for.
type Host interface {
	// CreateHandle gives a new socket its number, or refuses it: EMFILE or ENOBUFS
	// by the session's quota. CloseHandle takes the number back. Neither calls the
	// chain's table.
	CreateHandle(*Socket) (uint64, wsa.Errno)
	CloseHandle(*Socket)
	// Panicked is told of a panic that a guard caught. It must not call the table:
	// locks may be held.
	Panicked(*Panic)
}

// BuildConfig is what Build needs besides the catalog.
type BuildConfig struct {
	Host      Host         // required
	Resources *Resources   // nil: the chain's own
	Log       *slog.Logger // nil: discarded
}

// BuildError says which storey could not be raised. It unwraps to the code that
// the dispatcher of Windows would give.
type BuildError struct {
	Chain  string
	Storey string
	Errno  wsa.Errno
	Reason string
}

func (e *BuildError) Error() string {
	return fmt.Sprintf("provider: build chain %s: %s: %s (%s)", e.Chain, e.Storey, e.Reason, e.Errno.Name())
}

func (e *BuildError) Unwrap() error { return e.Errno }

// build is what one Build gathers while storeys are started.
type build struct {
	slots     int
	resources *Resources
	decider   *deciding // of the layer that is being started
}

// Build starts the base of entry id and raises its layers on it, from the base
// up. If a storey fails, those already raised are closed again, from the top.
// The caller owns the chain and ends it with Retire.
func (s *Snapshot) Build(id CatalogID, cfg BuildConfig) (*Chain, error) {
	entry, ok := s.Entry(id)
	if !ok || entry.Layer != nil {
		return nil, &CatalogError{Op: "build", Entry: fmt.Sprint(id), Errno: wsa.EINVAL, Reason: "not a base or a chain"}
	}
	if cfg.Resources == nil {
		cfg.Resources = new(Resources)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &Chain{Info: entry.Info, host: cfg.Host, res: cfg.Resources, done: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.refs.Store(1)
	b := &builder{snapshot: s, entry: entry, chain: c, build: build{resources: cfg.Resources}, log: cfg.Log}
	b.upcalls = &Upcalls{CreateSocketHandle: c.createSocketHandle, GetProviderPath: s.providerPath}
	if err := b.raise(); err != nil {
		c.Retire()
		<-c.done
		return nil, err
	}
	c.slots = b.build.slots
	return c, nil
}

func (s *Snapshot) providerPath(g GUID) (string, wsa.Errno) {
	for i := range s.Entries {
		if s.Entries[i].Info.ProviderID == g {
			return s.Entries[i].Path, 0
		}
	}
	return "", wsa.EINVAL
}

type builder struct {
	snapshot *Snapshot
	entry    *Entry
	chain    *Chain
	build    build
	upcalls  *Upcalls
	log      *slog.Logger
	edge     ProcTable
}

func (b *builder) raise() error {
	storeys := b.entry.Storeys
	if storeys == nil {
		storeys = []CatalogID{b.entry.Info.CatalogEntryID}
	}
	if why := b.snapshot.disorder(storeys); why != "" { // of layers that were bound since
		return b.fail("layers", wsa.EINVAL, "%s", why)
	}
	base, _ := b.snapshot.Entry(storeys[len(storeys)-1])
	if err := b.openBase(base, len(storeys)); err != nil {
		return err
	}
	for i := len(storeys) - 2; i >= 0; i-- {
		e, _ := b.snapshot.Entry(storeys[i])
		if err := b.addLayer(e, i, storeys); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) fail(storey string, e wsa.Errno, format string, args ...any) error {
	return &BuildError{Chain: b.entry.Info.Name, Storey: storey, Errno: e, Reason: fmt.Sprintf(format, args...)}
}

func (b *builder) request(e *Entry, info *ProtocolInfo, place Place) *StartupRequest {
	return &StartupRequest{
		Version: Version, Info: info, Place: place, Upcalls: b.upcalls, Data: WSPData{Version: Version, HighVersion: Version},
		Log:   b.log.With("chain", b.entry.Info.Name, "storey", e.Name),
		build: &b.build, chain: b.chain, layer: e.Name,
	}
}

func (b *builder) openBase(base *Entry, depth int) error {
	own := base.Info // the base never sees the chain
	r := b.request(base, &own, Place{Index: depth - 1, Depth: depth, Self: own.CatalogEntryID, Entry: own.CatalogEntryID})
	table, e := startBase(base.Base, r)
	if e != 0 {
		return b.fail(base.Name, initFailure(e), "the base failed to start: %s", e.Name())
	}
	r.started = true
	if table.WSPCleanup != nil {
		table.WSPCleanup = once(table.WSPCleanup)
		b.chain.cleanups = []func() wsa.Errno{table.WSPCleanup}
	}
	if r.Data.Version != Version {
		return b.fail(base.Name, wsa.EINVALIDPROVIDER, "the base speaks version %s of the SPI, not 2.2", r.Data)
	}
	if name, e := table.Validate(); e != 0 {
		return b.fail(base.Name, e, "entry %s is nil", name)
	}
	b.edge = b.chain.edge(table, &own)
	b.chain.Table = b.edge
	b.chain.path = Path{
		Recv: b.edge.WSPRecv, RecvFrom: b.edge.WSPRecvFrom, Send: b.edge.WSPSend, SendTo: b.edge.WSPSendTo, Ready: b.edge.Ready,
		ioctl: b.edge.WSPIoctl,
		redeem: func(r *SocketRequest) (*Socket, wsa.Errno) {
			q := *r
			q.Info = substitute(r.Info, &own, r)
			return table.WSPSocket(&q)
		},
	}
	if several, ok := base.Base.(Batcher); ok {
		b.chain.path.SendBatch, b.chain.path.RecvBatch = several.Batch()
	}
	b.chain.storeys = []Storey{{ID: own.CatalogEntryID, Name: base.Name, Replaces: replaced(&table)}}
	return nil
}

func startBase(base Base, r *StartupRequest) (t ProcTable, e wsa.Errno) {
	defer r.chain.guard(r.layer).caught("WSPStartup", nil, &e)
	return base.Startup(r)
}

func (b *builder) addLayer(entry *Entry, index int, storeys []CatalogID) error {
	c := b.chain
	g := c.guard(entry.Name)
	r := b.request(entry, &c.Info, b.placeOf(index, storeys))
	d, decides := entry.Layer.(Decider)
	if decides {
		on := onFailure(d, g)
		if on == FailureUnstated {
			return b.fail(entry.Name, wsa.EPROVIDERFAILEDINIT, "a layer that decides must state on_failure: closed or open")
		}
		b.build.decider = &deciding{d: d, guard: g, on: on}
	}
	below := c.Table
	next := below
	next.Watch, next.WSPAccept = g.watchBelow(next.Watch), g.acceptBelow(next.WSPAccept)
	table, e := startLayer(entry.Layer, r, &next)
	r.started = true
	if e != 0 {
		return b.fail(entry.Name, initFailure(e), "the layer failed to start: %s", e.Name())
	}
	err := b.checkGroups(entry, r, &table)
	if r.Data.Version != Version {
		err = b.fail(entry.Name, wsa.EINVALIDPROVIDER, "the layer speaks version %s of the SPI, not 2.2", r.Data)
	}
	if err != nil {
		if table.WSPCleanup != nil {
			c.cleanups = append([]func() wsa.Errno{once(g.cleanup(table.WSPCleanup))}, c.cleanups...)
		}
		return err
	}
	s := Storey{ID: entry.Info.CatalogEntryID, Name: entry.Name, Replaces: replaced(&table), Decides: decides, Observes: r.observe != nil, Reads: r.readsHellos}
	c.storeys = append([]Storey{s}, c.storeys...)
	if s.inPath() {
		c.inPath |= 1 << index
	}
	ask := b.build.decider
	b.build.decider = nil
	if decides {
		c.deciders = append([]deciding{*ask}, c.deciders...)
	}
	if w, ok := entry.Layer.(Witness); ok {
		c.witnesses = append([]witness{{w, g}}, c.witnesses...)
	}
	if a, ok := entry.Layer.(AnswerWitness); ok {
		c.listeners = append([]listener{{a, g}}, c.listeners...)
	}
	table = g.guarded(table, &below, index)
	if table.WSPCleanup != nil {
		table.WSPCleanup = once(table.WSPCleanup)
		c.cleanups = append([]func() wsa.Errno{table.WSPCleanup}, c.cleanups...)
	}
	table.fill(&c.Table)
	if decides && ask.sends {
		table.WSPSendTo = (&decider{ask: ask}).sendTo(table.WSPSendTo)
	}
	if r.observe != nil && r.Info.MessageOriented() {
		table.WSPSendTo = g.observed(r.observe, table.WSPSendTo)
	}
	c.Table = table
	return nil
}

// onFailure asks once, contained: it is needed when the layer has failed already.
func onFailure(d Decider, g guard) (on OnFailure) {
	var e wsa.Errno
	defer g.caught("OnFailure", nil, &e)
	return d.OnFailure()
}

func startLayer(l Layer, r *StartupRequest, next *ProcTable) (t ProcTable, e wsa.Errno) {
	defer r.chain.guard(r.layer).caught("WSPStartup", nil, &e)
	return l.Startup(r, next)
}

// initFailure is what becomes of WSPStartup's code: it goes up as it is (winsock-spi
// 2.8), but for a panic's and for what no table knows.
func initFailure(e wsa.Errno) wsa.Errno {
	switch e {
	case wsa.SYSCALLFAILURE:
		return wsa.EPROVIDERFAILEDINIT
	}
	return e
}

func replaced(t *ProcTable) []string {
	var names []string
	v := reflect.ValueOf(t).Elem()
	for i := range v.NumField() {
		if !v.Field(i).IsNil() {
			names = append(names, v.Type().Field(i).Name)
		}
	}
	return names
}

func once(f func() wsa.Errno) func() wsa.Errno {
	var o sync.Once
	return func() (e wsa.Errno) {
		o.Do(func() { e = f() })
		return e
	}
}
