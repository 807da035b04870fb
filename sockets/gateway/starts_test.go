package gateway

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// In a flood so many begin in a millisecond, who gives up lets the next one have its
// turn, and when nobody waits everybody may begin again.
func TestStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s starts
		var begun, gone atomic.Int64
		canceled := make(chan struct{})
		enter := func(n, inFlight int, canceled <-chan struct{}) {
			for range n {
				go func() {
					if s.enter(inFlight, canceled) {
						begun.Add(1)
					} else {
						gone.Add(1)
					}
				}()
			}
			synctest.Wait()
		}
		expect := func(when string, want int64) {
			t.Helper()
			synctest.Wait()
			if got := begun.Swap(0); got != want {
				t.Errorf("%s: %d began, want %d", when, got, want)
			}
		}
		enter(1000, manyStarts, nil)
		expect("no flood", 1000)
		enter(50, manyStarts+1, canceled)
		expect("a burst", startBurst)
		enter(1, 1, canceled)
		expect("one that comes in a flood", 0)
		for range 3 {
			time.Sleep(startRest)
			expect("after a rest", startBurst)
		}
		close(canceled)
		synctest.Wait()
		if want := int64(51 - 4*startBurst); gone.Load() != want {
			t.Errorf("%d have given up, want %d", gone.Load(), want)
		}
		enter(6, manyStarts+1, nil)
		time.Sleep(startRest)
		expect("after those who gave up", startBurst)
		time.Sleep(startRest)
		expect("the rest of them", 6-startBurst)
		time.Sleep(startRest)
		enter(100, 1, nil)
		expect("when the flood is over", 100)
		s.close()
	})
	bustle.flooded.Store(false)
}

// An allowance is for each millisecond, and what is left of one is not kept.
func TestAllowance(t *testing.T) {
	var a allowance
	take := func(now int64, n, want int) {
		t.Helper()
		got := 0
		for range n {
			if a.take(now) {
				got++
			}
		}
		if got != want {
			t.Errorf("at %d: %d of %d, want %d", now, got, n, want)
		}
	}
	take(5e6, 10, evictBurst)
	take(6e6, 10, 0)
	take(6e6+1, 1, 1)
	take(7e6, 10, evictBurst-1)
	take(9e9, 10, evictBurst)
}
