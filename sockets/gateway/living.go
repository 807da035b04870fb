package gateway

import (
	"fmt"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Living says what becomes of flows that live while the catalog changes. The zero
// value resets those that are denied now, and no other.
type Living struct {
	// KeepDenied has connections go on that the new rules deny, and answers come to
	// datagrams. A datagram itself is judged by the rules of its time.
	KeepDenied bool
	// Old is for flows that are allowed, and whose chain has gone: published ports are
	// none, see [Published.Leave].
	Old Old
	// Drain is how long they may take to end with DrainOld.
	Drain time.Duration
}

// Old says what becomes of flows on a chain that is none of the catalog's any more.
type Old uint8

// What becomes of them.
const (
	PinOld   Old = iota // they go on with the chain that they began with, until they end
	DrainOld            // they may end in Living.Drain, and are reset then
	ResetOld            // they are reset, and begin anew on the chain of now
)

func (o Old) String() string {
	switch o {
	case PinOld:
		return "pin"
	case DrainOld:
		return "drain"
	case ResetOld:
		return "reset"
	}
	return fmt.Sprintf("old%d", uint8(o))
}

// Rejudged counts what Rejudge has found.
type Rejudged struct {
	Denied int // flows, peers of datagram sockets, and published ports that are denied now
	Old    int // flows on a chain that has gone, besides
	Reset  int // of both, those that were reset
}

// rejudging is one Rejudge.
type rejudging struct {
	Living
	Rejudged
	old []*provider.Socket
}

// denies counts v if it is a denial; true if something is to be done about it.
func (r *rejudging) denies(v provider.Verdict) bool {
	if !v.Denied() {
		return false
	}
	r.Denied++
	if r.KeepDenied {
		return false
	}
	r.Reset++
	return true
}

// fails fails s if v is a denial.
func (r *rejudging) fails(s *provider.Socket, v provider.Verdict) bool {
	if !r.denies(v) {
		return false
	}
	s.Fail(v.Errno, fmt.Sprintf("denied since the rules have changed: %s", v))
	return true
}

// judged is s after the verdict v of now, its chain by the catalog of now.
func (r *rejudging) judged(s *provider.Socket, now *provider.Chain, v provider.Verdict) {
	if !r.fails(s, v) && !v.Denied() && now != s.Chain() {
		r.isOld(s)
	}
}

// isOld has s among those whose chain has gone.
func (r *rejudging) isOld(s *provider.Socket) {
	r.Rejudged.Old++
	r.old = append(r.old, s)
}

// settle does with the old ones what was asked for.
func (g *Gateway) settle(r *rejudging) Rejudged {
	switch {
	case r.Living.Old == ResetOld:
		r.Reset += len(r.old)
		resetOld(r.old)
	case r.Living.Old == DrainOld && len(r.old) > 0:
		g.drainOld(r.old, r.Drain)
	}
	return r.Rejudged
}

func resetOld(all []*provider.Socket) {
	for _, s := range all {
		s.Fail(wsa.ECONNABORTED, "its chain has gone: the configuration was changed")
	}
}

// drainOld resets all in d, those that have not ended by then. A socket that was
// closed meanwhile does not notice.
func (g *Gateway) drainOld(all []*provider.Socket, d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	g.running.Add(1)
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		defer g.running.Done()
		g.mu.Lock()
		delete(g.drains, t)
		g.mu.Unlock()
		resetOld(all)
	})
	if g.drains == nil {
		g.drains = make(map[*time.Timer]struct{})
	}
	g.drains[t] = struct{}{}
}

// undrain ends what waits for its time. g.mu is held.
func (g *Gateway) undrain() {
	for t := range g.drains {
		if t.Stop() {
			g.running.Done()
		}
	}
	g.drains = nil
}

// rejudgeAlone is for a flow that Rejudge has not met, or not known enough of.
func (g *Gateway) rejudgeAlone(p *splice) {
	r := new(rejudging)
	g.mu.Lock()
	r.Living = g.living
	g.mu.Unlock()
	r.KeepDenied = false // nobody has seen it live
	g.rejudge(p, r)
	g.settle(r)
}
