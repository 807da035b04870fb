package report

import (
	"fmt"
	"math"
)

// series finds what an earlier report has of the same figure. One in another
// unit, or the other way round, is not the same.
func (r *Report) series(table string, row *Row, contender string) []Sample {
	for _, t := range r.Tables {
		for i := range t.Rows {
			old := &t.Rows[i]
			if t.Name == table && old.Workload == row.Workload && old.Unit == row.Unit && old.Less == row.Less {
				return old.series(contender)
			}
		}
	}
	return nil
}

func (row *Row) then(contender string, earlier []Sample) Then {
	v := values(earlier)
	return Then{Median(v), len(v), Unpaired(row.series(contender), earlier, row.Less)}
}

// differences say what was not the same in the two runs: what is faster then may
// be so for a reason that is not in the code.
func differences(now, then *Report) []string {
	var all []string
	differ := func(what string, a, b any) {
		if a != b {
			all = append(all, plain(fmt.Sprintf("%s: %v now, %v then", what, a, b)))
		}
	}
	m, n := now.Machine, then.Machine
	differ("CPU", m.CPU, n.CPU)
	differ("cores", m.Cores, n.Cores)
	// What the kernel keeps for itself changes from boot to boot.
	if math.Abs(float64(m.Memory-n.Memory)) > 0.05*float64(max(m.Memory, n.Memory)) {
		differ("memory", bytes(float64(m.Memory)), bytes(float64(n.Memory)))
	}
	differ("kernel", m.Kernel, n.Kernel)
	differ("Go", m.Go, n.Go)
	s, t := now.Settings, then.Settings
	differ("repetitions", s.Repetitions, t.Repetitions)
	differ("seconds measured", s.Measure, t.Measure)
	differ("seconds of warm-up", s.Warmup, t.Warmup)
	differ("congestion control", s.Congestion, t.Congestion)
	for _, old := range then.Contenders {
		for _, c := range now.Contenders {
			if c.Name == old.Name {
				if c.Mode == "" { // ours is meant to be another one
					differ(c.Name+": version", c.Version, old.Version)
				}
				differ(c.Name+": mode", c.Mode, old.Mode)
				differ(c.Name+": chain", c.Chain, old.Chain)
				differ(c.Name+": MTU", c.MTU, old.MTU)
			}
		}
	}
	return all
}
