package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/html"

	"github.com/netnsd/netnsd/bench/report"
)

// forms are r in every form but JSON, by name.
func forms(t testing.TB, r *report.Results) map[string]string {
	t.Helper()
	all := make(map[string]string)
	write := func(name string, f func(io.Writer) error) {
		var b bytes.Buffer
		if err := f(&b); err != nil {
			t.Fatal(name, err)
		}
		all[name] = b.String()
		if err := f(broken{}); !errors.Is(err, errBroken) {
			t.Errorf("%s to a file that breaks: %v", name, err)
		}
	}
	write("table", func(w io.Writer) error { return r.WriteTable(w, false) })
	write("colours", func(w io.Writer) error { return r.WriteTable(w, true) })
	write("markdown", r.WriteMarkdown)
	write("page", r.WriteHTML)
	for _, table := range r.Tables {
		write("svg "+table.Name, func(w io.Writer) error { return r.WriteSVG(w, table.Name) })
	}
	return all
}

// everyForm holds for every report: well-formed, nothing from outside, no
// coordinate that is none, nothing that a terminal obeys.
func everyForm(t testing.TB, r *report.Results) map[string]string {
	t.Helper()
	all := forms(t, r)
	for name, text := range all {
		switch {
		case strings.HasPrefix(name, "svg"):
			checkSVG(t, text)
		case name == "page":
			checkPage(t, text)
		case name == "colours":
			if plain := escapes.ReplaceAllString(text, ""); plain != all["table"] {
				t.Error("the table in colours is another one")
			}
		default:
			for _, r := range text {
				if r < ' ' && r != '\n' || r == 0x7f || r == 0x9b {
					t.Fatalf("%s has the control character %q", name, r)
				}
			}
		}
		if !utf8.ValidString(text) {
			t.Errorf("%s is not UTF-8", name)
		}
	}
	return all
}

var escapes = regexp.MustCompile("\x1b\\[[0-9]+m")

// attributes that are coordinates, and those that could fetch something.
var (
	coordinates = map[string]bool{"x": true, "y": true, "x1": true, "x2": true, "y1": true, "y2": true, "cx": true, "cy": true, "r": true, "width": true, "height": true, "viewbox": true}
	number      = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)
	path        = regexp.MustCompile(`^[MlLhvz0-9. -]*$`)
)

func checkAttribute(t testing.TB, element, name, value string) {
	t.Helper()
	switch name = strings.ToLower(name); {
	case coordinates[name]:
		for _, f := range strings.Fields(value) {
			if x, err := strconv.ParseFloat(f, 64); !number.MatchString(f) || err != nil || math.Abs(x) > 1e6 {
				t.Errorf("<%s %s=%q>", element, name, value)
			}
			if strings.HasPrefix(f, "-") && (name == "width" || name == "height" || name == "r") {
				t.Errorf("<%s %s=%q> is negative", element, name, value)
			}
		}
	case name == "d":
		if !path.MatchString(value) {
			t.Errorf("<%s d=%q>", element, value)
		}
	case name == "href" && strings.HasPrefix(value, "#"):
	case name == "href", name == "src", name == "srcset", name == "action", name == "style", strings.HasPrefix(name, "on"), strings.HasPrefix(name, "xlink"):
		t.Errorf("<%s %s=%q>", element, name, value)
	}
}

func checkStyle(t testing.TB, css string) {
	t.Helper()
	if strings.Contains(css, "url(") || strings.Contains(css, "@import") || strings.Contains(css, "ZgotmplZ") || strings.Count(css, "{") != strings.Count(css, "}") {
		t.Error("the style fetches something, or is broken")
	}
}

func checkSVG(t testing.TB, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	inStyle := false
	for {
		token, err := d.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		switch x := token.(type) {
		case xml.StartElement:
			if inStyle = x.Name.Local == "style"; x.Name.Local == "script" || x.Name.Local == "image" || x.Name.Local == "foreignObject" {
				t.Errorf("<%s>", x.Name.Local)
			}
			for _, a := range x.Attr {
				checkAttribute(t, x.Name.Local, a.Name.Local, a.Value)
			}
		case xml.EndElement:
			inStyle = false
		case xml.CharData:
			if inStyle {
				checkStyle(t, string(x))
				if strings.Contains(string(x), "var(") {
					t.Error("a colour is left out")
				}
			}
		}
	}
}

func checkPage(t testing.TB, text string) {
	t.Helper()
	z := html.NewTokenizer(strings.NewReader(text))
	var open []string
	for {
		switch z.Next() {
		case html.ErrorToken:
			if z.Err() != io.EOF || len(open) > 0 {
				t.Errorf("%v, and open at the end: %v", z.Err(), open)
			}
			return
		case html.StartTagToken:
			x := z.Token()
			for _, a := range x.Attr {
				checkAttribute(t, x.Data, a.Key, a.Val)
			}
			switch x.Data {
			case "script", "link", "img", "iframe", "object", "base", "form":
				t.Errorf("<%s>", x.Data)
			case "meta":
			default:
				open = append(open, x.Data)
			}
		case html.SelfClosingTagToken:
			x := z.Token()
			for _, a := range x.Attr {
				checkAttribute(t, x.Data, a.Key, a.Val)
			}
		case html.EndTagToken:
			x := z.Token()
			if len(open) == 0 || open[len(open)-1] != x.Data {
				t.Fatalf("</%s> closes %v", x.Data, open)
			}
			open = open[:len(open)-1]
		case html.TextToken:
			if len(open) > 0 && open[len(open)-1] == "style" {
				checkStyle(t, string(z.Raw()))
			}
		}
	}
}

func TestForms(t *testing.T) {
	then := fake(2, 15, 0.9)
	for name, r := range map[string]*report.Results{
		"whole":     report.Evaluate(fake(1, 15, 1), nil),
		"earlier":   report.Evaluate(fake(1, 15, 1), then),
		"one":       report.Evaluate(fake(1, 1, 1), then),
		"none":      report.Evaluate(fake(1, 0, 1), then),
		"no tables": report.Evaluate(&report.Report{Format: report.Format}, then),
	} {
		t.Run(name, func(t *testing.T) {
			all := everyForm(t, r)
			for i, line := range strings.Split(all["table"], "\n") {
				if n := utf8.RuneCountInString(line); n > 120 {
					t.Errorf("line %d of the table has %d characters", i+1, n)
				}
			}
		})
	}
	if err := report.Evaluate(then, nil).WriteSVG(io.Discard, "absent"); err == nil {
		t.Error("a picture of a table that is not there")
	}
}

// hostile are names such as a program's version might have if it wished us ill.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onload='alert(1)`, `]]></svg></style>{{.}}`,
	"\x1b[2J\x1b]0;x\x07", "a\nb\rc\td", "\xff\xfe", "\u202egnp", "| --- | `x` *y* [z](javascript:1)", "\x00", strings.Repeat("long ", 100),
}

// code is what Markdown does not look into.
var code = regexp.MustCompile("(?m)`[^`]*`$")

func TestFormsOfHostileNames(t *testing.T) {
	for i, name := range hostile {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			r := fake(1, 2, 1)
			r.Tables = r.Tables[:1]
			r.Tables[0].Rows = r.Tables[0].Rows[:2]
			r.Version, r.Machine.CPU, r.Machine.Kernel, r.Settings.Congestion, r.Settings.Command = name, name, name, name, name
			for i := range r.Contenders[1:] {
				c := &r.Contenders[1+i]
				c.Title, c.Path, c.Version, c.Chain, c.Mode = name, name, name, name, name
			}
			r.Contenders = append(r.Contenders, report.Contender{Name: name})
			table := &r.Tables[0]
			table.Name, table.Title, table.Baselines = name, name, append(table.Baselines, name)
			table.Rows[0].Title, table.Rows[0].Unit, table.Rows[0].Workload = name, name, name
			table.Rows[0].Series[0].Samples[0].Detail = map[string]float64{name: 1}
			table.Rows[0].Series = append(table.Rows[0].Series, report.Series{Contender: name, Missing: name})
			all := everyForm(t, report.Evaluate(r, r))
			cells := make(map[int]bool)
			head, _, _ := strings.Cut(all["markdown"], "\n\n")
			for line := range strings.Lines(head) {
				cells[strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")] = true
			}
			if len(cells) != 1 {
				t.Errorf("the lines of the Markdown table have %v cells:\n%s", cells, head)
			}
			all["markdown"] = code.ReplaceAllString(all["markdown"], "")
			if strings.Contains(all["markdown"], "<script") || strings.Contains(all["markdown"], "<img") {
				t.Error("Markdown lets HTML through")
			}
		})
	}
}

func TestFormsOfHostileFigures(t *testing.T) {
	for name, v := range map[string][]float64{
		"greatest": {math.MaxFloat64, -math.MaxFloat64, math.MaxFloat64}, "smallest": {5e-324, 0, 5e-324}, "zero": {0, 0, 0}, "negative": {-1, -2, -3},
		"far apart": {1e-300, 1, 1e300}, "not numbers": {math.NaN(), math.Inf(1), math.Inf(-1)}, "beside a number": {math.NaN(), 1, math.Inf(1)},
	} {
		t.Run(name, func(t *testing.T) {
			for _, with := range [][]float64{v, {1, 1, 1}} {
				for _, less := range []bool{false, true} {
					row := report.Row{Workload: "w", Title: "w", Unit: "1/s", Less: less, Goals: []report.Goal{{Against: "b", Reach: 1e300, Aim: 5e-324}, {Reach: 1e308, Aim: 1}}}
					for who, v := range map[string][]float64{"a": v, "b": with} {
						s := report.Series{Contender: who}
						for i, x := range v {
							s.Samples = append(s.Samples, report.Sample{Repetition: i, Value: x, CPU: x, Own: x, Memory: math.MaxInt64, Detail: map[string]float64{"d": x}})
						}
						row.Series = append(row.Series, s)
					}
					r := &report.Report{
						Format: report.Format, Seconds: v[0], Settings: report.Settings{Measure: v[0], Warmup: v[1]}, Machine: report.Machine{Cores: -1},
						Contenders: []report.Contender{{Name: "a"}, {Name: "b"}},
						Tables:     []report.Table{{Name: "t", Subject: "a", Baselines: []string{"b"}, Rows: []report.Row{row}}},
					}
					everyForm(t, report.Evaluate(r, r))
				}
			}
		})
	}
}
