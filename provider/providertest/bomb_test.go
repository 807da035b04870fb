package providertest_test

import (
	"context"
	"net/netip"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// bomber is a layer that gives a function wherever one can be given, and decides. At the
// place at, when it is armed, it goes off, once.
type bomber struct {
	at    string
	armed atomic.Bool
	off   func()
	on    provider.OnFailure
	req   *provider.StartupRequest
}

func (b *bomber) hit(place string) {
	if place == b.at && b.armed.CompareAndSwap(true, false) {
		b.off()
	}
}

func (b *bomber) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	b.req = r
	b.hit("Startup")
	_, err := provider.Resource(r, "thing", func() (int, func() error, error) {
		b.hit("open")
		return 1, func() error { b.hit("close"); return nil }, nil
	})
	if err != nil {
		return provider.ProcTable{}, wsa.EPROVIDERFAILEDINIT
	}
	r.ObserveSends(func(*provider.Socket, provider.Addr, wsa.Errno) { b.hit("ObserveSends") })
	t := *next
	watch, accept := t.Watch, t.WSPAccept
	t.Watch = func(s *provider.Socket, w provider.Watcher, m wsa.Events) {
		if w != nil {
			w = bombWatcher{b, w}
		}
		watch(s, w, m)
	}
	t.WSPAccept = func(s *provider.Socket, q *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
		own := *q
		own.Cond = func(i *provider.Indication) provider.CondResult {
			b.hit("Cond")
			if q.Cond != nil {
				return q.Cond(i)
			}
			return provider.CF_ACCEPT
		}
		return accept(s, &own)
	}
	v := reflect.ValueOf(&t).Elem()
	for i := range v.NumField() {
		entry, below := v.Type().Field(i).Name, reflect.ValueOf(v.Field(i).Interface())
		v.Field(i).Set(reflect.MakeFunc(below.Type(), func(args []reflect.Value) []reflect.Value {
			b.hit(entry)
			return below.Call(args)
		}))
	}
	return t, 0
}

func (b *bomber) Decide(provider.Facts, provider.Op) provider.Verdict {
	b.hit("Decide")
	return provider.Verdict{}
}

func (b *bomber) OnFailure() provider.OnFailure {
	b.hit("OnFailure")
	return max(b.on, provider.FailClosed)
}

func (b *bomber) Witness(provider.Facts, provider.Op, provider.Verdict) { b.hit("Witness") }
func (b *bomber) Answered(provider.Facts)                               { b.hit("Answered") }

type bombWatcher struct {
	b *bomber
	w provider.Watcher
}

func (w bombWatcher) Wake(s *provider.Socket, hint wsa.Events) {
	w.b.hit("Wake")
	w.w.Wake(s, hint)
}

// A place is where a function value of a layer crosses a storey.
type place struct {
	at   string // of bomber, and in the API: see TestLaw14Places
	op   string // in the report, if it is not at
	when when
	sock bool // there is a socket that it fails
	// call brings it about on a chain that is built; nil: callEntry.
	call func(b *bomber, c *provider.Chain, s *provider.Socket)
	// stall is the op that the report of a stall has, if it is not op.
	stall string
}

type when uint8

const (
	living   when = iota // while the chain lives
	building             // when it is built
	ending               // when it ends
)

func (p place) name(kind provider.Kind) string {
	switch {
	case kind == provider.Stalled && p.stall != "":
		return p.stall
	case p.op != "":
		return p.op
	}
	return p.at
}

// places are all of them.
func places() []place {
	all := []place{
		{at: "Startup", op: "WSPStartup", when: building},
		{at: "OnFailure", when: building},
		{at: "open", op: "WSPStartup", when: building},
		{at: "close", op: "resource thing", when: ending},
		{at: "Cond", op: "condition function", stall: "WSPAccept", call: func(_ *bomber, c *provider.Chain, s *provider.Socket) {
			c.Table.WSPAccept(s, &provider.AcceptRequest{})
		}},
		{at: "Wake", op: "wake", sock: true, call: func(_ *bomber, c *provider.Chain, s *provider.Socket) {
			c.Table.Watch(s, make(ringer, 1), wsa.FD_READ)
			providertest.Inject(s, []byte("x"))
		}},
		{at: "Decide", call: func(_ *bomber, c *provider.Chain, _ *provider.Socket) {
			c.Decide(provider.Facts{}, provider.OpConnect)
		}},
		{at: "Witness", call: func(_ *bomber, c *provider.Chain, _ *provider.Socket) {
			c.Witness(provider.Facts{}, provider.OpLookup, provider.Verdict{})
		}},
		{at: "Answered", call: func(_ *bomber, c *provider.Chain, _ *provider.Socket) { c.Answered(provider.Facts{}) }},
		{at: "ObserveSends", sock: true, call: func(_ *bomber, c *provider.Chain, s *provider.Socket) {
			m := msg([]byte("x"))
			m.Addr = peer
			c.Table.WSPSendTo(s, m)
		}},
		{at: "Go", op: "goroutine", sock: true, call: func(b *bomber, _ *provider.Chain, s *provider.Socket) {
			b.req.Go(s, func(context.Context) { b.hit("Go") })
		}},
		{at: "AfterFunc", op: "timer", sock: true, call: func(b *bomber, _ *provider.Chain, s *provider.Socket) {
			b.req.AfterFunc(s, time.Nanosecond, func() { b.hit("AfterFunc") })
		}},
	}
	typ := reflect.TypeFor[provider.ProcTable]()
	for i := range typ.NumField() {
		p := place{at: typ.Field(i).Name, sock: hasSocket(typ.Field(i).Name)}
		if p.at == "WSPCleanup" {
			p.when = ending
		}
		all = append(all, p)
	}
	return all
}

var peer = provider.AddrFrom(netip.MustParseAddrPort("192.0.2.1:80"))

type ringer chan struct{}

func (r ringer) Wake(*provider.Socket, wsa.Events) {
	select {
	case r <- struct{}{}:
	default:
	}
}
