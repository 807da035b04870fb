package report_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/bench/report"
)

// A bar that does not begin at zero, or is longer than its figure, is a lie.
func TestBarsBeginAtZeroAndAreProportional(t *testing.T) {
	r := report.Evaluate(fake(1, 15, 1), nil)
	table := r.Tables[0]
	var picture bytes.Buffer
	if err := r.WriteSVG(&picture, table.Name); err != nil {
		t.Fatal(err)
	}
	type bar struct{ x, width float64 }
	var drawn []bar
	d := xml.NewDecoder(&picture)
	for token, err := d.Token(); err != io.EOF; token, err = d.Token() {
		if err != nil {
			t.Fatal(err)
		}
		e, ok := token.(xml.StartElement)
		at := func(name string) string {
			for _, a := range e.Attr {
				if a.Name.Local == name {
					return a.Value
				}
			}
			return ""
		}
		if ok && e.Name.Local == "rect" && strings.HasPrefix(at("class"), "bar") {
			x, _ := strconv.ParseFloat(at("x"), 64)
			w, _ := strconv.ParseFloat(at("width"), 64)
			drawn = append(drawn, bar{x, w})
		}
	}
	i := 0
	for _, row := range table.Rows {
		scale := drawn[i].width / row.Figures[0].Median
		for _, f := range row.Figures {
			if f.N == 0 {
				continue
			}
			if i >= len(drawn) {
				t.Fatalf("%d bars are too few", i)
			}
			if drawn[i].x != drawn[0].x {
				t.Errorf("%s %s begins at %v, not at %v", row.Workload, f.Contender.Name, drawn[i].x, drawn[0].x)
			}
			if want := f.Median * scale; math.Abs(drawn[i].width-want) > 0.15 {
				t.Errorf("%s %s is %v long, want %v", row.Workload, f.Contender.Name, drawn[i].width, want)
			}
			i++
		}
	}
	if i != len(drawn) {
		t.Errorf("%d bars, want %d", len(drawn), i)
	}
}

// All forms say the same figures.
func TestFormsAgree(t *testing.T) {
	r := report.Evaluate(fake(1, 15, 1), nil)
	all := forms(t, r)
	for _, c := range []struct{ forms, want string }{
		{"table page markdown", "upload, 1 stream"},
		{"table page svg-gateway", "12.6"},
		{"table page markdown svg-gateway", "1.78"},
		{"table page markdown", "[1.57, 1.97]"},
		{"table page markdown", "1.5 / 2"},
		{"table page svg-gateway", "not given: --against pasta-2025=PATH"},
		{"table page markdown svg-gateway", "below 0.8"},
		{"table page markdown svg-gateway", "AMD EPYC 7B13, 2 cores, 8 GiB, Linux 6.18.44, go1.26.8"},
		{"table page markdown svg-gateway", "22 Nov 2026 14:03 UTC, version 1a2b3c4d5e6f"},
		{"table page markdown svg-gateway", "15 repetitions of 1s after 300ms"},
		{"page markdown", "netnsd bench --table gateway --table sockets --table cost --repetitions 15 --measure 1s --warmup 300ms"},
		{"table", "slowest/fastest 0.310 (0.220–0.310), stalled 0 (0–3)"},
		{"page", "aborted 0, slowest/fastest 0.310 (0.220–0.310), stalled 0 (0–3)"},
		{"table page", "39 MiB"},
	} {
		for form := range strings.FieldsSeq(c.forms) {
			form = strings.Replace(form, "-", " ", 1)
			if !strings.Contains(all[form], c.want) {
				t.Errorf("the %s has not %q", form, c.want)
			}
		}
	}
}

func TestEarlier(t *testing.T) {
	now, then := fake(1, 15, 1), fake(1, 15, 1)
	halve := &then.Tables[0].Rows[0].Series[0]
	for i := range halve.Samples {
		halve.Samples[i].Value /= 2
	}
	then.Tables[0].Rows[1].Unit = "Mbit/s"                         // not the same figure
	then.Tables[0].Rows = slices.Delete(then.Tables[0].Rows, 2, 3) // not there then
	then.Tables[0].Rows[2].Series[1].Samples = nil                 // did not run then
	then.Machine.Cores, then.Machine.Kernel, then.Settings.Measure = 4, "6.1", 0.5
	then.Machine.Memory += 1 << 20 // as from boot to boot
	then.Contenders[2].Version, then.Contenders[0].Version = "older", "older"
	r := report.Evaluate(now, then)
	figure := func(row, contender int) report.Then { return r.Tables[0].Rows[row].Figures[contender].Then }
	if f := figure(0, 0); f.N != 15 || math.Abs(f.Ratio.Median-2) > 1e-9 || !f.Ratio.Contains(2) || f.Ratio.Low == f.Ratio.High {
		t.Errorf("twice as fast is %+v", f)
	}
	if f := figure(0, 1); f.Ratio.Median != 1 {
		t.Errorf("the same is %+v", f)
	}
	for _, at := range [][2]int{{1, 0}, {2, 0}, {3, 1}} {
		if f := figure(at[0], at[1]); f.N != 0 || f.Ratio.N != 0 {
			t.Errorf("%v has an earlier figure %+v", at, f)
		}
	}
	// Where less is better, half is twice as good.
	start := &then.Tables[2].Rows[0].Series[0]
	for i := range start.Samples {
		start.Samples[i].Value *= 2
	}
	r = report.Evaluate(now, then)
	if f := r.Tables[2].Rows[0].Figures[0].Then; math.Abs(f.Ratio.Median-2) > 1e-9 {
		t.Errorf("half the time is %+v", f)
	}
	want := []string{"cores: 2 now, 4 then", "kernel: 6.18.44 now, 6.1 then", "seconds measured: 1 now, 0.5 then", "pasta: version: 0.0~git20230309.7c7625d-1 now, older then"}
	if !slices.Equal(r.Warnings, want) {
		t.Errorf("warnings %q\nwant %q", r.Warnings, want)
	}
	all := forms(t, r)
	for _, form := range []string{"table", "page"} {
		for _, w := range want {
			if !strings.Contains(all[form], w) {
				t.Errorf("the %s does not warn of %q", form, w)
			}
		}
		if !strings.Contains(all[form], "not paired") {
			t.Errorf("the %s does not say that now/then is not paired", form)
		}
	}
	other := fake(1, 1, 1)
	other.Tables, other.Settings = nil, now.Settings
	if w := report.Evaluate(now, other).Warnings; !slices.Equal(w, []string{"figures: none of these is in the earlier run"}) {
		t.Errorf("against one of other tables: %q", w)
	}
	if w := report.Evaluate(now, now).Warnings; len(w) > 0 {
		t.Errorf("against itself: %q", w)
	}
}

func TestCollapsed(t *testing.T) {
	for _, c := range []struct {
		factor, part float64
		collapsed    bool
	}{{1, 0.25, false}, {0.1, 0.25, true}, {0.1, 0.01, false}} {
		r := report.Evaluate(fake(1, 3, c.factor), nil)
		all, judged := r.Collapsed(c.part)
		if judged != 30 || c.collapsed != (len(all) > 0) {
			t.Errorf("%v of the speed: %d judged, below %v: %q", c.factor, judged, c.part, all)
		}
	}
	r := fake(1, 3, 1)
	row := &r.Tables[0].Rows[0]
	row.Series[0].Samples, row.Series[0].Missing = nil, "it died"
	row.Series[1].Samples = nil // pasta is not installed
	all, _ := report.Evaluate(r, nil).Collapsed(0.25)
	want := []string{"gateway, up1 against slirp4netns: no figure: it died", "gateway, up1 against veth: no figure: it died"}
	if !slices.Equal(all, want) {
		t.Errorf("%q, want %q", all, want)
	}
	if all, judged := report.Evaluate(fake(1, 0, 1), nil).Collapsed(0.25); judged != 0 || len(all) > 0 {
		t.Errorf("of nothing: %q of %d", all, judged)
	}
}

// Own tables with hand-made figures: what a person reads off.
func TestTable(t *testing.T) {
	r := &report.Report{
		Format: report.Format, Settings: report.Settings{Repetitions: 3, Measure: 0.05},
		Contenders: []report.Contender{{Name: "us", Title: "ours", MTU: 1500}, {Name: "them"}, {Name: "gone"}},
		Tables: []report.Table{{Name: "t", Title: "a table", Subject: "us", Baselines: []string{"them", "gone"}, Rows: []report.Row{{
			Workload: "w", Title: "a workload", Unit: "1/s", Goals: []report.Goal{{Against: "them", Reach: 0.5}},
			Series: []report.Series{{Contender: "us", Samples: samples(1000, 2000, 3000)}, {Contender: "them", Samples: samples(1000, 1000, 1000)}, {Contender: "gone", Missing: "not installed"}},
		}}}},
	}
	var b strings.Builder
	if err := report.Evaluate(r, nil).WriteTable(&b, false); err != nil {
		t.Fatal(err)
	}
	want := `
a table
        median  spread  ratio          95 %  n  reach/aim  outcome
a workload, 1/s
  us     2,000    ±25%
  them   1,000     ±0%   2.00  [1.00, 3.00]  3        0.5  too few
  gone       –  not installed

`
	if !strings.Contains(b.String(), want) {
		t.Errorf("got\n%s\nwant in it\n%s", b.String(), want)
	}
}

func ExampleResults_WriteMarkdown() {
	r := &report.Report{
		Format: report.Format, Settings: report.Settings{Repetitions: 2, Measure: 1, Warmup: 0.3}, Machine: report.Machine{CPU: "a CPU", Cores: 2},
		Contenders: []report.Contender{{Name: "netnsd"}, {Name: "veth", Title: "kernel veth"}},
		Tables: []report.Table{{Name: "t", Title: "gateway", Subject: "netnsd", Baselines: []string{"veth"}, Rows: []report.Row{{
			Workload: "up1", Title: "upload, 1 stream", Unit: "Gbit/s", Goals: []report.Goal{{Against: "veth", Reach: 0.33, Aim: 0.5}},
			Series: []report.Series{{Contender: "netnsd", Samples: samples(10, 12)}, {Contender: "veth", Samples: samples(20, 20)}},
		}}}},
	}
	var b strings.Builder
	if err := report.Evaluate(r, nil).WriteMarkdown(&b); err != nil {
		fmt.Println(err)
	}
	table, _, _ := strings.Cut(b.String(), "\n\n")
	fmt.Println(table)
	// Output:
	// | gateway | against kernel veth |
	// |---|---|
	// | upload, 1 stream | **0.550** [0.500, 0.600], 0.33 / 0.5: too few |
}
