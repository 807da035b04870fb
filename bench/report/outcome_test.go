package report_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/bench/report"
)

// steady is n samples around v: the interval of their median is about as wide as
// by says, either side, as a part of v.
func steady(n int, v, by float64) []float64 {
	var all []float64
	for i := range n {
		all = append(all, v*(1+by*(2*float64(i)/float64(max(n-1, 1))-1)))
	}
	return all
}

// verdict judges one row of the subject "us" and the baseline "them".
func verdict(t *testing.T, row report.Row) report.Verdict {
	t.Helper()
	row.Workload = "w"
	r := &report.Report{
		Format:     report.Format,
		Contenders: []report.Contender{{Name: "us"}, {Name: "them"}},
		Tables:     []report.Table{{Name: "t", Subject: "us", Baselines: []string{"them"}, Rows: []report.Row{row}}},
	}
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	all := report.Evaluate(r, nil).Verdicts()
	if len(all) != 1 {
		t.Fatalf("%d verdicts", len(all))
	}
	return all[0]
}

func TestOutcomeOfRatios(t *testing.T) {
	goal := report.Goal{Against: "them", Reach: 1, Aim: 1.5}
	for name, c := range map[string]struct {
		ratios []float64
		goal   report.Goal
		want   report.Outcome
	}{
		"at the aim":                         {steady(15, 1.6, 0.1), goal, report.AtAim},
		"at the aim exactly":                 {steady(15, 1.5, 0), goal, report.AtAim},
		"above the reach":                    {steady(15, 1.2, 0.1), goal, report.Reached},
		"above the reach, however wide":      {steady(15, 1.2, 0.9), goal, report.Reached},
		"at the reach exactly":               {steady(15, 1, 0.2), goal, report.Reached},
		"no aim is set":                      {steady(15, 9, 0.1), report.Goal{Against: "them", Reach: 1}, report.Reached},
		"just below, narrow, contains it":    {steady(15, 0.99, 0.1), goal, report.Reached},
		"just below, wide, contains it":      {steady(15, 0.95, 0.6), goal, report.Repeat},
		"far below, wide, contains it":       {steady(15, 0.7, 0.9), goal, report.Repeat},
		"just below, does not contain it":    {steady(15, 0.95, 0.02), goal, report.Missed},
		"0.8 of it":                          {steady(15, 0.8, 0.02), goal, report.Missed},
		"below 0.8 of it":                    {steady(15, 0.79, 0.02), goal, report.Below},
		"one too few":                        {steady(14, 2, 0.1), goal, report.TooFew},
		"one too few, and bad":               {steady(14, 0.1, 0.1), goal, report.TooFew},
		"a stall in most of the repetitions": {slices.Concat(steady(7, 2, 0.1), make([]float64, 8)), goal, report.Repeat},
		"a stall in all of them":             {make([]float64, 15), goal, report.Below},
		"no samples":                         {nil, goal, report.NoFigure},
	} {
		for _, less := range []bool{false, true} {
			if less && slices.Contains(c.ratios, 0) {
				continue // infinitely slow is no sample
			}
			t.Run(name+map[bool]string{true: ", less is better"}[less], func(t *testing.T) {
				ones := make([]float64, len(c.ratios))
				for i := range ones {
					ones[i] = 1 + 0.1*float64(i)
				}
				us := make([]float64, len(c.ratios))
				for i, x := range c.ratios {
					us[i] = x * ones[i]
					if less {
						us[i] = ones[i] / x
					}
				}
				v := verdict(t, report.Row{Unit: "1/s", Less: less, Goals: []report.Goal{c.goal}, Series: []report.Series{
					{Contender: "us", Samples: samples(us...)}, {Contender: "them", Samples: samples(ones...)},
				}})
				// At the edge division decides.
				edge := strings.HasSuffix(name, "exactly") || name == "0.8 of it"
				if v.Outcome != c.want && !(edge && less) {
					t.Errorf("%q, want %q (share %v)", v.Outcome, c.want, v.Share)
				}
				if want := report.Median(c.ratios) / c.goal.Reach; math.Abs(v.Share-want) > 1e-9 {
					t.Errorf("share %v, want %v", v.Share, want)
				}
			})
		}
	}
}

func TestOutcomeOfAbsolutes(t *testing.T) {
	for name, c := range map[string]struct {
		figures []float64
		less    bool
		goal    report.Goal
		want    report.Outcome
		share   float64
	}{
		"less: aim":           {[]float64{5, 6, 5}, true, report.Goal{Reach: 12, Aim: 6}, report.AtAim, 12.0 / 5},
		"less: reached":       {[]float64{12}, true, report.Goal{Reach: 12, Aim: 6}, report.Reached, 1},
		"less: missed":        {[]float64{13}, true, report.Goal{Reach: 12, Aim: 6}, report.Missed, 12.0 / 13},
		"less: below 0.8":     {[]float64{16}, true, report.Goal{Reach: 12, Aim: 6}, report.Below, 0.75},
		"less: below nothing": {[]float64{-1}, true, report.Goal{Reach: 12, Aim: 6}, report.AtAim, math.Inf(1)},
		"more: aim":           {[]float64{7}, false, report.Goal{Reach: 5, Aim: 6}, report.AtAim, 1.4},
		"more: reached":       {[]float64{5}, false, report.Goal{Reach: 5, Aim: 6}, report.Reached, 1},
		"more: missed":        {[]float64{4}, false, report.Goal{Reach: 5, Aim: 6}, report.Missed, 0.8},
		"more: below 0.8":     {[]float64{3.9}, false, report.Goal{Reach: 5, Aim: 6}, report.Below, 0.78},
		"more: below nothing": {[]float64{-1}, false, report.Goal{Reach: 5, Aim: 6}, report.Below, -0.2},
		"zero, exactly":       {[]float64{0, 0, 0}, true, report.Goal{}, report.Reached, math.Inf(1)},
		"zero, within noise":  {[]float64{-0.2, 0.1, 0.2, -0.1, 0.3}, true, report.Goal{}, report.Reached, 0},
		"zero, beyond noise":  {[]float64{0.2, 0.1, 0.2, 0.3}, true, report.Goal{}, report.Missed, 0},
		"nothing":             {nil, true, report.Goal{Reach: 12}, report.NoFigure, math.NaN()},
	} {
		t.Run(name, func(t *testing.T) {
			v := verdict(t, report.Row{Unit: "ms", Less: c.less, Goals: []report.Goal{c.goal}, Series: []report.Series{{Contender: "us", Samples: samples(c.figures...)}}})
			if v.Outcome != c.want {
				t.Errorf("%q, want %q", v.Outcome, c.want)
			}
			if v.Share != c.share && !(math.IsNaN(c.share) && math.IsNaN(v.Share)) {
				t.Errorf("share %v, want %v", v.Share, c.share)
			}
		})
	}
}

// A better series never has a worse outcome.
func TestOutcomeMonotonous(t *testing.T) {
	rank := map[report.Outcome]int{report.AtAim: 4, report.Reached: 3, report.Repeat: 2, report.Missed: 1, report.Below: 0}
	r := rand.New(rand.NewPCG(5, 6))
	for range 10 {
		var us []float64
		for range report.Enough + r.IntN(5) {
			us = append(us, math.Exp(0.3*r.NormFloat64()))
		}
		them := samples(steady(len(us), 1, 0)...)
		last := -1
		for factor := 0.5; factor < 2.2; factor += 0.2 {
			better := slices.Clone(us)
			for i := range better {
				better[i] *= factor
			}
			v := verdict(t, report.Row{Unit: "1/s", Goals: []report.Goal{{Against: "them", Reach: 1, Aim: 1.5}},
				Series: []report.Series{{Contender: "us", Samples: samples(better...)}, {Contender: "them", Samples: them}}})
			// Missed and repeat may take turns: a wider interval reaches further.
			if now := rank[v.Outcome]; now < last && !(now == 1 && last == 2) {
				t.Fatalf("%q after rank %d at %v", v.Outcome, last, factor)
			} else {
				last = max(last, now)
			}
		}
	}
}

func TestSummary(t *testing.T) {
	r := report.Evaluate(fake(1, 15, 1), nil)
	if want := "goals: 5 aim, 23 reached, 1 repeat, 3 missed, 1 below 0.8"; r.Summary() != want {
		t.Errorf("%s, want %s", r.Summary(), want)
	}
	r = report.Evaluate(fake(1, 3, 1), nil)
	if want := "goals: 2 reached, 1 missed, 30 too few"; r.Summary() != want {
		t.Errorf("%s, want %s", r.Summary(), want)
	}
	var b bytes.Buffer
	if err := r.WriteTable(&b, false); err != nil || !strings.Contains(b.String(), r.Summary()) {
		t.Errorf("the table has not the summary: %v", err)
	}
}
