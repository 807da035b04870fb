package gateway

import (
	"math"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// What pace goes by, in each beat.
const (
	beat = 25 * time.Millisecond
	// rise: as busy as this, and as often crowded, in a row
	busyToRise, crowdedToRise, beatsToRise = 0.7, 0.5, 2
	// fall: less crowded, or less busy of the many, in a row
	busyToFall, crowdedToFall, beatsToFall = 0.6, 0.05, 8
)

// pace raises and lowers GOMAXPROCS until stop. It sleeps, without a timer, while
// nothing is crowded.
func (p bounds) pace() (stop func()) {
	if p.low == p.high {
		return func() {}
	}
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { p.run(done) })
	return func() {
		close(done)
		running.Wait()
	}
}

func (p bounds) run(done <-chan struct{}) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		tick.Stop()
		bustle.unheard.Store(true)
		select {
		case <-bustle.heard:
		case <-done:
			if !bustle.unheard.CompareAndSwap(true, false) {
				<-bustle.heard // the next one finds it drained
			}
			return
		}
		tick.Reset(beat)
		if !p.awake(tick.C, done) {
			return
		}
	}
}

// awake looks at each beat until it is quiet again; false at the end.
func (p bounds) awake(tick <-chan time.Time, done <-chan struct{}) bool {
	var m meter
	m.read()
	s := step{bounds: p, now: p.low}
	defer func() { runtime.GOMAXPROCS(p.low) }()
	for {
		select {
		case <-tick:
		case <-done:
			return false
		}
		was := s.now
		if s.beat(m.read()) {
			return true
		}
		if s.now != was {
			runtime.GOMAXPROCS(s.now)
		}
	}
}

// step is what was decided and what speaks for another decision.
type step struct {
	bounds
	now        int
	rise, fall int // beats in a row
}

// beat is true when it is quiet.
func (s *step) beat(busy, crowded float64) (quiet bool) {
	switch {
	case busy >= busyToRise*float64(s.now) && crowded >= crowdedToRise:
		s.rise, s.fall = s.rise+1, 0
	case busy < busyToFall*float64(s.now) || crowded < crowdedToFall:
		s.rise, s.fall = 0, s.fall+1
	default:
		s.rise, s.fall = 0, 0
	}
	if s.rise >= beatsToRise {
		s.now = s.high
	}
	return s.fall >= beatsToFall
}

// meter tells what happened between two readings.
type meter struct {
	at             time.Time
	cpu            time.Duration
	turns, crowded uint64
}

// read is how many CPUs the process has used, and what part of the turns was crowded;
// in a flood all that there are, and all.
func (m *meter) read() (busy, crowded float64) {
	var ru syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &ru) != nil {
		return 0, 0
	}
	was := *m
	*m = meter{time.Now(), time.Duration(ru.Utime.Nano() + ru.Stime.Nano()), bustle.turns.Load(), bustle.crowded.Load()}
	busy = float64(m.cpu-was.cpu) / float64(m.at.Sub(was.at))
	crowded = float64(m.crowded-was.crowded) / float64(max(1, m.turns-was.turns))
	if bustle.flooded.Swap(false) {
		return math.Inf(1), 1
	}
	return busy, crowded
}
