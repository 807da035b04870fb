package gateway

import (
	"runtime"
	"testing"
)

func TestPaceSteps(t *testing.T) {
	type reading struct{ busy, crowded float64 }
	many := func(n int, r reading) (out []reading) {
		for range n {
			out = append(out, r)
		}
		return out
	}
	for _, c := range []struct {
		name  string
		now   int
		heard []reading
		want  int
		quiet bool
	}{
		{"busy with several flows", 1, many(beatsToRise, reading{0.9, 0.9}), 2, false},
		{"not for a moment only", 1, many(beatsToRise-1, reading{0.9, 0.9}), 1, false},
		{"not with a break", 1, []reading{{0.9, 0.9}, {0.9, 0.1}, {0.9, 0.9}}, 1, false},
		{"one flow", 1, many(beatsToFall-1, reading{1, 0}), 1, false},
		{"one flow for long", 1, many(beatsToFall, reading{1, 0}), 1, true},
		{"several flows with little to do", 1, many(beatsToFall, reading{0.2, 0.9}), 1, true},
		{"stays up", 2, many(100, reading{1.3, 0.3}), 2, false},
		{"one P would do", 2, many(beatsToFall, reading{0.9, 0.9}), 2, true},
		{"one flow is left", 2, many(beatsToFall, reading{1.9, 0.01}), 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, quiet := step{bounds: bounds{1, 2}, now: c.now}, false
			for _, r := range c.heard {
				quiet = s.beat(r.busy, r.crowded)
			}
			if s.now != c.want || quiet != c.quiet {
				t.Errorf("%d Ps, quiet %v; want %d, %v", s.now, quiet, c.want, c.quiet)
			}
		})
	}
}

// TestPaceStops: at any moment, heard of or not, with GOMAXPROCS as it was.
func TestPaceStops(t *testing.T) {
	found := runtime.GOMAXPROCS(0)
	for i := range 200 {
		stop := bounds{1, 2}.pace()
		for range i % 5 {
			took(true)
			runtime.Gosched()
		}
		stop()
	}
	select {
	case <-bustle.heard:
		t.Error("something is left to be heard")
	default:
	}
	if bustle.unheard.Load() {
		t.Error("somebody still wants to hear")
	}
	runtime.GOMAXPROCS(found)
}

// A flood gives Pace all CPUs, whatever the share of turns that are crowded.
func TestPaceInFlood(t *testing.T) {
	var m meter
	m.read()
	for range 1000 {
		took(false)
	}
	flooded()
	s := step{bounds: bounds{1, 2}, now: 1}
	for range beatsToRise {
		bustle.flooded.Store(true)
		if s.beat(m.read()) {
			t.Error("quiet")
		}
	}
	if s.now != 2 {
		t.Errorf("%d Ps", s.now)
	}
	if busy, crowded := m.read(); crowded != 0 || busy > 100 {
		t.Errorf("after the flood: %v busy, %v crowded", busy, crowded)
	}
}
