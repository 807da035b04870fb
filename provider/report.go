package provider

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/netnsd/netnsd/provider/wsa"
)

// Kind is what a layer did that a guard caught.
type Kind uint8

// Kinds of reports.
const (
	Panicked Kind = iota + 1 // it panicked, or ended the calling goroutine (runtime.Goexit)
	Stalled                  // it has not returned within [BuildConfig.Budget]
	Lied                     // what it returned cannot be
	Leaked                   // it has left something when its chain had ended
)

var kindNames = [...]string{"", "panic", "stall", "lie", "leak"}

func (k Kind) String() string { return kindNames[min(int(k), len(kindNames)-1)] }

// A Report is what a guard caught (law 14).
type Report struct {
	Kind   Kind
	Layer  string  // its name in the catalog; "above L" is who gave layer L a condition function
	Op     string  // entry, "wake", "timer", "goroutine" …
	Socket *Socket // failed by it; nil if there was none yet
	// Chain is the name in the catalog, Version the chain's ([Chain.Version]).
	Chain   string
	Version uint64
	// Value is what the layer panicked with, or in words what it did. Stack is that of
	// the goroutine; for a stall that of the call that does not return, if it was found.
	Value any
	Stack []byte
}

func (r *Report) Error() string {
	return fmt.Sprintf("provider: chain %s (version %d): layer %s: %s in %s: %v", r.Chain, r.Version, r.Layer, r.Kind, r.Op, r.Value)
}

// report tells the host, counts, and lets the breaker know. It does not fail the socket.
func (g *guard) report(kind Kind, op string, s *Socket, value any, stack []byte) *Report {
	r := &Report{Kind: kind, Layer: g.layer, Op: op, Chain: g.chain.name, Version: g.chain.Version, Socket: s, Value: value, Stack: stack}
	g.faults[kind].Add(1)
	if kind == Panicked {
		g.chain.panics.Add(1)
	}
	g.breaker.failed(r)
	g.chain.host.Reported(r)
	return r
}

// accuse reports and fails the socket: who sees the failure can read why.
func (g *guard) accuse(kind Kind, op string, s *Socket, value any) *Report {
	r := g.report(kind, op, s, value, debug.Stack())
	if s != nil {
		s.Fail(wsa.ECONNABORTED, r.Error())
	}
	return r
}

// most goroutines of which the stacks are looked through for one that stalls: all of
// them stand still meanwhile, some 10 µs for each.
const most = 2000

// sought runs f so that stackOf finds it by k.
//
//go:noinline
func sought(k *call, f func()) {
	f()
	runtime.KeepAlive(k)
}

// stackOf finds the goroutine that is in a guarded call for arg: a socket, or a call's
// record. Tracebacks have the arguments of functions in hexadecimal, if they are used
// after the call that is on its way. nil if there is none, or too many to look.
func stackOf(arg any) []byte {
	frame := fmt.Sprintf("%p", arg)
	if runtime.NumGoroutine() > most {
		return nil
	}
	all := make([]byte, 4<<20)
	all = all[:runtime.Stack(all, true)]
	for stack := range strings.SplitSeq(string(all), "\n\n") {
		for line := range strings.SplitSeq(stack, "\n") {
			if strings.Contains(line, "provider.") && strings.Contains(line, frame) {
				return []byte(stack)
			}
		}
	}
	return nil
}
