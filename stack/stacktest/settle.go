package stacktest

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

// Settling has one goroutine run at a time until the test ends, as Settle needs it.
// It is not for parallel tests.
func Settling(t testing.TB) {
	before := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

// Settle lets goroutines run until all wait for something. Who then moves a fake
// clock on measures that clock's time and nothing of this machine's, as long as
// nobody waits for the system's clock. It wants Settling.
func Settle() {
	runnable := [1]metrics.Sample{{Name: "/sched/goroutines/runnable:goroutines"}}
	for {
		runtime.Gosched()
		if metrics.Read(runnable[:]); runnable[0].Value.Uint64() == 0 {
			return
		}
	}
}

// Run moves the fake clock on by a millisecond and settles, again and again, until
// done says so or limit has passed. It tells how much fake time it took, and whether
// done said so.
func (p *Pair) Run(limit time.Duration, done func() bool) (took time.Duration, ok bool) {
	Settle()
	for begin := p.Clock.NowMonotonic(); ; {
		took = p.Clock.NowMonotonic().Sub(begin)
		if ok = done(); ok || took >= limit {
			return took, ok
		}
		p.Clock.Advance(time.Millisecond)
		Settle()
	}
}
