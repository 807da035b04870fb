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

// OnFailure says what a layer's failure means: that of a decision (a panic in Decide),
// and that the layer has failed so often that its breaker is open ([Chain.Breakers]). A
// deciding layer must state it: the builder refuses FailureUnstated. Others may (see
// [FailureStater]), and are closed.
type OnFailure uint8

// Answers to a failing layer.
const (
	FailureUnstated OnFailure = iota
	// FailClosed: a decision is a denial with EACCES; while the breaker is open, WSPSocket
	// fails with EPROVIDERFAILEDINIT and a listener's connections are reset.
	FailClosed
	// FailOpen: as if the layer were not there; while the breaker is open, sockets are
	// made without it. It is for layers that merely observe, and for those whose work is
	// worth less than the connection.
	FailOpen
)

func (o OnFailure) String() string {
	return [...]string{"unstated", "closed", "open"}[min(o, FailOpen)]
}

// A FailureStater is a layer that states what its failure means. It is asked once, when
// the chain is built.
type FailureStater interface{ OnFailure() OnFailure }

// A Decider is a layer that decides. Decide is pure: no I/O, no clock, no state
// of its own that a decision changes; explain, shadow mode, policy diff, reload
// and the DNS service call the same function as the sockets do, so that none
// of them can lie.
type Decider interface {
	Layer
	Decide(Facts, Op) Verdict
	OnFailure() OnFailure
}
