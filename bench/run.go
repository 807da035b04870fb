//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/netnsd/netnsd/bench/internal/contender"
	"github.com/netnsd/netnsd/bench/internal/lab"
	"github.com/netnsd/netnsd/bench/report"
)

// Run measures, in namespaces that it makes and removes, whatever happens. When
// ctx ends it undoes everything and returns what it has together with ctx.Err().
// progress may be nil.
func (p *Plan) Run(ctx context.Context, progress func(Step)) (*report.Report, error) {
	rep, start := p.blank(), time.Now()
	l, err := lab.Open()
	if err != nil {
		return rep, err
	}
	err = p.run(ctx, l, progress, rep)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	err = errors.Join(err, l.Close())
	rep.Seconds = time.Since(start).Seconds()
	return rep, err
}

func (p *Plan) run(ctx context.Context, l *lab.Lab, progress func(Step), rep *report.Report) error {
	stage, err := contender.NewStage(ctx, l)
	if err != nil {
		return err
	}
	stage.Profile = p.options.Profile
	r := &run{Plan: p, stage: stage, progress: progress, start: time.Now(), left: p.Estimate()}
	for i := range p.tables {
		if err := r.table(ctx, &p.tables[i], &rep.Tables[i]); err != nil {
			return err
		}
	}
	r.step("done")
	return nil
}

// run is a Plan at work.
type run struct {
	*Plan
	stage    *contender.Stage
	progress func(Step)

	start      time.Time
	done       int
	past, left time.Duration // estimated
}

// step tells where the run is. What is left is the estimate, corrected by how
// long what is done has taken.
func (r *run) step(what string) {
	if r.progress == nil {
		return
	}
	left := r.left
	if r.past > time.Second {
		left = time.Duration(float64(r.left) * float64(time.Since(r.start)) / float64(r.past))
	}
	r.progress(Step{Done: r.done, All: r.Figures(), What: what, Left: left})
}

func (r *run) passed(d time.Duration) { r.past, r.left = r.past+d, max(0, r.left-d) }

func (r *run) table(ctx context.Context, t *table, out *report.Table) error {
	seats := []*seat{r.seat(t.subject)}
	for _, name := range t.baselines {
		seats = append(seats, r.seat(name))
	}
	for rep := range r.pace.repetitions {
		if err := r.repetition(ctx, t, out, seats, rep); err != nil {
			return err
		}
	}
	for i := range t.rows {
		for j, s := range seats {
			if o := &out.Rows[i].Series[j]; len(o.Samples) == 0 && o.Missing == "" {
				o.Missing = fmt.Sprint(s.why[t.rows[i].name])
			}
		}
	}
	return nil
}

// repetition sets every contender up anew, so that none inherits the garbage and
// the luck of the repetition before, and takes one figure of each under each
// workload. Who begins changes from one to the next: whoever comes after somebody
// who heats the machine is not always the same.
func (r *run) repetition(ctx context.Context, t *table, out *report.Table, seats []*seat, rep int) (err error) {
	defer func() {
		for _, s := range seats {
			err = errors.Join(err, s.stop())
		}
	}()
	for i, w := range t.rows {
		if rep >= r.repetitions(w) {
			continue
		}
		for k := range seats {
			j := (k + rep) % len(seats)
			s, series := seats[j], &out.Rows[i].Series[j]
			r.step(fmt.Sprintf("%s %d/%d: %s %s", t.Name, rep+1, r.repetitions(w), w.name, s.Name))
			sample, err := r.attempt(ctx, s, w)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := r.stage.Err(); err != nil {
				return err // nobody has a chance any more
			}
			if err == nil {
				sample.Repetition = rep
				series.Samples = append(series.Samples, sample)
			}
			r.done++
			r.passed(r.takes(w))
		}
	}
	r.passed(time.Duration(len(seats)) * setUp)
	return nil
}
