package provider

import (
	"fmt"
	"net/netip"

	"github.com/netnsd/netnsd/provider/wsa"
)

// Op is what a deciding layer is asked about.
type Op uint8

// Operations that are decided.
const (
	OpLookup   Op = iota + 1 // a name is about to be resolved
	OpConnect                // a connection, or the peer of a datagram socket
	OpSendTo                 // one datagram's destination
	OpAccept                 // an incoming connection's peer
	OpListen                 // a listening socket's own address
	OpJoinLeaf               // a multicast group
	OpSNI                    // the server name of a ClientHello, or that a stream begins with none (Learned.Plain)
	OpHTTP                   // a request
)

var opNames = [...]string{"", "lookup", "connect", "sendto", "accept", "listen", "joinleaf", "sni", "http"}

func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return fmt.Sprintf("op%d", uint8(o))
}

// Facts are what a decision is made on: by value, so that deciding on each
// datagram allocates nothing. Unknown facts are zero.
type Facts struct {
	Origin         *Origin // never nil
	Type, Protocol int32   // SOCK_*, IPPROTO_*
	Local          Addr    // OpListen, OpAccept
	Remote         Addr    // destination, or the peer of OpAccept
	Names          []string
	Late           Learned
	Lookup         *Lookup // of a lookup that was answered, for witnesses; nil else
}

// A Lookup is what became of a query to the name service.
type Lookup struct {
	Type    string       // of the records asked for, as dig(1) has it: AAAA, TYPE65281
	RCode   string       // NOERROR, NXDOMAIN
	Answers []netip.Addr // some of them
}

// Action is what a verdict says.
type Action uint8

// Actions. NoOpinion leaves the decision to the other layers and, if none has
// an opinion, allows.
const (
	NoOpinion Action = iota
	Allow
	Deny
)

func (a Action) String() string { return [...]string{"none", "allow", "deny"}[min(a, Deny)] }

// A Verdict is one layer's answer. Errno is what a denied operation returns,
// and how it looks on the wire follows from it: ECONNREFUSED a reset, EACCES
// ICMP prohibited, E*UNREACH ICMP unreachable, ETIMEDOUT silence; a denied
// lookup is NXDOMAIN.
type Verdict struct {
	Action Action
	Errno  wsa.Errno
	Layer  string // the layer's name in the catalog
	Rule   string // the rule as written
	Pos    string // file:line:column of the rule, "" if it has none
	Reason string // why that rule, in words, where the rule does not say it itself
	Shadow bool   // Action is what it would be; it is not obeyed (provider/layer/shadow)
}

// Denied reports a denial, which any action but the first two is, unless it is a
// shadow.
func (v Verdict) Denied() bool { return v.Action > Allow && !v.Shadow }

func (v Verdict) String() string {
	s := v.Action.String()
	if v.Shadow {
		s = "would " + s
	}
	if v.Action > Allow {
		s += " " + v.Errno.Name()
	}
	if v.Layer != "" {
		s += " by " + v.Layer
	}
	if v.Rule != "" {
		s += fmt.Sprintf(" (%s)", v.Rule)
	}
	if v.Pos != "" {
		s += " at " + v.Pos
	}
	return s
}

// OnFailure says what a deciding layer's failure (a panic in Decide) means. A
// layer must state it: the builder refuses FailureUnstated.
type OnFailure uint8

// Answers to a failing decision.
const (
	FailureUnstated OnFailure = iota
	FailClosed                // deny with EACCES
	FailOpen                  // as if the layer were not there
)

// A Decider is a layer that decides. Decide is pure: no I/O, no clock, no state
// of its own that a decision changes; explain, shadow mode, policy diff, reload
// and the DNS service call the same function as the sockets do, so that none
// of them can lie.
type Decider interface {
	Layer
	Decide(Facts, Op) Verdict
	OnFailure() OnFailure
}

// Decide asks the deciding layers of the chain, from the application down. The
// first denial is the answer, else the first shadow of one, else the first Allow,
// else NoOpinion.
func (c *Chain) Decide(f Facts, op Op) Verdict {
	var answer Verdict
	for i := range c.deciders {
		v := c.deciders[i].decide(f, op)
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
		all = append(all, c.deciders[i].decide(f, op))
	}
	return all
}

// deciding is one Decider of a chain, contained.
type deciding struct {
	d     Decider
	guard guard
	on    OnFailure
	sends bool // Deciding has left WSPSendTo to the builder
}

func (d *deciding) decide(f Facts, op Op) (v Verdict) {
	if f.Origin == nil {
		f.Origin = &Origin{UID: -1}
	}
	defer d.failed(&v)
	v = d.d.Decide(f, op)
	v.Layer = d.guard.layer
	if v.Action > Allow {
		switch v.Errno {
		case 0, wsa.EWOULDBLOCK, wsa.IO_PENDING, wsa.EINPROGRESS: // these mean "later", not "no"
			v.Errno = wsa.EACCES
		}
	}
	return v
}

func (d *deciding) failed(v *Verdict) {
	p := recover()
	if p == nil {
		return
	}
	d.guard.report("Decide", nil, p)
	*v = Verdict{Layer: d.guard.layer, Rule: "on_failure: open"}
	if d.on != FailOpen {
		*v = Verdict{Action: Deny, Errno: wsa.EACCES, Layer: d.guard.layer, Rule: "on_failure: closed"}
	}
}

// A Witness is a layer that wants to be told of decisions that were made
// without a socket: a lookup at the gateway's name service, once it is answered. It
// must not block.
type Witness interface {
	Witness(Facts, Op, Verdict)
}

// Witness tells the chain's witnesses of v, contained like every call of a layer.
func (c *Chain) Witness(f Facts, op Op, v Verdict) {
	for _, w := range c.witnesses {
		w.tell(f, op, v)
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
		l.tell(f)
	}
}

type listener struct {
	a     AnswerWitness
	guard guard
}

func (l listener) tell(f Facts) {
	defer func() {
		if p := recover(); p != nil {
			l.guard.report("Answered", nil, p)
		}
	}()
	l.a.Answered(f)
}

type witness struct {
	w     Witness
	guard guard
}

func (w witness) tell(f Facts, op Op, v Verdict) {
	defer func() {
		if p := recover(); p != nil {
			w.guard.report("Witness", nil, p)
		}
	}()
	w.w.Witness(f, op, v)
}
