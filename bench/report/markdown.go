package report

import (
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown writes the ratios as tables for a README: a line per workload, a
// column per baseline, and below where, when and how they were measured. A table
// with goals in a unit has a column for the subject's own figures.
func (r *Results) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	for _, t := range r.Tables {
		t.markdown(&b)
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "Measured %s, on %s, %s. Each figure is the median of the ratios of the repetitions, more than 1 is better;\nin brackets the 95 %% interval, after it what is asked for (reach / aim) and the outcome. Repeat: `%s`\n",
		markdown(r.when()), markdown(r.Machine.String()), markdown(r.how()), strings.ReplaceAll(r.Again(), "`", "'"))
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *TableResult) markdown(b *strings.Builder) {
	var against []Contender
	own := false
	for _, row := range t.Rows {
		own = own || row.Absolute != nil
		for _, c := range row.Comparisons {
			if c.Ratio.N > 0 && !containsContender(against, c.Against.Name) {
				against = append(against, c.Against)
			}
		}
	}
	head := []string{markdown(t.Title)}
	if own {
		head = append(head, markdown(t.Subject.title()))
	}
	for _, c := range against {
		head = append(head, "against "+markdown(c.title()))
	}
	line := func(cells []string) { fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | ")) }
	line(head)
	fmt.Fprintf(b, "|%s\n", strings.Repeat("---|", len(head)))
	for _, row := range t.Rows {
		cells := []string{markdown(row.Title)}
		if own {
			cells = append(cells, row.markdownOwn())
		}
		for _, c := range against {
			cells = append(cells, row.markdownRatio(c.Name))
		}
		line(cells)
	}
}

func (row RowResult) markdownOwn() string {
	f := row.Figures[0]
	if f.N == 0 {
		return markdown(f.Missing)
	}
	s := fmt.Sprintf("**%s %s**", number(f.Median), markdown(row.Unit))
	if a := row.Absolute; a != nil {
		s += fmt.Sprintf(", %s: %s", a.Goal.String(), a.Outcome)
	}
	return s
}

func (row RowResult) markdownRatio(against string) string {
	for _, c := range row.Comparisons {
		if c.Against.Name != against || c.Ratio.N == 0 {
			continue
		}
		s := "**" + number(c.Ratio.Median) + "**"
		if i := c.Ratio.interval(); i != "" {
			s += " " + i
		}
		if c.Goal != nil {
			s += fmt.Sprintf(", %s: %s", c.Goal.String(), c.Outcome)
		}
		return s
	}
	return ""
}

func containsContender(all []Contender, name string) bool {
	for _, c := range all {
		if c.Name == name {
			return true
		}
	}
	return false
}

// markdown takes from s what Markdown and HTML would obey.
func markdown(s string) string {
	var b strings.Builder
	for _, r := range plain(s) {
		switch r {
		case '&':
			b.WriteString("&amp;")
		case '<':
			b.WriteString("&lt;")
		case '\\', '`', '*', '_', '|', '[', ']', '~', '#':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
