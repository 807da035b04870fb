package report

import (
	_ "embed"
	"fmt"
	"io"
	"strings"
)

// chart.css names its colours by var(): each is written out, as not every program
// that shows a picture knows variables.
//
//go:embed chart.css
var rules string

var (
	light = strings.NewReplacer(
		"var(--paper)", "#fff", "var(--ink)", "#1e293b", "var(--soft)", "#64748b", "var(--rule)", "#e2e8f0",
		"var(--ours)", "#2563eb", "var(--bar)", "#a8b5c6", "var(--dot)", "#0f172a", "var(--idle)", "#eef2f6", "var(--own)", "#475569",
		"var(--good)", "#15803d", "var(--open)", "#b45309", "var(--bad)", "#c81e1e", "var(--aim)", "#7c3aed")
	dark = strings.NewReplacer(
		"var(--paper)", "#0f172a", "var(--ink)", "#e2e8f0", "var(--soft)", "#94a3b8", "var(--rule)", "#283548",
		"var(--ours)", "#3b82f6", "var(--bar)", "#56657a", "var(--dot)", "#f8fafc", "var(--idle)", "#1e293b", "var(--own)", "#cbd5e1",
		"var(--good)", "#4ade80", "var(--open)", "#fbbf24", "var(--bad)", "#f87171", "var(--aim)", "#c4b5fd")
)

// style is that of charts, in both colours.
func style() string {
	return light.Replace(rules) + "@media (prefers-color-scheme:dark){\n" + dark.Replace(rules) + "}\n"
}

// WriteSVG writes the table of that name as a picture of its own, in dark and
// light as the reader's page is.
func (r *Results) WriteSVG(w io.Writer, table string) error {
	for i := range r.Tables {
		if t := &r.Tables[i]; t.Name == table {
			_, err := fmt.Fprint(w, r.svg(t, true))
			return err
		}
	}
	return fmt.Errorf("report: there is no table %q", table)
}

// svg is t as an element of a page, which has the style already, or alone.
func (r *Results) svg(t *TableResult, alone bool) string {
	elements, height := draw(t, r.Machine, r.Earlier != nil)
	ns, css, source, edge := "", "", "", nameX-2
	if alone {
		var c canvas
		height, edge = height+16, 0
		ns = fmt.Sprintf(` xmlns="http://www.w3.org/2000/svg" width="%s" height="%s"`, px(width), px(height))
		css = "<style>\n" + style() + "</style>\n"
		c.label("note", nameX, height-10, r.when()+"; "+r.how()+"; "+r.Machine.String(), 190)
		source = c.String()
	}
	return fmt.Sprintf("<svg%s class=\"chart\" viewBox=\"%s 0 %s %s\" role=\"img\">\n<title>%s</title>\n%s<rect class=\"paper\" width=\"%s\" height=\"%s\"/>\n%s%s</svg>\n",
		ns, px(edge), px(width-2*edge), px(height), escaped(t.Title), css, px(width), px(height), elements, source)
}
