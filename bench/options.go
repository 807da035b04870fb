//go:build linux

package bench

import (
	"fmt"
	"log/slog"
	"time"
)

// Options of a run. The zero value is the full run.
type Options struct {
	// Tables are names out of [Tables]; none: the full run, or the quick one's
	// selection.
	Tables []string
	// Quick asks for the run of under three minutes: fewer repetitions, shorter
	// figures and, if neither Tables nor Workloads say what, a selection of rows.
	Quick bool
	// Repetitions of every row with a goal against a baseline; 0: 15, quick 5.
	Repetitions int
	// Measure is what a figure takes, Warmup what comes before it and is not
	// counted: slow start, buffers that grow. 0: the run's own.
	Measure, Warmup time.Duration
	// Workloads are the rows wanted, by name; none: all of the tables.
	Workloads []string
	// Against are programs of other people, by name; the kind is the name up to
	// its first dash: pasta, pasta-2025, slirp4netns, tun2socks. Tables with one of
	// a kind as baseline have all of that kind. "pasta" replaces the one of $PATH.
	Against map[string]string
	// Netnsd is the program whose start is measured; "": this one, if it is netnsd.
	Netnsd string
	// Profile is a directory into which our own contenders write a CPU profile
	// each; "": none.
	Profile string
	// Log is told what goes wrong with a contender; nil: nobody is.
	Log *slog.Logger
}

// A TableInfo describes a table that can be asked for.
type TableInfo struct {
	Name, Title string
	Full        bool // part of the full run
}

// A Step is told before each figure, and after the last.
type Step struct {
	Done, All int           // figures
	What      string        // "gateway 3/15: up1 pasta"
	Left      time.Duration // by how fast it has been so far
}

// pace is how a run measures.
type pace struct {
	repetitions     int
	warmup, measure time.Duration
}

func (o Options) check() error {
	if o.Repetitions < 0 || o.Warmup < 0 || o.Measure < 0 {
		return fmt.Errorf("bench: %d repetitions of %v after %v: none of it can be negative", o.Repetitions, o.Measure, o.Warmup)
	}
	return nil
}

func (o Options) pace() pace {
	p := pace{15, 400 * time.Millisecond, time.Second}
	if o.Quick {
		p = pace{5, 200 * time.Millisecond, 400 * time.Millisecond}
	}
	if o.Repetitions > 0 {
		p.repetitions = o.Repetitions
	}
	if o.Warmup > 0 {
		p.warmup = o.Warmup
	}
	if o.Measure > 0 {
		p.measure = o.Measure
	}
	return p
}
