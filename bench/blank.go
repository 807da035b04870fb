//go:build linux

package bench

import (
	"cmp"
	"slices"
	"time"

	"github.com/netnsd/netnsd/bench/internal/contender"
	"github.com/netnsd/netnsd/bench/internal/lab"
	"github.com/netnsd/netnsd/bench/report"
)

// blank is the report without its samples.
func (p *Plan) blank() *report.Report {
	rep := &report.Report{
		Format: report.Format, Start: time.Now().UTC(), Version: version(), Machine: machine(),
		Settings: report.Settings{
			Repetitions: p.pace.repetitions, Congestion: lab.Congestion,
			Measure: p.pace.measure.Seconds(), Warmup: p.pace.warmup.Seconds(),
		},
	}
	var used []string
	for _, t := range p.tables {
		o := report.Table{Name: t.Name, Title: t.Title, Subject: t.subject, Baselines: t.baselines}
		all := append([]string{t.subject}, t.baselines...)
		for _, w := range t.rows {
			o.Rows = append(o.Rows, p.blankRow(w, all))
		}
		rep.Tables = append(rep.Tables, o)
		used = append(used, all...)
	}
	for i, name := range used {
		if slices.Index(used, name) == i {
			rep.Contenders = append(rep.Contenders, p.contenders[name].Contender)
		}
	}
	return rep
}

func (p *Plan) blankRow(w row, contenders []string) report.Row {
	o := report.Row{Workload: w.name, Title: w.title, Unit: w.unit, Less: w.less}
	for _, name := range contenders {
		o.Series = append(o.Series, report.Series{Contender: name, Missing: cmp.Or(p.contenders[name].Missing, w.absent)})
	}
	for _, g := range w.asked {
		if g.Against == "" {
			o.Goals = append(o.Goals, g)
			continue
		}
		for _, name := range contenders[1:] {
			if name == g.Against || contender.Kind(name) == g.Against {
				o.Goals = append(o.Goals, report.Goal{Against: name, Reach: g.Reach, Aim: g.Aim})
			}
		}
	}
	return o
}
