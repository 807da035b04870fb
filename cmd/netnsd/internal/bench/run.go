//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/netnsd/netnsd/bench/report"
)

// Run measures, or takes a stored result, and shows it. If ctx ends it shows
// what there is, and returns ctx's cause.
func Run(ctx context.Context, c Config) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	var earlier *report.Report
	if c.Baseline != "" {
		if earlier, err = report.ReadFile(c.Baseline); err != nil {
			return wrong(fmt.Errorf("--baseline: %w", err))
		}
	}
	if c.From != "" {
		rep, err := report.ReadFile(c.From)
		if err != nil {
			return wrong(fmt.Errorf("--from: %w", err))
		}
		out, err := c.open()
		if err != nil {
			return err
		}
		return c.finish(out, report.Evaluate(rep, earlier))
	}
	return c.measure(ctx, earlier)
}

func (c *Config) measure(ctx context.Context, earlier *report.Report) error {
	show := newProgress(c.Words, c.Terminal)
	p, err := c.begin(show)
	if err != nil {
		return err
	}
	if p.Figures() == 0 {
		return wrong(errors.New("nothing to measure: no workload is left of the tables asked for"))
	}
	out, err := c.open()
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Words, "%d figures, about %s. Ctrl-C ends it and shows what there is.\n", p.Figures(), about(p.Estimate()))
	rep, err := p.Run(ctx, show.step)
	show.end()
	if rep != nil {
		rep.Settings.Command = c.Command
	}
	if err != nil {
		return errors.Join(c.broken(ctx, err), c.keep(out, rep, earlier))
	}
	return c.finish(out, report.Evaluate(rep, earlier))
}

// broken says why a run ended early.
func (c *Config) broken(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	// What came on top of ctx's end is what could not be undone.
	if left := strings.TrimSpace(strings.Replace(err.Error(), ctx.Err().Error(), "", 1)); left != "" {
		fmt.Fprintf(c.Words, "netnsd: bench: when it was ended: %s\n", left)
	}
	return context.Cause(ctx)
}

// finish writes everything, and says at last whether something collapsed.
func (c *Config) finish(out *outputs, r *report.Results) error {
	err := errors.Join(c.print(r), out.commit(r))
	if err != nil || c.FailBelow == 0 {
		return err
	}
	all, judged := r.Collapsed(c.FailBelow)
	switch {
	case len(all) > 0:
		return fmt.Errorf("bench: --fail-below %g: collapsed:\n  %s", c.FailBelow, strings.Join(all, "\n  "))
	case judged == 0:
		return fmt.Errorf("bench: --fail-below %g: there is no ratio with a goal to judge: which contenders are missing stands in the table", c.FailBelow)
	}
	return nil
}

// keep shows what a run has that was broken off.
func (c *Config) keep(out *outputs, rep *report.Report, earlier *report.Report) error {
	if !measured(rep) {
		return out.abort()
	}
	r := report.Evaluate(rep, earlier)
	return errors.Join(c.print(r), out.partial(r, c.Words))
}

func measured(rep *report.Report) bool {
	if rep == nil {
		return false
	}
	for _, t := range rep.Tables {
		for _, row := range t.Rows {
			for _, s := range row.Series {
				if len(s.Samples) > 0 {
					return true
				}
			}
		}
	}
	return false
}

func (c *Config) print(r *report.Results) error {
	if c.AsJSON {
		return r.Report.Write(c.Out)
	}
	return r.WriteTable(c.Out, c.Colours)
}

// about writes a duration for people.
func about(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < 2*time.Minute:
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%d min", (d+30*time.Second)/time.Minute)
}
