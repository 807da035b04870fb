//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	harness "github.com/netnsd/netnsd/bench"
	"github.com/netnsd/netnsd/bench/report"
)

// Config is what the user asked for.
type Config struct {
	Options  harness.Options
	Command  string // that asks for Options again, for the report
	From     string // show this stored result, and measure nothing
	Baseline string // a stored result to compare with

	JSON, HTML, Markdown string  // files to write; "": none
	SVG                  string  // a folder for a picture of each table
	FailBelow            float64 // of the reach; 0: never

	AsJSON  bool // write JSON to Out, not a table
	Colours bool // of the table

	Out      io.Writer // the result
	Words    io.Writer // what goes on
	Terminal bool      // Words is one
	Verbose  bool

	plan func(harness.Options) (plan, error) // nil: the harness'
}

// plan is a harness.Plan.
type plan interface {
	Estimate() time.Duration
	Figures() int
	Run(context.Context, func(harness.Step)) (*report.Report, error)
}

func newPlan(o harness.Options) (plan, error) { return harness.NewPlan(o) }

// ErrUsage is in errors of what cannot be asked for.
var ErrUsage = errors.New("used wrongly")

func wrong(err error) error { return &usage{err} }

type usage struct{ error }

func (u *usage) Unwrap() []error { return []error{u.error, ErrUsage} }

func (c *Config) check() error {
	if c.FailBelow < 0 || c.FailBelow != c.FailBelow {
		return wrong(fmt.Errorf("--fail-below %v: a part of the reach, such as 0.25, is meant", c.FailBelow))
	}
	o := c.Options
	if c.From != "" && (o.Quick || len(o.Tables)+len(o.Workloads)+len(o.Against) > 0 || o.Repetitions != 0 || o.Measure != 0 || o.Warmup != 0) {
		return wrong(errors.New("--from measures nothing: what says how to measure does not go with it"))
	}
	return wrongTable(o.Tables)
}

// wrongTable is found here and not by the harness, which wants root first.
func wrongTable(names []string) error {
	all := Tables()
	for _, name := range names {
		if !slices.Contains(all, name) {
			return wrong(fmt.Errorf("--table %s: there is none; there are %s", name, strings.Join(all, ", ")))
		}
	}
	return nil
}

var errRoot = errors.New("bench makes network namespaces and TUN devices: run it as root, as by `sudo netnsd bench`")

// begin makes the plan.
func (c *Config) begin(words io.Writer) (plan, error) {
	makePlan := c.plan
	if makePlan == nil {
		if os.Geteuid() != 0 {
			return nil, errRoot
		}
		makePlan = newPlan
	}
	o := c.Options
	level := slog.LevelWarn
	if c.Verbose {
		level = slog.LevelDebug
	}
	o.Log = slog.New(slog.NewTextHandler(words, &slog.HandlerOptions{Level: level}))
	p, err := makePlan(o)
	if err != nil {
		return nil, wrong(err)
	}
	return p, nil
}

// Tables are the names of all tables.
func Tables() []string {
	var all []string
	for _, t := range harness.Tables() {
		all = append(all, t.Name)
	}
	return all
}
