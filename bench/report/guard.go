package report

import "fmt"

// Collapsed are the goals against a baseline of whose reach the subject has less
// than the given part, and those where the baseline has figures and the subject
// has none. It judges however few ratios there are: it is for a short run that
// is to find what broke, not what got slower. Judged is how many goals had both.
func (r *Results) Collapsed(part float64) (all []string, judged int) {
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			for _, c := range row.Comparisons {
				if c.Goal == nil {
					continue
				}
				name := fmt.Sprintf("%s, %s against %s", plain(t.Name), plain(row.Workload), plain(c.Against.Name))
				share := c.Ratio.Median / c.Goal.Reach
				switch {
				case c.Ratio.N > 0:
					judged++
					if share < part {
						all = append(all, fmt.Sprintf("%s: ratio %s, less than %s of %s", name, number(c.Ratio.Median), asked(part), asked(c.Goal.Reach)))
					}
				case row.Figures[0].N == 0 && row.has(c.Against.Name):
					all = append(all, fmt.Sprintf("%s: no figure: %s", name, plain(row.Figures[0].Missing)))
				}
			}
		}
	}
	return all, judged
}

func (row RowResult) has(contender string) bool {
	for _, f := range row.Figures {
		if f.Contender.Name == contender {
			return f.N > 0
		}
	}
	return false
}
