package provider

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/netnsd/netnsd/provider/wsa"
)

// Prefix is an address range.
type Prefix = netip.Prefix

// PortRange is First to Last, both included.
type PortRange struct{ First, Last uint16 }

// Step is one line of a trace of Resolve: what was looked at, and what came of it.
type Step struct {
	Entry   CatalogID // 0 for a step that is not about an entry
	Name    string
	Outcome string
}

// Trace says how Resolve came to its answer.
type Trace []Step

func (t Trace) String() string {
	var b strings.Builder
	for _, s := range t {
		fmt.Fprintf(&b, "%d %s: %s\n", s.Entry, s.Name, s.Outcome)
	}
	return b.String()
}

// Resolve finds the entry that a request opens. It is pure, and the only place
// where a chain is chosen: sockets, explain, audit and tests call it.
//
// Without r.Info it is the dispatcher's search of winsock-spi 2.8 A: entries in
// catalog order, layers skipped, af and type 0 matching all, and a failure that
// tells of the best partial match. With r.Info it is 2.8 B: the entry named,
// and no matching at all. Selections narrow the search to the chains of a name.
//
// A chain with a layer that r.Application does not load is as if it were not there,
// and the search goes on below it; but where the chain was mandatory or selected
// nothing else will do, and the answer is EACCES.
func (s *Snapshot) Resolve(r *SocketRequest) (*Entry, Trace, wsa.Errno) { return s.ResolveAfter(r, 0) }

// ResolveAfter goes on with the search behind the entry whose WSPSocket has declined
// the request by EINPROGRESS (winsock-spi 2.8 step 6); 0 is none. A request with
// an Info has one entry, and none behind it: EINVAL.
func (s *Snapshot) ResolveAfter(r *SocketRequest, declined CatalogID) (*Entry, Trace, wsa.Errno) {
	switch {
	case r.Info != nil && declined != 0:
		return nil, Trace{{Entry: declined, Name: r.Info.Name, Outcome: "declined"}}, wsa.EINVAL
	case r.Info != nil:
		return s.resolveNamed(r)
	}
	var t Trace
	if r.AF == 0 && r.Protocol == 0 {
		return nil, append(t, Step{Name: "request", Outcome: "af 0 with protocol 0 is invalid"}), wsa.EINVAL
	}
	if len(s.Entries) == 0 {
		return nil, append(t, Step{Name: "catalog", Outcome: "empty"}), wsa.EINVAL
	}
	chain := s.selected(r, &t)
	hidden := s.covered()
	best, closed := wsa.EAFNOSUPPORT, false
	for i := range s.Entries {
		e := &s.Entries[i]
		if declined != 0 {
			if e.Info.CatalogEntryID == declined {
				declined, t = 0, append(t, e.step("declined"))
			}
			continue
		}
		if e.Layer != nil {
			continue
		}
		miss := e.Info.mismatch(r)
		switch {
		case miss != 0:
			best = nearer(best, miss)
		case chain != "" && e.Name != chain:
			t = append(t, e.step("not of the selected chain "+chain))
			continue
		case hidden[e.Info.CatalogEntryID]:
			t = append(t, e.step("only through its mandatory chain"))
			continue
		case s.barred(e, r.Application) != nil:
			closed = closed || e.Mandatory || chain != ""
			t = append(t, e.step("not for this program: "+s.barred(e, r.Application).Name))
			continue
		default:
			return e, append(t, e.step("matches")), 0
		}
		t = append(t, e.step("no match: "+miss.Name()))
	}
	if closed {
		best = wsa.EACCES
	}
	return nil, t, best
}

func (e *Entry) step(outcome string) Step {
	return Step{Entry: e.Info.CatalogEntryID, Name: e.Info.Name, Outcome: outcome}
}

// mismatch is 0 if the entry matches, else the code of the first field that
// does not: family, type, protocol, in this order.
func (p *ProtocolInfo) mismatch(r *SocketRequest) wsa.Errno {
	switch {
	case r.AF != 0 && r.AF != p.AddressFamily:
		return wsa.EAFNOSUPPORT
	case r.Type != 0 && r.Type != p.SocketType:
		return wsa.ESOCKTNOSUPPORT
	case !p.covers(r.Protocol):
		return wsa.EPROTONOSUPPORT
	}
	return 0
}

// nearer is the code of the better partial match: the search reports how far
// the best candidate came, not how far the last did.
func nearer(a, b wsa.Errno) wsa.Errno {
	order := []wsa.Errno{wsa.EAFNOSUPPORT, wsa.ESOCKTNOSUPPORT, wsa.EPROTONOSUPPORT}
	if slices.Index(order, b) > slices.Index(order, a) {
		return b
	}
	return a
}

func (s *Snapshot) resolveNamed(r *SocketRequest) (*Entry, Trace, wsa.Errno) {
	id := r.Info.CatalogEntryID
	e, ok := s.Entry(id)
	switch {
	case !ok:
		return nil, Trace{{Entry: id, Name: r.Info.Name, Outcome: "no such entry"}}, wsa.EINVAL
	case e.Layer != nil:
		return nil, Trace{e.step("a layer cannot be opened on its own")}, wsa.EINVAL
	case s.covered()[id]:
		return nil, Trace{e.step("only through its mandatory chain")}, wsa.EACCES
	case s.barred(e, r.Application) != nil:
		return nil, Trace{e.step("not for this program: " + s.barred(e, r.Application).Name)}, wsa.EINVAL
	}
	return e, Trace{e.step("named by the protocol info")}, 0
}

// selected is the name of the chain that a selection asks for, "" for none.
func (s *Snapshot) selected(r *SocketRequest, t *Trace) string {
	for i := range s.Select {
		q := &s.Select[i]
		if q.matches(r.Origin) {
			*t = append(*t, Step{Name: fmt.Sprintf("selection %d", i+1), Outcome: "chain " + q.Chain})
			return q.Chain
		}
	}
	return ""
}

func (q *Selection) matches(o *Origin) bool {
	if o == nil {
		o = &Origin{}
	}
	if q.Attachment != "" && q.Attachment != o.Attachment {
		return false
	}
	to := o.Destination
	if len(q.To) > 0 && !slices.ContainsFunc(q.To, func(p Prefix) bool {
		return to.Addr().IsValid() && p.Contains(to.Addr().Unmap())
	}) {
		return false
	}
	return len(q.Ports) == 0 || to.IsValid() && slices.ContainsFunc(q.Ports, func(p PortRange) bool {
		return p.First <= to.Port() && to.Port() <= p.Last
	})
}

// covered are the entries that are reached only through a mandatory chain: what
// such a chain stands on, and every other chain to the same base that does not
// go through one.
func (s *Snapshot) covered() map[CatalogID]bool {
	m := make(map[CatalogID]bool)
	var must []*Entry
	for i := range s.Entries {
		e := &s.Entries[i]
		if !e.Mandatory {
			continue
		}
		must = append(must, e)
		for _, id := range append(slices.Clone(e.Storeys), e.Info.Chain.IDs()...) {
			m[id] = true
		}
	}
	for i := range s.Entries {
		e := &s.Entries[i]
		if e.Storeys != nil && !e.Mandatory && m[e.Storeys[len(e.Storeys)-1]] && !e.standsOn(must) {
			m[e.Info.CatalogEntryID] = true
		}
	}
	for _, e := range must { // one may stand on another; the upper is the way
		if !e.coveredBy(must) {
			delete(m, e.Info.CatalogEntryID)
		}
	}
	return m
}

// standsOn reports whether e has one of the chains whole at its foot.
func (e *Entry) standsOn(chains []*Entry) bool {
	return slices.ContainsFunc(chains, func(c *Entry) bool {
		n := len(e.Storeys) - len(c.Storeys)
		return n >= 0 && slices.Equal(e.Storeys[n:], c.Storeys)
	})
}

// coveredBy reports whether another of the chains stands on e.
func (e *Entry) coveredBy(chains []*Entry) bool {
	return slices.ContainsFunc(chains, func(c *Entry) bool {
		return c != e && len(c.Storeys) > len(e.Storeys) && c.standsOn([]*Entry{e})
	})
}
