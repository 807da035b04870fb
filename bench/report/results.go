package report

import (
	"cmp"
	"math"
	"slices"
)

// Results is a report with everything that follows from its samples.
type Results struct {
	*Report
	Earlier  *Report  // nil: there is none to compare with
	Warnings []string // what makes the comparison with Earlier doubtful
	Tables   []TableResult
}

// A TableResult is a table with its figures.
type TableResult struct {
	*Table
	Subject Contender
	Rows    []RowResult
}

// A RowResult is a row with its figures: those of the subject first, then those
// of the baselines in their order, then the others.
type RowResult struct {
	*Row
	Figures     []Figure
	Comparisons []Comparison
	Absolute    *Absolute // nil: none is set
}

// A Figure is what one contender did under one workload. Figures that were not
// taken are NaN.
type Figure struct {
	Contender         Contender
	Missing           string // why there is none
	N                 int
	Median            float64
	Lower, Upper      float64 // quartiles
	Samples           []float64
	CPU, Own          float64 // busy CPUs: of the machine, of the contender's process
	Memory            float64 // bytes
	Details           []Detail
	Then              Then
	subject, baseline bool
}

// A Detail is something else that was measured beside.
type Detail struct {
	Name                    string
	Median, Least, Greatest float64
}

// Then is the same figure in the earlier report. N is 0 if it had none.
type Then struct {
	Median float64
	N      int
	Ratio  Ratio // now against then, not paired
}

// A Comparison is the subject against a baseline. Goal is nil if none is set.
type Comparison struct {
	Against Contender
	Ratio   Ratio
	Goal    *Goal
	Outcome Outcome
}

// Absolute is a goal in the row's unit, and what became of it.
type Absolute struct {
	Goal    Goal
	Outcome Outcome
}

// Evaluate computes all figures of r. If earlier is not nil they are set against
// those that it has of the same table, workload and contender.
func Evaluate(r, earlier *Report) *Results {
	res := &Results{Report: r, Earlier: earlier}
	if earlier != nil {
		res.Warnings = differences(r, earlier)
	}
	for i := range r.Tables {
		t := &r.Tables[i]
		tr := TableResult{Table: t, Subject: r.contender(t.Subject)}
		for j := range t.Rows {
			tr.Rows = append(tr.Rows, r.row(t, &t.Rows[j], earlier))
		}
		res.Tables = append(res.Tables, tr)
	}
	if earlier != nil && !slices.ContainsFunc(res.Tables, func(t TableResult) bool { return t.any(func(f Figure) bool { return f.Then.N > 0 }) }) {
		res.Warnings = append(res.Warnings, "figures: none of these is in the earlier run")
	}
	return res
}

func (r *Report) row(t *Table, row *Row, earlier *Report) RowResult {
	res := RowResult{Row: row}
	for _, name := range row.order(t) {
		f := row.figure(r.contender(name))
		f.subject, f.baseline = name == t.Subject, slices.Contains(t.Baselines, name)
		if earlier != nil {
			f.Then = row.then(name, earlier.series(t.Name, row, name))
		}
		res.Figures = append(res.Figures, f)
	}
	subject := row.series(t.Subject)
	for _, name := range row.against(t) {
		c := Comparison{Against: r.contender(name), Ratio: Paired(subject, row.series(name), row.Less)}
		if i := slices.IndexFunc(row.Goals, func(g Goal) bool { return g.Against == name }); i >= 0 {
			c.Goal = &row.Goals[i]
			c.Outcome = c.Goal.judge(c.Ratio)
		}
		res.Comparisons = append(res.Comparisons, c)
	}
	for _, g := range row.Goals {
		if g.Against == "" {
			res.Absolute = &Absolute{g, g.judgeAbsolute(res.Figures[0], row.Less)}
		}
	}
	return res
}

// order is that of the figures: each contender once, those alone that the row
// has or the table asks for.
func (row *Row) order(t *Table) []string {
	names := append([]string{t.Subject}, t.Baselines...)
	for _, s := range row.Series {
		names = append(names, s.Contender)
	}
	return once(names)
}

// against are those that the subject is compared with.
func (row *Row) against(t *Table) []string {
	names := slices.Clone(t.Baselines)
	for _, g := range row.Goals {
		if g.Against != "" {
			names = append(names, g.Against)
		}
	}
	return slices.DeleteFunc(once(names), func(n string) bool { return n == t.Subject })
}

func once(names []string) []string {
	var all []string
	for _, n := range names {
		if !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

func (row *Row) series(contender string) []Sample {
	for _, s := range row.Series {
		if s.Contender == contender {
			return s.Samples
		}
	}
	return nil
}

func (row *Row) figure(c Contender) Figure {
	samples := row.series(c.Name)
	v := sorted(samples)
	f := Figure{
		Contender: c, N: len(v), Samples: v,
		Median: quantile(v, 0.5), Lower: quantile(v, 0.25), Upper: quantile(v, 0.75),
		CPU:     typical(samples, func(s Sample) float64 { return s.CPU }),
		Own:     typical(samples, func(s Sample) float64 { return s.Own }),
		Memory:  typical(samples, func(s Sample) float64 { return float64(s.Memory) }),
		Details: details(samples),
	}
	if f.N > 0 {
		return f
	}
	f.Missing = "not measured"
	for _, s := range row.Series {
		if s.Contender == c.Name && s.Missing != "" {
			f.Missing = s.Missing
		}
	}
	return f
}

// Least is the smallest sample, Greatest the largest.
func (f Figure) Least() float64 { return quantile(f.Samples, 0) }

// Greatest is the largest sample.
func (f Figure) Greatest() float64 { return quantile(f.Samples, 1) }

func (f Figure) interval() Interval { return ofMedian(f.Samples) }

// typical is the median of what was taken: zero stands for what was not.
func typical(samples []Sample, of func(Sample) float64) float64 {
	var v []float64
	for _, s := range samples {
		if x := of(s); x != 0 && finite(x) {
			v = append(v, x)
		}
	}
	return Median(v)
}

func details(samples []Sample) []Detail {
	by := make(map[string][]float64)
	for _, s := range samples {
		for name, x := range s.Detail {
			if finite(x) {
				by[name] = append(by[name], x)
			}
		}
	}
	var all []Detail
	for name, v := range by {
		all = append(all, Detail{name, Median(v), slices.Min(v), slices.Max(v)})
	}
	slices.SortFunc(all, func(a, b Detail) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func (r *Report) contender(name string) Contender {
	for _, c := range r.Contenders {
		if c.Name == name {
			return c
		}
	}
	return Contender{Name: name, Title: name}
}

// A Verdict is one goal of one row, and what became of it. Share is what part of
// the reach the median is, NaN if there is no figure.
type Verdict struct {
	Table, Workload string
	Goal            Goal
	Outcome         Outcome
	Share           float64
}

// Verdicts are those of all goals.
func (r *Results) Verdicts() []Verdict {
	var all []Verdict
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			for _, c := range row.Comparisons {
				if c.Goal != nil {
					all = append(all, Verdict{t.Name, row.Workload, *c.Goal, c.Outcome, c.Ratio.Median / c.Goal.Reach})
				}
			}
			if a := row.Absolute; a != nil {
				share := math.NaN()
				if a.Outcome != NoFigure {
					share = a.Goal.share(row.Figures[0].Median, row.Less)
				}
				all = append(all, Verdict{t.Name, row.Workload, a.Goal, a.Outcome, share})
			}
		}
	}
	return all
}
