//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"

	"github.com/netnsd/netnsd/bench/internal/contender"
	"github.com/netnsd/netnsd/bench/internal/lab"
	"github.com/netnsd/netnsd/bench/internal/load"
	"github.com/netnsd/netnsd/bench/report"
)

// A figure is about to be taken.
type figure struct {
	row
	pace
	*seat
	stage *contender.Stage
}

// loaded is the ordinary figure: a generator carries the row's load.
func (f *figure) loaded(ctx context.Context) (report.Sample, error) {
	return f.carried(ctx, f.running.Load)
}

// visited has the servers inside, and the generator outside.
func (f *figure) visited(ctx context.Context) (_ report.Sample, err error) {
	if !f.running.Published.IsValid() {
		return report.Sample{}, fmt.Errorf("bench: %s publishes nothing", f.Name)
	}
	servers, err := f.running.Serve(ctx)
	if err != nil {
		return report.Sample{}, err
	}
	defer func() { err = errors.Join(err, servers.Stop()) }()
	return f.carried(ctx, f.running.Visit)
}

func (f *figure) carried(ctx context.Context, by func(context.Context) (*lab.Child, error)) (_ report.Sample, err error) {
	g, err := by(ctx)
	if err != nil {
		return report.Sample{}, err
	}
	defer func() { err = errors.Join(err, g.Stop()) }()
	s := f.load
	s.Warmup, s.Measure = max(f.pace.warmup, f.row.warmup), max(f.pace.measure, f.window)
	if n, ok := f.conns[f.Name]; ok {
		s.Conns = n
	}
	var r load.Result
	if err := g.Call(ctx, "figure", s, &r); err != nil {
		return report.Sample{}, err
	}
	return sample(r.Rate, r), nil
}

// sample is a value, and what it took.
func sample(value float64, r load.Result) report.Sample {
	return report.Sample{Value: value, CPU: r.CPU, Own: r.Own, Memory: r.Memory, Detail: r.Detail}
}
