//go:build linux

package bench

import (
	"context"
	"errors"

	"github.com/netnsd/netnsd/bench/internal/contender"
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
func (f *figure) loaded(ctx context.Context) (_ report.Sample, err error) {
	g, err := f.running.Load(ctx)
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
