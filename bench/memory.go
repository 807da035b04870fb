//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/netnsd/netnsd/bench/report"
)

// primed is how many connections a contender has seen before its memory is
// looked at: code and tables that the first one needs are not what one more costs.
const primed = 100

// idle is what a contender holds for each of n connections on which nothing
// moves.
func idle(n int) row {
	return row{
		name: fmt.Sprint("idle", n), title: fmt.Sprintf("memory of an idle flow, of %d", n), unit: "KiB", less: true,
		measure: func(ctx context.Context, f *figure) (report.Sample, error) { return f.held(ctx, n) },
		files:   n + spareFiles, extra: time.Second + time.Duration(n)*time.Second/2000,
	}
}

func (f *figure) held(ctx context.Context, n int) (_ report.Sample, err error) {
	g, err := f.running.Load(ctx)
	if err != nil {
		return report.Sample{}, err
	}
	defer func() { err = errors.Join(err, g.Stop()) }()
	var before, after int64
	for _, step := range []struct {
		conns int
		is    *int64
	}{{primed, nil}, {0, &before}, {n, &after}} {
		if err := g.Call(ctx, "hold", step.conns, nil); err != nil {
			return report.Sample{}, err
		}
		if step.is != nil {
			if *step.is, err = f.settled(ctx); err != nil {
				return report.Sample{}, err
			}
		}
	}
	return report.Sample{Value: float64(after-before) / 1024 / float64(n), Memory: after}, nil
}

// settled is the contender's memory when it has stopped to change: handshakes
// end, buffers go back.
func (f *figure) settled(ctx context.Context) (int64, error) {
	last := int64(-1)
	for range 20 {
		m, err := f.running.Memory(ctx)
		if err != nil {
			return 0, err
		}
		if m == last || last > 0 && max(m-last, last-m) < last/200 {
			return m, nil
		}
		last = m
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return last, nil
}
