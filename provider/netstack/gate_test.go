package netstack_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/netnsd/netnsd/provider/netstack"
)

func TestGate(t *testing.T) {
	var g netstack.Gate
	if !g.Outside() {
		t.Error("nobody is inside")
	}
	g.Enter()
	if g.Leave() {
		t.Error("repeated for nobody")
	}
	g.Enter()
	g.Enter()
	if g.Outside() {
		t.Error("two are inside")
	}
	if g.Leave() {
		t.Error("repeated while one is inside")
	}
	if !g.Leave() {
		t.Error("not repeated")
	}
	if !g.Outside() {
		t.Error("the mark stayed")
	}
}

// TestGateLosesNothing: a State that was put off is always followed by a repetition.
func TestGateLosesNothing(t *testing.T) {
	var (
		g            netstack.Gate
		wg           sync.WaitGroup
		owed, repaid atomic.Int64
	)
	for range 4 {
		wg.Go(func() {
			for range 20000 {
				g.Enter()
				if !g.Outside() {
					owed.Add(1)
				}
				if g.Leave() {
					repaid.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if repaid.Load() == 0 || repaid.Load() > owed.Load() || !g.Outside() {
		t.Errorf("%d put off, %d repeated, open %v", owed.Load(), repaid.Load(), g.Outside())
	}
}
