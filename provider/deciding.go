package provider

import (
	"runtime/debug"
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
)

// Decide asks the deciding layers of the chain, from the application down. The
// first denial is the answer, else the first shadow of one, else the first Allow,
// else NoOpinion.
func (c *Chain) Decide(f Facts, op Op) Verdict { return c.decideFor(nil, f, op) }

// decideFor leaves out the layers that s passes by.
func (c *Chain) decideFor(s *Socket, f Facts, op Op) Verdict {
	var answer Verdict
	for i := range c.deciders {
		v := c.deciders[i].decide(s, f, op)
		if v.Denied() {
			return v
		}
		if answer.Action == NoOpinion || v.Shadow && !answer.Shadow {
			answer = v
		}
	}
	return answer
}

// Explain is Decide with the answer of each deciding layer, in order.
func (c *Chain) Explain(f Facts, op Op) []Verdict {
	var all []Verdict
	for i := range c.deciders {
		all = append(all, c.deciders[i].decide(nil, f, op))
	}
	return all
}

// deciding is one Decider of a chain, contained.
type deciding struct {
	d     Decider
	guard *guard
	sends bool // Deciding has left WSPSendTo to the builder
}

// decide asks for s, or for what has no socket (nil): then the breaker says whether the
// layer is asked at all.
func (d *deciding) decide(s *Socket, f Facts, op Op) Verdict {
	if f.Origin == nil {
		f.Origin = &Origin{UID: -1}
	}
	g := d.guard
	switch {
	case s == nil && !g.breaker.asks():
		return d.failing()
	case s == nil:
		return d.timed(nil, g.call(opDecide, nil), f, op)
	case g.passes(s):
		return Verdict{Layer: g.layer}
	case op == OpSendTo:
		l := &g.flight(s).asked
		measured := l.begin(opDecide)
		defer l.end(0)
		if measured {
			return d.timed(s, nil, f, op)
		}
		return d.ask(s, nil, f, op)
	}
	defer end(g.begin(opDecide, s))
	return d.timed(s, nil, f, op)
}

func (d *deciding) timed(s *Socket, k *call, f Facts, op Op) Verdict {
	start := time.Now()
	v := d.ask(s, k, f, op)
	d.guard.probe.deciding.enter(time.Since(start))
	return v
}

// ask is the call; k is for the watchdog if s is nil.
func (d *deciding) ask(s *Socket, k *call, f Facts, op Op) (v Verdict) {
	returned := false
	defer func() {
		if k != nil {
			k.leave()
		}
		if !returned {
			d.guard.report(Panicked, opDecide.String(), s, orExit(recover()), debug.Stack())
			v = d.failing()
		}
		d.guard.probe.of(s).judged(v)
	}()
	if k == nil {
		v = d.d.Decide(f, op)
	} else {
		sought(k, func() { v = d.d.Decide(f, op) })
	}
	returned = true
	v.Layer = d.guard.layer
	if v.Action > Allow {
		switch v.Errno {
		case 0, wsa.EWOULDBLOCK, wsa.IO_PENDING, wsa.EINPROGRESS: // these mean "later", not "no"
			v.Errno = wsa.EACCES
		}
	}
	return v
}

// failing is the verdict of a layer that cannot decide.
func (d *deciding) failing() Verdict {
	if d.guard.on == FailOpen {
		return Verdict{Layer: d.guard.layer, Rule: "on_failure: open"}
	}
	return Verdict{Action: Deny, Errno: wsa.EACCES, Layer: d.guard.layer, Rule: "on_failure: closed"}
}
