package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page is what page.html shows.
type page struct {
	When, Machine, How, Command, Then string
	Warnings                          []string
	Pills                             []pageCell
	Contenders                        []Contender
	Tables                            []pageTable
	Columns, Resamples, Enough        int
	Style                             template.CSS
}

type pageTable struct {
	ID, Title string
	Chart     template.HTML
	Head      []string
	Rows      []pageRow
}

type pageRow struct {
	Heading string
	Lines   []pageLine
}

type pageLine struct {
	Name, Missing string
	Ours          bool
	Cells         []pageCell
}

type pageCell struct{ Text, Class string }

// WriteHTML writes r as one page that needs nothing else, neither a network nor
// JavaScript.
func (r *Results) WriteHTML(w io.Writer) error {
	p := page{
		When: r.when(), Machine: r.Machine.String(), How: r.how(), Command: r.Again(),
		Warnings: r.Warnings,
		Columns:  20, Resamples: Resamples, Enough: Enough,
		Style: template.CSS(style()), // chart.css and the colours: ours
	}
	if r.Earlier != nil {
		p.Then = r.Earlier.when()
	}
	for _, c := range r.Contenders {
		for _, s := range []*string{&c.Name, &c.Title, &c.Path, &c.Version, &c.Mode, &c.Chain} {
			*s = plain(*s)
		}
		p.Contenders = append(p.Contenders, c)
	}
	for o, n := range r.outcomes() {
		p.Pills = append(p.Pills, pageCell{fmt.Sprintf("%d %s", n, o), o.class()})
	}
	for i := range r.Tables {
		p.Tables = append(p.Tables, r.pageTable(i))
	}
	return pageTemplate.Execute(w, p)
}

func (r *Results) pageTable(i int) pageTable {
	t := &r.Tables[i]
	p := pageTable{
		ID: "table-" + strconv.Itoa(i), Title: plain(t.Title),
		Chart: template.HTML(r.svg(t, false)), // canvas escapes
		Head:  []string{"contender", "n", "median", "quartiles", "range", "ratio", "95 %", "pairs", "reach / aim", "outcome", "CPU", "own", "memory"},
	}
	if r.Earlier != nil {
		p.Head = append(p.Head, "then", "now / then", "95 %")
	}
	p.Head = append(p.Head, "beside")
	for _, row := range t.Rows {
		pr := pageRow{Heading: row.heading()}
		for _, f := range row.Figures {
			pr.Lines = append(pr.Lines, row.pageLine(f, r.Earlier != nil))
		}
		p.Rows = append(p.Rows, pr)
	}
	p.narrow()
	return p
}

// narrow leaves out the columns that are empty.
func (p *pageTable) narrow() {
	for i := len(p.Head) - 1; i > 0; i-- {
		empty := true
		for _, row := range p.Rows {
			for _, l := range row.Lines {
				empty = empty && (l.Missing != "" || l.Cells[i-1].Text == "")
			}
		}
		if !empty {
			continue
		}
		p.Head = slices.Delete(p.Head, i, i+1)
		for _, row := range p.Rows {
			for j, l := range row.Lines {
				if l.Missing == "" {
					row.Lines[j].Cells = slices.Delete(l.Cells, i-1, i)
				}
			}
		}
	}
}

func (row RowResult) pageLine(f Figure, then bool) pageLine {
	l := pageLine{Name: plain(f.Contender.Name), Ours: f.subject}
	ratio, goal, outcome := row.goal(f)
	if f.N == 0 {
		l.Missing = plain(f.Missing)
		return l
	}
	add := func(text, class string) { l.Cells = append(l.Cells, pageCell{text, class}) }
	add(strconv.Itoa(f.N), "soft")
	add(number(f.Median), "")
	add(number(f.Lower)+" … "+number(f.Upper), "soft")
	add(number(f.Least())+" … "+number(f.Greatest()), "soft")
	add(ratio.String(), "")
	add(ratio.interval(), "")
	add(ratio.pairs(), "soft")
	add(goal.String(), "")
	add(string(outcome), outcome.class())
	add(there(f.CPU, number), "")
	add(there(f.Own, number), "")
	add(there(f.Memory, bytes), "")
	if then {
		add(f.Then.String(), "")
		add(f.Then.Ratio.String(), "")
		add(f.Then.Ratio.interval(), "")
	}
	add(f.beside(true), "detail")
	return l
}

func there(x float64, text func(float64) string) string {
	if !finite(x) {
		return ""
	}
	return strings.TrimSpace(text(x))
}
