//go:build linux

package bench

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/netnsd/netnsd/bench/internal/contender"
	"github.com/netnsd/netnsd/bench/report"
)

// seat is a contender at one table.
type seat struct {
	contender.Contender
	running *contender.Running
	failed  map[string]int   // attempts that came to nothing, by row
	why     map[string]error // the last reason
}

// strikes is how many repetitions of a row may fail before it is given up.
const strikes = 2

func (r *run) seat(name string) *seat {
	return &seat{Contender: r.contenders[name], failed: map[string]int{}, why: map[string]error{}}
}

// attempt takes a figure, and another one from a contender set up anew if the
// first fails: who breaks under one load is not to be missing under the next.
func (r *run) attempt(ctx context.Context, s *seat, w row) (sample report.Sample, err error) {
	if s.Missing != "" || w.absent != "" {
		return sample, errors.New(cmp.Or(s.Missing, w.absent))
	}
	if s.failed[w.name] >= strikes {
		return sample, s.why[w.name]
	}
	for range 2 {
		if sample, err = r.once(ctx, s, w); err == nil || ctx.Err() != nil {
			return sample, err
		}
		r.options.Log.Warn("a figure failed", "workload", w.name, "contender", s.Name, "error", err)
		err = errors.Join(err, s.stop())
	}
	s.failed[w.name]++
	s.why[w.name] = err
	return sample, err
}

func (r *run) once(ctx context.Context, s *seat, w row) (report.Sample, error) {
	if s.running == nil && !w.bare {
		running, err := r.stage.Start(ctx, s.Contender)
		if err != nil {
			return report.Sample{}, err
		}
		s.running = running
	}
	f := &figure{row: w, pace: r.pace, seat: s, stage: r.stage}
	ctx, cancel := context.WithTimeoutCause(ctx, 2*r.takes(w)+30*time.Second, errors.New("it takes too long"))
	defer cancel()
	if w.measure != nil {
		return w.measure(ctx, f)
	}
	return f.loaded(ctx)
}

func (s *seat) stop() error {
	if s.running == nil {
		return nil
	}
	r := s.running
	s.running = nil
	return r.Stop()
}
