package gateway

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
)

// Procs is the runtime.GOMAXPROCS at which a process that is a gateway and
// nothing else does best as long as one flow at a time has work for it: half of
// the CPUs, at least one. The program behind the gateway, whoever it talks to, and
// the kernel's work for both need the others; and with an idle P the scheduler
// wakes a second thread at every hand-over, which finds nothing, while data that
// one CPU has read is sent on by the other.
//
// CPUs are those that the runtime would use: a cgroup's limit counts. What the
// environment variable GOMAXPROCS says is kept.
func Procs() int { return procs().low }

// Pace sets runtime.GOMAXPROCS for such a process: to Procs, and for as long as
// several flows wait for a P that is always busy, to all CPUs. The table is why: 2
// CPUs, a quiet machine, Gbit/s, the median of 3 to 4 (netnsd bench --table
// gateway, beside it what GOMAXPROCS in the environment makes of it):
//
//	       1 upload  8 uploads  1 download  8 downloads  16 ping-pongs
//	1 P        32.9       25.9        28.7         20.5       29 000/s
//	2 P        23.5       27.6        22.7         23.2       33 800/s
//
// Call it before the stack is made, which takes its measure from GOMAXPROCS. stop
// ends it, leaves GOMAXPROCS as it was found, and waits. Only one at a time.
func Pace() (stop func()) {
	p := procs()
	found := runtime.GOMAXPROCS(p.low)
	end := p.pace()
	return func() {
		end()
		runtime.GOMAXPROCS(found)
	}
}

// bounds are the numbers of Ps between which is chosen.
type bounds struct{ low, high int }

var procs = sync.OnceValue(func() bounds {
	n := runtime.GOMAXPROCS(0)
	if os.Getenv("GOMAXPROCS") != "" {
		return bounds{n, n}
	}
	return bounds{max(1, n/2), n}
})

// bustle is what the loops of all gateways tell of themselves.
var bustle struct {
	turns   atomic.Uint64 // tasks taken
	crowded atomic.Uint64 // of those, with others left waiting
	flooded atomic.Bool   // a bound is reached: attempts wait for their turn (starts), associations are evicted
	unheard atomic.Bool   // somebody wants to hear of the next one that is crowded
	heard   chan struct{}
}

func init() { bustle.heard = make(chan struct{}, 1) }

// flooded is told that all CPUs are needed, whatever else speaks against it.
func flooded() {
	bustle.flooded.Store(true)
	took(true)
}

// took is told of a task taken.
func took(crowded bool) {
	bustle.turns.Add(1)
	if !crowded {
		return
	}
	bustle.crowded.Add(1)
	if bustle.unheard.Load() && bustle.unheard.CompareAndSwap(true, false) {
		bustle.heard <- struct{}{} // has room: unheard was set after it was drained
	}
}
