package report

import (
	"fmt"
	"math"
	"slices"
)

// The columns of a chart, in pixels of its own.
const (
	width = 1180.0

	nameX                = 16.0
	barsFrom, barsTo     = 140.0, 500.0
	valueX               = 572.0 // end of the text
	ratiosFrom, ratiosTo = 612.0, 872.0
	ratioX               = 886.0
	cpuFrom, cpuTo       = 1010.0, 1090.0
	memoryX              = width - 16

	lane    = 22.0 // height of a contender
	legendY = 64.0
)

// chart draws t: for each row a bar a contender, from zero, on the row's own
// scale, with quartiles and single samples; beside it the ratio of the subject to
// that contender, on a scale that all rows share; then CPU and memory.
type chart struct {
	canvas
	*TableResult
	cores  float64
	ratios scale
	y      float64
	then   bool
}

// draw returns the elements, and how high the picture is.
func draw(t *TableResult, machine Machine, then bool) (elements string, height float64) {
	c := &chart{TableResult: t, cores: float64(max(machine.Cores, 1)), then: then}
	c.ratios = ratios(t.allRatios(), ratiosFrom, ratiosTo)
	c.legend()
	for i := range t.Rows {
		c.row(&t.Rows[i])
	}
	return c.String(), c.y + 8
}

func (t *TableResult) allRatios() []float64 {
	var v []float64
	for _, row := range t.Rows {
		for _, c := range row.Comparisons {
			if c.Ratio.N > 0 {
				v = append(v, c.Ratio.Median, c.Ratio.Low, c.Ratio.High)
			}
			if c.Goal != nil {
				v = append(v, c.Goal.Reach)
				if c.Goal.Aim > 0 {
					v = append(v, c.Goal.Aim)
				}
			}
		}
	}
	return v
}

func (t *TableResult) any(of func(Figure) bool) bool {
	for _, row := range t.Rows {
		for _, f := range row.Figures {
			if of(f) {
				return true
			}
		}
	}
	return false
}

func (c *chart) legend() {
	c.label("title", nameX, 24, c.Title, 110)
	c.text("head", barsFrom, 46, "median, quartiles, samples")
	c.text("note", barsFrom, legendY-4, "from zero; each workload on its own scale")
	if len(c.allRatios()) > 0 {
		c.label("head", ratiosFrom, 46, "ratio: "+c.Subject.title()+" is so many times …", 52)
		c.text("note", ratiosFrom, legendY-4, "with its 95 % interval; logarithmic")
	}
	if slices.ContainsFunc(c.Rows, func(r RowResult) bool { return len(r.Goals) > 0 }) {
		c.line("reach", ratioX, legendY-13, ratioX, legendY-1)
		c.text("note", ratioX+6, legendY-4, "reach")
		c.line("aim", ratioX+46, legendY-13, ratioX+46, legendY-1)
		c.text("note", ratioX+52, legendY-4, "aim")
	}
	if c.then {
		c.diamond("then", barsTo-42, legendY-8, 5, "")
		c.text("note", barsTo-32, legendY-4, "earlier")
	}
	if c.any(func(f Figure) bool { return finite(f.CPU) }) {
		c.text("head", cpuFrom, 46, "busy CPUs")
		c.text("note", cpuFrom, legendY-4, fmt.Sprintf("of %g; dark: its own", c.cores))
	}
	if c.any(func(f Figure) bool { return finite(f.Memory) }) {
		c.text("head end", memoryX, 46, "memory")
	}
	c.y = legendY + 6
}

func (c *chart) row(row *RowResult) {
	c.line("rule", nameX, c.y, width-nameX, c.y)
	c.label("row", nameX, c.y+19, row.heading(), 80)
	c.y += 28
	var v []float64
	for _, f := range row.Figures {
		v = append(v, f.Samples...)
		if f.Then.N > 0 {
			v = append(v, f.Then.Median)
		}
	}
	if row.Absolute != nil {
		v = append(v, row.Absolute.Goal.Reach, row.Absolute.Goal.Aim)
	}
	s := bars(v, barsFrom, barsTo)
	height := lane * float64(len(row.Figures))
	c.axis(s, 5, height)
	if len(row.Comparisons) > 0 {
		c.axis(c.ratios, 5, height)
		c.line("one", c.ratios.at(1), c.y, c.ratios.at(1), c.y+height)
	}
	for _, f := range row.Figures {
		c.figure(row, f, s)
		c.y += lane
	}
	c.y += 26
}

// axis draws the ticks below and the lines behind what comes.
func (c *chart) axis(s scale, n int, height float64) {
	last := -1e9
	for _, t := range s.ticks(n) {
		x := s.at(t.at)
		c.line("tick", x, c.y, x, c.y+height)
		if room := 4 + 3.2*float64(len(t.text)); x-room > last { // 6.4 px a character
			c.text("axis", x, c.y+height+13, t.text)
			last = x + room
		}
	}
}

func (c *chart) figure(row *RowResult, f Figure, s scale) {
	mid := c.y + lane/2
	class := "name"
	if f.subject {
		class = "name ours"
	}
	c.label(class, nameX, mid+4, f.Contender.Name, 17)
	if f.N == 0 {
		c.label("missing", barsFrom+6, mid+4, f.Missing, 62)
	} else {
		c.bar(row, f, s, mid)
	}
	for _, cmp := range row.Comparisons {
		if cmp.Against.Name == f.Contender.Name {
			c.ratio(cmp, mid)
		}
	}
	if f.subject && row.Absolute != nil {
		c.absolute(row, f, s, mid)
	}
	c.costs(f, mid)
}

func (c *chart) bar(row *RowResult, f Figure, s scale, mid float64) {
	class := "bar"
	if f.subject {
		class = "bar ours"
	}
	c.rect(class, s.at(0), mid-7, s.at(f.Median), 14,
		fmt.Sprintf("%s: %s %s, quartiles %s to %s, n = %d", f.Contender.title(), number(f.Median), row.Unit, number(f.Lower), number(f.Upper), f.N))
	for i, x := range f.Samples {
		// A dot beside a dot is seen, one on another is not: they take turns in height.
		c.dot("sample", s.at(x), mid+float64(i%3-1)*3.5, 1.8, number(x)+" "+row.Unit)
	}
	if f.N > 1 {
		c.line("whisker", s.at(f.Lower), mid, s.at(f.Upper), mid)
		c.line("whisker", s.at(f.Lower), mid-4, s.at(f.Lower), mid+4)
		c.line("whisker", s.at(f.Upper), mid-4, s.at(f.Upper), mid+4)
	}
	if c.then && f.Then.N > 0 {
		c.diamond("then", s.at(f.Then.Median), mid, 5, "earlier: "+number(f.Then.Median)+" "+row.Unit)
	}
	c.text("value", valueX, mid+4, number(f.Median))
}

// paints are the classes of outcomes.
func (o Outcome) class() string {
	switch {
	case o == "":
		return "plain"
	case o.Good():
		return "good"
	case o.Bad():
		return "bad"
	}
	return "open"
}

func (c *chart) ratio(cmp Comparison, mid float64) {
	class, s, r := cmp.Outcome.class(), c.ratios, cmp.Ratio
	if g := cmp.Goal; g != nil {
		c.goal(g, s, mid, 8)
	}
	if r.N == 0 {
		c.text("missing", ratioX, mid+4, string(cmp.Outcome))
		return
	}
	if r.N > 1 {
		c.line("interval "+class, s.at(r.Low), mid, s.at(r.High), mid)
	}
	hint := fmt.Sprintf("%s times %s, 95 %% %s, n = %d", number(r.Median), cmp.Against.title(), r.interval(), r.N)
	if cmp.Goal != nil {
		hint += ", reach / aim " + cmp.Goal.String()
	}
	if s.inside(r.Median) {
		c.dot("point "+class, s.at(r.Median), mid, 4.5, hint)
	} else { // further out than the axis goes
		c.diamond("point "+class, s.at(r.Median), mid, 5, hint)
	}
	c.text("value start", ratioX, mid+4, number(r.Median))
	c.text("outcome "+class, ratioX+44, mid+4, string(cmp.Outcome))
}

// goal marks what is asked for, with a halo where a bar lies behind.
func (c *chart) goal(g *Goal, s scale, mid, r float64) {
	mark := func(class string, x float64) {
		c.line("halo", s.at(x), mid-r, s.at(x), mid+r)
		c.line(class, s.at(x), mid-r, s.at(x), mid+r)
	}
	mark("reach", g.Reach)
	if g.Aim > 0 {
		mark("aim", g.Aim)
	}
}

// absolute marks a goal in the row's unit on the bar, and says what became of it.
func (c *chart) absolute(row *RowResult, f Figure, s scale, mid float64) {
	g, outcome := row.Absolute.Goal, row.Absolute.Outcome
	c.goal(&g, s, mid, 10)
	c.text("note", ratiosFrom, mid+4, fmt.Sprintf("reach / aim: %s %s", g.String(), plain(row.Unit)))
	c.text("outcome "+outcome.class(), ratioX+44, mid+4, string(outcome))
}

func (c *chart) costs(f Figure, mid float64) {
	s := scale{high: c.cores, from: cpuFrom, to: cpuTo}
	if finite(f.CPU) {
		c.rect("cpu", s.from, mid-5, s.to, 10, fmt.Sprintf("%g CPUs", c.cores))
		c.rect("cpu busy", s.from, mid-5, s.at(f.CPU), 10, number(f.CPU)+" CPUs busy, the whole machine")
	}
	if finite(f.Own) {
		c.rect("cpu own", s.from, mid-5, s.at(math.Max(f.Own, 0)), 10, number(f.Own)+" CPUs busy, its own process")
	}
	if finite(f.Memory) {
		c.text("value", memoryX, mid+4, bytes(f.Memory))
	}
}
