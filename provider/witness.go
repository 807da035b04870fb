package provider

import "github.com/netnsd/netnsd/provider/wsa"

// A Witness is a layer that wants to be told of decisions that were made
// without a socket: a lookup at the gateway's name service, once it is answered. It
// must not block.
type Witness interface {
	Witness(Facts, Op, Verdict)
}

// Witness tells the chain's witnesses of v, contained like every call of a layer.
func (c *Chain) Witness(f Facts, op Op, v Verdict) {
	for _, w := range c.witnesses {
		w.guard.tell(opWitness, func() { w.w.Witness(f, op, v) })
	}
}

// An AnswerWitness is a layer that wants to be told of the lookups that found
// something: the gateway's name service has an answer, and the program has not got
// it yet. It must not block.
type AnswerWitness interface {
	Answered(Facts)
}

// Answered tells the chain's answer witnesses that the lookup of f was answered.
func (c *Chain) Answered(f Facts) {
	for _, l := range c.listeners {
		l.guard.tell(opAnswered, func() { l.a.Answered(f) })
	}
}

type witness struct {
	w     Witness
	guard *guard
}

type listener struct {
	a     AnswerWitness
	guard *guard
}

// tell calls a layer for what has no socket, unless its breaker is open.
func (g *guard) tell(op entry, f func()) {
	if !g.breaker.asks() {
		return
	}
	var e wsa.Errno
	g.run(g.call(op, nil), &e, f)
}
