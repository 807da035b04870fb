//go:build linux

package bench

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/bench/internal/contender"
)

// A Plan is a run that has been checked, and not begun.
type Plan struct {
	options    Options
	pace       pace
	tables     []table // with the rows wanted, and baselines by name
	contenders map[string]contender.Contender
}

// NewPlan checks what can be checked before anything is made: names, rights,
// programs. What is not installed is no error but a missing series.
func NewPlan(o Options) (*Plan, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Plan{options: o, pace: o.pace()}
	if os.Geteuid() != 0 {
		return nil, errors.New("bench: not root: the run makes network namespaces and TUN devices: run it with sudo")
	}
	if err := errors.Join(o.check(), openFiles()); err != nil {
		return nil, err
	}
	if err := errors.Join(p.choose(), p.invite()); err != nil {
		return nil, err
	}
	return p, nil
}

// choose picks tables and rows.
func (p *Plan) choose() error {
	o := p.options
	known := make(map[string]bool)
	for _, name := range o.Tables {
		if !slices.ContainsFunc(tables, func(t table) bool { return t.Name == name }) {
			return fmt.Errorf("bench: no table %q; there are %s", name, names())
		}
	}
	for _, t := range tables {
		if len(o.Tables) == 0 && !t.Full || len(o.Tables) > 0 && !slices.Contains(o.Tables, t.Name) {
			continue
		}
		all := t.rows
		t.rows = nil
		for _, r := range all {
			known[r.name] = true
			chosen := slices.Contains(o.Workloads, r.name)
			if len(o.Workloads) == 0 {
				chosen = r.quick || !o.Quick || len(o.Tables) > 0
			}
			if r.absent = r.missing(); chosen {
				t.rows = append(t.rows, r)
			}
		}
		if len(t.rows) > 0 {
			p.tables = append(p.tables, t)
		}
	}
	for _, w := range o.Workloads {
		if !known[w] {
			return fmt.Errorf("bench: no workload %q in the tables asked for; there are %s", w, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
	return nil
}

func names() string {
	var all []string
	for _, t := range tables {
		all = append(all, t.Name)
	}
	return strings.Join(all, ", ")
}

// openFiles raises what every process here may open to what it may ask for.
func openFiles() error {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("bench: RLIMIT_NOFILE: %w", err)
	}
	l.Cur = l.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("bench: RLIMIT_NOFILE: %w", err)
	}
	return nil
}

// Figures is how many single figures the run takes.
func (p *Plan) Figures() int {
	n := 0
	for _, t := range p.tables {
		for _, r := range t.rows {
			n += p.repetitions(r) * (1 + len(t.baselines))
		}
	}
	return n
}

func (p *Plan) repetitions(r row) int {
	if r.most > 0 {
		return min(r.most, p.pace.repetitions)
	}
	return p.pace.repetitions
}

// setUp is what it takes to set a contender up and end it.
const setUp = 150 * time.Millisecond

// Estimate is how long the run takes.
func (p *Plan) Estimate() time.Duration {
	var d time.Duration
	for _, t := range p.tables {
		contenders := time.Duration(1 + len(t.baselines))
		d += time.Duration(p.pace.repetitions) * contenders * setUp
		for _, r := range t.rows {
			d += time.Duration(p.repetitions(r)) * contenders * p.takes(r)
		}
	}
	return d
}

func (p *Plan) takes(r row) time.Duration {
	if r.measure != nil {
		return r.extra
	}
	return max(p.pace.warmup, r.warmup) + max(p.pace.measure, r.window) + r.extra
}
