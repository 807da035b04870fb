package provider

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
)

// Host is what a chain needs of the session that it is built for.
type Host interface {
	// CreateHandle gives a new socket its number, or refuses it: EMFILE or ENOBUFS
	// by the session's quota. CloseHandle takes the number back. Neither calls the
	// chain's table.
	CreateHandle(*Socket) (uint64, wsa.Errno)
	CloseHandle(*Socket)
	// Reported is told of what a guard caught. It must not call the table: locks may
	// be held.
	Reported(*Report)
}

// BuildConfig is what Build needs besides the catalog.
type BuildConfig struct {
	Host      Host         // required
	Resources *Resources   // nil: the chain's own
	Log       *slog.Logger // nil: discarded

	// Budget is how long a call of a layer may take, and what the end of the chain waits
	// for WSPCleanup and for goroutines; WSPStartup, which may read files, has six of
	// them. 0: DefaultBudget. Negative: for ever.
	Budget  time.Duration
	Breaker BreakerConfig // of every layer
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
	if cfg.Budget == 0 {
		cfg.Budget = DefaultBudget
	}
	c := &Chain{
		Info: entry.Info, Version: s.Generation, name: entry.Name,
		host: cfg.Host, res: cfg.Resources, budget: cfg.Budget, done: make(chan struct{}),
	}
	c.watchdog.start(cfg.Budget)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.refs.Store(1)
	b := &builder{snapshot: s, entry: entry, chain: c, build: build{resources: cfg.Resources}, log: cfg.Log, breaker: cfg.Breaker.defaults()}
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
	breaker  BreakerConfig
	edge     ProcTable

	received, sent bool // a layer has replaced the entries of that direction
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

func (b *builder) request(e *Entry, g *guard, info *ProtocolInfo, place Place) *StartupRequest {
	return &StartupRequest{
		Version: Version, Info: info, Place: place, Upcalls: b.upcalls, Data: WSPData{Version: Version, HighVersion: Version},
		Log:   b.log.With("chain", b.entry.Info.Name, "storey", e.Name),
		build: &b.build, chain: b.chain, guard: g,
	}
}

func (b *builder) openBase(base *Entry, depth int) error {
	own := base.Info // the base never sees the chain
	g := &guard{chain: b.chain, layer: base.Name}
	b.chain.base = g
	r := b.request(base, g, &own, Place{Index: depth - 1, Depth: depth, Self: own.CatalogEntryID, Entry: own.CatalogEntryID})
	table, e := startBase(base.Base, r)
	if e != 0 {
		return b.fail(base.Name, initFailure(e), "the base failed to start: %s", e.Name())
	}
	r.phase.Store(hasStarted)
	if table.WSPCleanup != nil {
		table.WSPCleanup = once(table.WSPCleanup)
		b.chain.cleanups = []cleanup{{run: table.WSPCleanup}}
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
