package report

import (
	"math"
	"slices"
)

// A Ratio says how many times better one series is than another: more than 1 is
// better, also where less is. N is the number of pairs, or of the smaller series;
// at 0 there is no ratio and the rest is NaN.
type Ratio struct {
	Median float64
	Interval
	N int
}

// Paired is the median of the ratios of samples of the same repetition. A pair
// whose ratio is not a number (the divisor is zero or negative) is left out.
func Paired(subject, baseline []Sample, less bool) Ratio {
	other := make(map[int]float64, len(baseline))
	for _, s := range baseline {
		other[s.Repetition] = s.Value
	}
	var ratios []float64
	for _, s := range subject {
		b, ok := other[s.Repetition]
		if x := times(s.Value, b, less); ok && finite(x) {
			ratios = append(ratios, x)
		}
	}
	return Ratio{Median(ratios), ofMedian(ratios), len(ratios)}
}

// Unpaired is the ratio of the medians of two series that have nothing to do
// with each other; its interval resamples each for itself.
func Unpaired(now, then []Sample, less bool) Ratio {
	a, b := sorted(now), sorted(then)
	n := min(len(a), len(b))
	none := Ratio{math.NaN(), Interval{math.NaN(), math.NaN()}, 0}
	if n == 0 {
		return none
	}
	r, ratios := draws(), make([]float64, 0, Resamples)
	countsA, countsB := make([]int, len(a)), make([]int, len(b))
	for range Resamples {
		if x := times(resampled(a, countsA, r), resampled(b, countsB, r), less); finite(x) {
			ratios = append(ratios, x)
		}
	}
	x := times(quantile(a, 0.5), quantile(b, 0.5), less)
	if !finite(x) || len(ratios) < Resamples/2 {
		return none
	}
	return Ratio{x, percentiles(ratios), n}
}

// times is how many times better a is than b.
func times(a, b float64, less bool) float64 {
	if less {
		a, b = b, a
	}
	if b <= 0 || a < 0 {
		return math.NaN()
	}
	return a / b
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// values are the figures that are numbers.
func values(samples []Sample) []float64 {
	var v []float64
	for _, s := range samples {
		if finite(s.Value) {
			v = append(v, s.Value)
		}
	}
	return v
}

func sorted(samples []Sample) []float64 {
	v := values(samples)
	slices.Sort(v)
	return v
}
