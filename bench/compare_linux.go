package bench

import (
	"context"
	"errors"
	"time"
)

// Options of a comparison. Zero is the default.
type Options struct {
	Repetitions int           // 3
	Measure     time.Duration // of each figure; 1 s
	Warmup      time.Duration // before it; 300 ms
	// Progress is told before each figure; nil: nobody is.
	Progress func(done, all int, what string)
}

// Compare measures all variants under all workloads, as root, in namespaces
// that it makes and removes. It takes about
// 9 × Repetitions × (Measure + Warmup + 0.2 s).
func Compare(ctx context.Context, o Options) (_ *Report, err error) {
	if o.Repetitions == 0 {
		o.Repetitions = 3
	}
	if o.Measure == 0 {
		o.Measure = time.Second
	}
	if o.Warmup == 0 {
		o.Warmup = 300 * time.Millisecond
	}
	if o.Progress == nil {
		o.Progress = func(int, int, string) {}
	}
	variants := []struct {
		name string
		make func() (*rig, error)
	}{{Veth, newVeth}, {Ours, newOurs}, {Naive, newNaive}}
	workloads := []string{Up, Down, PingPong}

	r := &Report{MTU: MTU, Seconds: o.Measure.Seconds(), Figures: make(map[string]map[string][]float64)}
	all, done := o.Repetitions*len(workloads)*len(variants), 0
	for range o.Repetitions {
		for _, w := range workloads {
			if r.Figures[w] == nil {
				r.Figures[w] = make(map[string][]float64)
			}
			for _, v := range variants {
				o.Progress(done, all, w+" "+v.name)
				f, err := measure(ctx, v.make, load{Workload: w, Warmup: o.Warmup, Measure: o.Measure})
				if err != nil {
					return nil, err
				}
				r.Figures[w][v.name] = append(r.Figures[w][v.name], f)
				done++
			}
		}
	}
	o.Progress(done, all, "done")
	return r, nil
}

// measure sets a variant up anew for each figure, so that none inherits the
// garbage, the ports or the warm buffers of the one before.
func measure(ctx context.Context, make func() (*rig, error), l load) (figure float64, err error) {
	r, err := make()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	l.Host = r.host
	res, err := l.start(ctx, r.netns)
	if err != nil {
		return 0, err
	}
	rate := res.Count / res.Seconds
	if l.Workload != PingPong {
		rate *= 8 / 1e9
	}
	return rate, nil
}
