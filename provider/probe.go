package provider

import (
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
)

// A Probe is what has crossed the boundary above one layer of a chain: what that layer was
// asked to do, in the entries that it has replaced. At the others nothing happens: what
// crosses there crosses the next boundary below unchanged, so that the figures of the two
// are equal by construction, and under the lowest layer they are [Socket.Traffic]'s. A
// socket for which the layer has stepped aside ([StartupRequest.StepAside]), a gateway's
// short cut ([Socket.Direct]), and one that passes it by ([Chain.Breakers]) is not
// counted either.
//
// All figures but Place count from the building of the chain, and never fall.
type Probe struct {
	Chain   string
	Version uint64 // of the chain
	Layer   string // its name in the catalog
	Place   int    // 0 is nearest the application

	In, Out  Flow         // of the data entries
	Entries  []EntryCount // of the others that the layer has replaced
	Verdicts VerdictCount // of a layer that decides
	Deciding Histogram    // how long decisions took: of datagrams' one in 256, of others each

	Panics, Stalls, Lies, Leaks uint64 // by Report.Kind
}

// Flow is what the data entries of one direction were asked for.
type Flow struct {
	Operations uint64
	Bytes      uint64 // taken from above, or handed up; a look at them (MSG_PEEK) is none
	Errors     uint64 // but EWOULDBLOCK
	// Added is the time that the layer itself took, less that of what it called below with
	// the same Msg or a copy of it, of one operation in 256.
	Added Histogram
}

// EntryCount is how often an entry was asked for, or a watcher of the layer woken. The
// errors are all but EWOULDBLOCK, which is a start or a wait.
type EntryCount struct {
	Entry              string
	Operations, Errors uint64
}

// VerdictCount are a layer's answers. Those about a name or a flow that has no socket
// yet are among them, and so are those of explain.
type VerdictCount struct{ None, Allow, Deny, Shadow uint64 }

// Histogram has cumulative buckets, as Prometheus wants them. Sum and the last bucket are
// of all that was measured.
type Histogram struct {
	Buckets []Bucket
	Sum     time.Duration
}

// Bucket counts what took no longer than UpTo; 0 has no bound.
type Bucket struct {
	UpTo  time.Duration
	Count uint64
}

// Probes are those of the chain's layers, the one nearest the application first. It holds
// up the making of sockets while it adds up those that live: some 10 ms for 100 000.
func (c *Chain) Probes() []Probe {
	all := make([]Probe, len(c.guards))
	d := &c.watchdog
	d.mu.Lock()
	flows := make([][2]traffic, len(c.flown))
	for k, g := range c.flown {
		flows[k] = g.probe.past
	}
	for _, s := range d.sockets {
		for k := range s.flights {
			flows[k][inward].add(&s.flights[k].in)
			flows[k][outward].add(&s.flights[k].out)
		}
	}
	d.mu.Unlock()
	for i, g := range c.guards {
		p := Probe{Chain: c.name, Version: c.Version, Layer: g.layer, Place: g.index}
		g.probe.read(&p)
		if g.flies {
			p.In.Operations, p.In.Bytes = flows[g.place][inward].operations, flows[g.place][inward].bytes
			p.Out.Operations, p.Out.Bytes = flows[g.place][outward].operations, flows[g.place][outward].bytes
		}
		p.Panics, p.Stalls, p.Lies, p.Leaks = g.faults[Panicked].Load(), g.faults[Stalled].Load(), g.faults[Lied].Load(), g.faults[Leaked].Load()
		all[i] = p
	}
	return all
}

// past adds the figures of a socket that is closed to its chain's; the watchdog's mu is held.
func (c *Chain) past(s *Socket) {
	for k := range s.flights {
		p := &c.flown[k].probe.past
		p[inward].add(&s.flights[k].in)
		p[outward].add(&s.flights[k].out)
	}
}

type traffic struct{ operations, bytes uint64 }

func (t *traffic) add(l *lane) {
	n, b := l.total()
	t.operations += n
	t.bytes += b
}

const (
	inward = iota
	outward
)

// probe is what a guard counts besides the lanes of its sockets.
type probe struct {
	past     [2]traffic // of sockets that are closed
	added    [2]histogram
	deciding histogram
	stripes  [4]stripe
}

// A stripe is for one in 4 sockets, so that several processors do not write to one line
// of the cache. It is longer than a line.
type stripe struct {
	counts   [opResource + 1]struct{ operations, errors atomic.Uint64 }
	errors   [2]atomic.Uint64 // of the data entries
	verdicts [4]atomic.Uint64
}

func (p *probe) of(s *Socket) *stripe {
	if s == nil {
		return &p.stripes[0]
	}
	return &p.stripes[s.handle%uint64(len(p.stripes))]
}

func (t *stripe) count(op entry, e wsa.Errno) {
	t.counts[op].operations.Add(1)
	if e != 0 && e != wsa.EWOULDBLOCK {
		t.counts[op].errors.Add(1)
	}
}

func (t *stripe) judged(v Verdict) {
	switch {
	case v.Shadow:
		t.verdicts[3].Add(1)
	default:
		t.verdicts[min(v.Action, Deny)].Add(1)
	}
}

func (p *probe) read(to *Probe) {
	var v [4]uint64
	for op := range opResource {
		c := EntryCount{Entry: op.String()}
		for i := range p.stripes {
			c.Operations += p.stripes[i].counts[op].operations.Load()
			c.Errors += p.stripes[i].counts[op].errors.Load()
		}
		if c.Operations > 0 {
			to.Entries = append(to.Entries, c)
		}
	}
	for i := range p.stripes {
		to.In.Errors += p.stripes[i].errors[inward].Load()
		to.Out.Errors += p.stripes[i].errors[outward].Load()
		for k := range v {
			v[k] += p.stripes[i].verdicts[k].Load()
		}
	}
	to.Verdicts = VerdictCount{None: v[NoOpinion], Allow: v[Allow], Deny: v[Deny], Shadow: v[3]}
	to.In.Added, to.Out.Added, to.Deciding = p.added[inward].read(), p.added[outward].read(), p.deciding.read()
}
