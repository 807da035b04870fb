//go:build linux

package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	harness "github.com/netnsd/netnsd/bench"
	"github.com/netnsd/netnsd/bench/report"
)

// A listing is what can be measured, and what was asked for. What only a plan
// knows is left out where there is none: the harness plans for root alone.
type listing struct {
	Tables  []listed `json:"tables"`
	Missing []string `json:"missing,omitempty"` // "pasta: not installed"
	Figures int      `json:"figures,omitempty"` // of what was asked for
	Seconds float64  `json:"seconds,omitempty"`
}

type listed struct {
	Name      string     `json:"name"`
	Title     string     `json:"title"`
	Full      bool       `json:"full"` // part of the full run
	Figures   int        `json:"figures,omitempty"`
	Seconds   float64    `json:"seconds,omitempty"`
	Workloads []workload `json:"workloads,omitempty"`
}

type workload struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Unit  string `json:"unit"`
}

// List writes what can be measured, and how long what c asks for would take.
func List(ctx context.Context, c Config) error {
	if err := c.check(); err != nil {
		return err
	}
	var l listing
	for _, t := range harness.Tables() {
		if len(c.Options.Tables) == 0 || slices.Contains(c.Options.Tables, t.Name) {
			l.Tables = append(l.Tables, listed{Name: t.Name, Title: t.Title, Full: t.Full})
		}
	}
	err := l.fill(ctx, c)
	if errors.Is(err, errRoot) {
		fmt.Fprintln(c.Words, "Root is told the workloads, the times and what is not installed, too.")
	} else if err != nil {
		return err
	}
	if c.AsJSON {
		e := json.NewEncoder(c.Out)
		e.SetIndent("", "  ")
		return e.Encode(l)
	}
	return l.write(c)
}

// fill asks the harness for plans: of what was asked for, and of every table.
func (l *listing) fill(ctx context.Context, c Config) error {
	whole, err := c.begin(c.Words)
	if err != nil {
		return err
	}
	l.Figures, l.Seconds = whole.Figures(), whole.Estimate().Seconds()
	all := c
	all.Options.Tables, all.Options.Workloads = nil, nil
	for i := range l.Tables {
		t, one := &l.Tables[i], c
		one.Options.Tables, one.Options.Workloads = []string{t.Name}, nil
		p, err := one.begin(c.Words)
		if err != nil {
			return err
		}
		t.Figures, t.Seconds = p.Figures(), p.Estimate().Seconds()
		all.Options.Tables = append(all.Options.Tables, t.Name)
	}
	p, err := all.begin(c.Words)
	if err != nil {
		return err
	}
	return l.look(ctx, p)
}

// look takes the workloads from the report of a run that ends before it begins:
// it has the rows, and why a series will be missing.
func (l *listing) look(ctx context.Context, p plan) error {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	rep, err := p.Run(ctx, nil)
	if rep == nil || !errors.Is(err, context.Canceled) {
		return fmt.Errorf("bench: list: %w", err)
	}
	for _, t := range rep.Tables {
		i := slices.IndexFunc(l.Tables, func(x listed) bool { return x.Name == t.Name })
		if i < 0 {
			continue
		}
		for _, row := range t.Rows {
			l.Tables[i].Workloads = append(l.Tables[i].Workloads, workload{row.Workload, row.Title, row.Unit})
			l.miss(row)
		}
	}
	return nil
}

func (l *listing) miss(row report.Row) {
	for _, s := range row.Series {
		if why := s.Contender + ": " + s.Missing; s.Missing != "" && !slices.Contains(l.Missing, why) {
			l.Missing = append(l.Missing, why)
		}
	}
}

func (l *listing) write(c Config) error {
	w := tabwriter.NewWriter(c.Out, 0, 8, 2, ' ', 0)
	for _, t := range l.Tables {
		full, time := " ", ""
		if t.Full {
			full = "*"
		}
		if t.Figures > 0 {
			time = about(duration(t.Seconds))
		}
		fmt.Fprintf(w, "%s %s\t%s\t%s\n", full, t.Name, time, t.Title)
		for _, line := range wrapped(t.Workloads, 80) {
			fmt.Fprintf(w, "\t\t  %s\n", line)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(c.Out, "\n* is in the full run; the others are asked for by --table.")
	for _, m := range l.Missing {
		fmt.Fprintln(c.Out, "Not here:", m)
	}
	if l.Figures > 0 {
		fmt.Fprintf(c.Out, "What is asked for takes %d figures, about %s.\n", l.Figures, about(duration(l.Seconds)))
	}
	return nil
}

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

// wrapped are the names in lines of that width.
func wrapped(all []workload, width int) []string {
	var lines []string
	var b strings.Builder
	for _, w := range all {
		if b.Len() > 0 && b.Len()+1+len(w.Name) > width {
			lines = append(lines, b.String())
			b.Reset()
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w.Name)
	}
	if b.Len() > 0 {
		lines = append(lines, b.String())
	}
	return lines
}
