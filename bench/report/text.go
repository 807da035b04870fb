package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// WriteTable writes r for a terminal of 120 columns.
func (r *Results) WriteTable(w io.Writer, colours bool) error {
	out := &sheet{w: w, colours: colours}
	r.head(out)
	for _, t := range r.Tables {
		out.line("")
		out.line(out.paint(bold, plain(t.Title)))
		out.grid(t.grid(r.Earlier != nil))
	}
	out.line("")
	r.foot(out)
	return out.err
}

func (r *Results) head(out *sheet) {
	out.line(r.when())
	out.line(r.how())
	if m := r.Machine.String(); m != "" {
		out.line(m)
	}
	for _, c := range r.Contenders {
		if d := c.describe(); d != "" {
			out.line("  " + cut(plain(c.Name), nameWidth) + ": " + d)
		}
	}
	if r.Earlier != nil {
		out.line("then: " + r.Earlier.when())
		for _, s := range r.Warnings {
			out.line(out.paint(yellow, "  not alike: "+s))
		}
	}
}

// foot says how to read the columns, of those that are there.
func (r *Results) foot(out *sheet) {
	out.line("spread: half of what lies between the quartiles. CPU: busy CPUs, of the machine and of the process itself.")
	out.line(fmt.Sprintf("ratio: how many times better the first of each group is; median of n pairs of one repetition, 95 %% by bootstrap (%d).", Resamples))
	if r.Earlier != nil {
		out.line("now/then: ratio of the medians of two runs, not paired: what the machine did differently is in it.")
		out.line("Spread and memory are left out for want of room: the page (--html) has them.")
	}
	if slices.ContainsFunc(r.Tables, func(t TableResult) bool { return t.any(func(f Figure) bool { return f.beside(false) != "" }) }) {
		out.line("Indented below a figure: what was measured beside it, its median (least–greatest); zeros are left out.")
	}
	if s := r.Summary(); s != "" {
		out.line(s)
	}
}

// nameWidth is where names of contenders are cut.
const nameWidth = 18

// The columns of a table. With an earlier report there is no room for all.
var (
	columns     = []string{"median", "spread", "ratio", "95 %", "n", "reach/aim", "outcome", "CPU/own", "memory"}
	columnsThen = []string{"median", "ratio", "95 %", "n", "reach/aim", "outcome", "CPU/own", "then", "now/then", "95 % of it"}
)

func (t TableResult) grid(then bool) [][]cell {
	names := columns
	if then {
		names = columnsThen
	}
	g := [][]cell{{{}}}
	for _, c := range names {
		g[0] = append(g[0], cell{text: c, right: c != "outcome", colour: dim})
	}
	for _, row := range t.Rows {
		g = append(g, []cell{{text: row.heading(), colour: bold, wide: true}})
		for _, f := range row.Figures {
			g = append(g, row.line(f, names))
			if d := f.beside(false); d != "" {
				g = append(g, []cell{{text: "    " + d, colour: dim, wide: true}})
			}
		}
	}
	return g
}

// heading is "upload, 1 stream, Gbit/s".
func (row RowResult) heading() string {
	s := plain(row.Title) + ", " + plain(row.Unit)
	if row.Less {
		s += " (less is better)"
	}
	return s
}

// goal finds what f is held to, or what the subject is held to against f.
func (row RowResult) goal(f Figure) (Ratio, *Goal, Outcome) {
	if f.subject && row.Absolute != nil {
		return Ratio{}, &row.Absolute.Goal, row.Absolute.Outcome
	}
	for _, c := range row.Comparisons {
		if c.Against.Name == f.Contender.Name {
			return c.Ratio, c.Goal, c.Outcome
		}
	}
	return Ratio{}, nil, ""
}

func (row RowResult) line(f Figure, names []string) []cell {
	all := []cell{{text: "  " + cut(plain(f.Contender.Name), nameWidth)}}
	ratio, goal, outcome := row.goal(f)
	if f.N == 0 {
		return append(all, cell{text: none, right: true}, cell{text: plain(f.Missing), colour: yellow, wide: true})
	}
	text := map[string]string{
		"median": number(f.Median), "spread": f.spread(),
		"ratio": ratio.String(), "95 %": ratio.interval(), "n": ratio.pairs(), "reach/aim": goal.String(), "outcome": string(outcome),
		"CPU/own": f.busy(),
		"then":    f.Then.String(), "now/then": f.Then.Ratio.String(), "95 % of it": f.Then.Ratio.interval(),
	}
	if finite(f.Memory) {
		text["memory"] = bytes(f.Memory)
	}
	for _, c := range names {
		x := cell{text: text[c], right: c != "outcome"}
		switch c {
		case "ratio":
			x.colour = bold
		case "outcome":
			x.colour = outcome.colour()
		case "spread", "n":
			x.colour = dim
		}
		all = append(all, x)
	}
	return all
}

func (o Outcome) colour() int {
	switch {
	case o.Good():
		return green
	case o.Bad():
		return red
	}
	return yellow
}

// spread is how far the quartiles are from the median, as a part of it.
func (f Figure) spread() string {
	if f.N < 2 || f.Median == 0 {
		return ""
	}
	return fmt.Sprintf("±%.0f%%", 50*math.Abs((f.Upper-f.Lower)/f.Median))
}

// busy is "1.8/0.9", busy CPUs of the machine and of the contender's process.
func (f Figure) busy() string {
	if !finite(f.CPU) && !finite(f.Own) {
		return ""
	}
	one := func(x float64) string {
		if !finite(x) {
			return none
		}
		return fmt.Sprintf("%.1f", x)
	}
	return one(f.CPU) + "/" + one(f.Own)
}

// beside is "stalled 0 (0–3)", of all details or of those alone that say something.
func (f Figure) beside(zeros bool) string {
	var all []string
	for _, d := range f.Details {
		if zeros || d.Least != 0 || d.Greatest != 0 {
			all = append(all, plain(d.Name)+" "+d.String())
		}
	}
	return strings.Join(all, ", ")
}

// String is the median, and from where to where it goes.
func (d Detail) String() string {
	s := whole(d.Median)
	if d.Least != d.Greatest {
		s += fmt.Sprintf(" (%s–%s)", whole(d.Least), whole(d.Greatest))
	}
	return s
}

func (t Then) String() string {
	if t.N == 0 {
		return ""
	}
	return number(t.Median)
}

// String is the median alone.
func (r Ratio) String() string {
	if r.N == 0 {
		return ""
	}
	return number(r.Median)
}

// interval is "[1.57, 1.97]".
func (r Ratio) interval() string {
	if r.N < 2 {
		return ""
	}
	return "[" + number(r.Low) + ", " + number(r.High) + "]"
}

func (r Ratio) pairs() string {
	if r.N == 0 {
		return ""
	}
	return fmt.Sprint(r.N)
}

// String is "1.5 / 2", the reach and the aim.
func (g *Goal) String() string {
	switch {
	case g == nil:
		return ""
	case g.Aim == 0:
		return asked(g.Reach)
	}
	return asked(g.Reach) + " / " + asked(g.Aim)
}

// cut shortens s to n characters.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
