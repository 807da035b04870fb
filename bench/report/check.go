package report

import (
	"fmt"
	"slices"
)

// Check reports what in r contradicts itself.
func (r *Report) Check() error {
	if r.Format != Format {
		return fmt.Errorf("report: format %d, not %d", r.Format, Format)
	}
	known := make(map[string]bool)
	for _, c := range r.Contenders {
		if c.Name == "" || known[c.Name] {
			return fmt.Errorf("report: contender %q: a name has to be there, and once", c.Name)
		}
		known[c.Name] = true
	}
	tables := make(map[string]bool)
	for i := range r.Tables {
		t := &r.Tables[i]
		if t.Name == "" || tables[t.Name] {
			return fmt.Errorf("report: table %q: a name has to be there, and once", t.Name)
		}
		tables[t.Name] = true
		if err := t.check(known); err != nil {
			return fmt.Errorf("report: table %s: %w", t.Name, err)
		}
	}
	return nil
}

func (t *Table) check(known map[string]bool) error {
	for _, name := range append([]string{t.Subject}, t.Baselines...) {
		if !known[name] {
			return fmt.Errorf("%q is not among the contenders", name)
		}
	}
	workloads := make(map[string]bool)
	for i := range t.Rows {
		row := &t.Rows[i]
		if row.Workload == "" || workloads[row.Workload] {
			return fmt.Errorf("workload %q: a name has to be there, and once", row.Workload)
		}
		workloads[row.Workload] = true
		if err := row.check(known); err != nil {
			return fmt.Errorf("%s: %w", row.Workload, err)
		}
	}
	return nil
}

func (row *Row) check(known map[string]bool) error {
	var names []string
	for _, s := range row.Series {
		if !known[s.Contender] || slices.Contains(names, s.Contender) {
			return fmt.Errorf("series of %q: it has to be one of the contenders, and there once", s.Contender)
		}
		names = append(names, s.Contender)
		if err := s.check(); err != nil {
			return fmt.Errorf("%s: %w", s.Contender, err)
		}
	}
	var against []string
	for _, g := range row.Goals {
		if g.Against != "" && !known[g.Against] || slices.Contains(against, g.Against) {
			return fmt.Errorf("goal against %q: it has to be one of the contenders, and there once", g.Against)
		}
		against = append(against, g.Against)
		if !finite(g.Reach) || !finite(g.Aim) || g.Reach < 0 || g.Aim < 0 || g.Against != "" && g.Reach == 0 {
			return fmt.Errorf("goal against %q: reach %v, aim %v", g.Against, g.Reach, g.Aim)
		}
	}
	return nil
}

func (s *Series) check() error {
	taken := make(map[int]bool)
	for _, x := range s.Samples {
		if taken[x.Repetition] {
			return fmt.Errorf("repetition %d: two samples", x.Repetition)
		}
		taken[x.Repetition] = true
		for _, v := range []float64{x.Value, x.CPU, x.Own} {
			if !finite(v) {
				return fmt.Errorf("repetition %d: %v is no figure", x.Repetition, v)
			}
		}
		for name, v := range x.Detail {
			if !finite(v) {
				return fmt.Errorf("repetition %d: %s: %v is no figure", x.Repetition, name, v)
			}
		}
	}
	return nil
}
