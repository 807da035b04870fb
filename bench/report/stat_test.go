package report_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/netnsd/netnsd/bench/report"
)

func TestQuantile(t *testing.T) {
	// The figures of R's quantile(v, p), type 7.
	for _, c := range []struct {
		v    []float64
		p    float64
		want float64
	}{
		{[]float64{7}, 0.5, 7},
		{[]float64{1, 2}, 0.5, 1.5},
		{[]float64{3, 1, 2}, 0.5, 2},
		{[]float64{4, 1, 3, 2}, 0.5, 2.5},
		{[]float64{4, 1, 3, 2}, 0.25, 1.75},
		{[]float64{4, 1, 3, 2}, 0.75, 3.25},
		{[]float64{10, 20, 30, 40, 50}, 0.25, 20},
		{[]float64{10, 20, 30, 40, 50}, 0, 10},
		{[]float64{10, 20, 30, 40, 50}, 1, 50},
		{[]float64{-1e308, 1e308}, 0.5, 0},
	} {
		given := slices.Clone(c.v)
		if got := report.Quantile(c.v, c.p); got != c.want {
			t.Errorf("quantile %v of %v is %v, want %v", c.p, c.v, got, c.want)
		}
		if !slices.Equal(given, c.v) {
			t.Errorf("%v was reordered", given)
		}
	}
	if m := report.Median(nil); !math.IsNaN(m) {
		t.Errorf("the median of nothing is %v", m)
	}
	if low, high := report.Quartiles([]float64{4, 1, 3, 2}); low != 1.75 || high != 3.25 {
		t.Errorf("quartiles %v and %v", low, high)
	}
}

func samples(v ...float64) []report.Sample {
	var all []report.Sample
	for i, x := range v {
		all = append(all, report.Sample{Repetition: i, Value: x})
	}
	return all
}

func TestPaired(t *testing.T) {
	for name, c := range map[string]struct {
		subject, baseline []report.Sample
		less              bool
		want              float64
		n                 int
	}{
		"median of the ratios, not ratio of the medians": {subject: samples(10, 100, 30), baseline: samples(10, 20, 60), want: 1, n: 3},
		"less is better":              {subject: samples(10, 10, 10), baseline: samples(20, 30, 40), less: true, want: 3, n: 3},
		"by repetition, not place":    {subject: samples(1, 2, 3), baseline: []report.Sample{{Repetition: 2, Value: 3}, {Repetition: 0, Value: 1}}, want: 1, n: 2},
		"a stall counts":              {subject: samples(0, 0, 5), baseline: samples(10, 10, 10), want: 0, n: 3},
		"a baseline of zero does not": {subject: samples(4, 5, 6), baseline: samples(0, 5, 0), want: 1, n: 1},
		"no pairs":                    {subject: samples(4), want: math.NaN()},
		"nothing":                     {want: math.NaN()},
	} {
		t.Run(name, func(t *testing.T) {
			r := report.Paired(c.subject, c.baseline, c.less)
			if r.N != c.n || r.Median != c.want && !(math.IsNaN(c.want) && math.IsNaN(r.Median)) {
				t.Errorf("%v of %d, want %v of %d", r.Median, r.N, c.want, c.n)
			}
		})
	}
}

// For an odd number of samples the bootstrap distribution of the median is
// known: it is at most the k-th of n if more than half of n draws are.
func TestIntervalExact(t *testing.T) {
	const n = 15
	var v, ones []float64
	for i := range n {
		v, ones = append(v, float64(i+1)), append(ones, 1)
	}
	below := func(k int) (p float64) { // P(median of a resample ≤ k)
		q := float64(k) / n
		for j := (n + 1) / 2; j <= n; j++ {
			p += choose(n, j) * math.Pow(q, float64(j)) * math.Pow(1-q, float64(n-j))
		}
		return p
	}
	exact := func(p float64) (k int) {
		for k = 1; below(k) < p; k++ {
		}
		return k
	}
	r := report.Paired(samples(v...), samples(ones...), false)
	if low, high := exact(0.025), exact(0.975); r.Low != float64(low) || r.High != float64(high) {
		t.Errorf("[%v, %v], the exact bootstrap has [%d, %d]", r.Low, r.High, low, high)
	}
}

func choose(n, k int) float64 {
	c := 1.0
	for i := range k {
		c = c * float64(n-i) / float64(i+1)
	}
	return c
}

// How often the interval holds the true median: what makes it a 95 % interval.
// The percentile bootstrap of 15 is known to hold it a little less often.
func TestIntervalCoverage(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const trials, n = 150, 15
	ones := samples(slices.Repeat([]float64{1}, n)...)
	held := 0
	for range trials {
		var v []float64
		for range n {
			v = append(v, math.Exp(0.2*r.NormFloat64())) // its median is 1
		}
		if report.Paired(samples(v...), ones, false).Contains(1) {
			held++
		}
	}
	if share := float64(held) / trials; share < 0.88 || share == 1 {
		t.Errorf("held the true ratio in %.1f %% of %d series", 100*share, trials)
	}
}

func TestRatioProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	random := func(n int) []report.Sample {
		var v []float64
		for range n {
			v = append(v, math.Exp(r.NormFloat64()))
		}
		return samples(v...)
	}
	scaled := func(s []report.Sample, by float64) []report.Sample {
		s = slices.Clone(s)
		for i := range s {
			s[i].Value *= by
		}
		return s
	}
	for range 25 {
		n := 1 + r.IntN(30)
		a, b := random(n), random(n)
		for name, ratio := range map[string]func(a, b []report.Sample, less bool) report.Ratio{"paired": report.Paired, "unpaired": report.Unpaired} {
			x := ratio(a, b, false)
			if !x.Contains(x.Median) || x.N != n {
				t.Fatalf("%s: median %v outside of [%v, %v], n = %d of %d", name, x.Median, x.Low, x.High, x.N, n)
			}
			if again := ratio(a, b, false); again != x {
				t.Fatalf("%s: the same samples gave %v and %v", name, x, again)
			}
			shuffled := slices.Clone(a)
			r.Shuffle(n, func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			if other := ratio(shuffled, b, false); other != x {
				t.Fatalf("%s: another order gave %v and %v", name, x, other)
			}
			// Powers of two, so that floating point scales exactly.
			if other := ratio(scaled(a, 1024), scaled(b, 1024), false); other != x {
				t.Fatalf("%s: another unit gave %v and %v", name, x, other)
			}
			if twice := ratio(scaled(a, 2), b, false); twice.Median != 2*x.Median || twice.Low != 2*x.Low || twice.High != 2*x.High {
				t.Fatalf("%s: twice as fast gave %v and %v", name, x, twice)
			}
			// Unpaired, the other of the two is drawn first: another interval of as good right.
			if less := ratio(b, a, true); less.Median != x.Median || name == "paired" && less != x {
				t.Fatalf("%s: less is better gave %v and %v", name, x, less)
			}
		}
	}
}

func TestUnpaired(t *testing.T) {
	if r := report.Unpaired(samples(4, 6, 5, 5), samples(2, 3, 2.5), false); r.Median != 2 || r.N != 3 || r.Low < 4.0/3-1e-9 || r.High > 3+1e-9 {
		t.Errorf("%+v", r)
	}
	for _, s := range [][2][]report.Sample{{nil, samples(1)}, {samples(1), nil}, {samples(1, 2), samples(0, 0)}} {
		if r := report.Unpaired(s[0], s[1], false); r.N != 0 || !math.IsNaN(r.Median) {
			t.Errorf("%v against %v: %+v", s[0], s[1], r)
		}
	}
}
