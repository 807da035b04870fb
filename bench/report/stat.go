package report

import (
	"math"
	"math/rand/v2"
	"slices"
)

const (
	// Resamples is how often a bootstrap draws.
	Resamples = 10_000
	// Confidence is what an interval is to hold.
	Confidence = 0.95
)

// Median is the middle of v, in any order; NaN if v is empty.
func Median(v []float64) float64 { return Quantile(v, 0.5) }

// Quartiles are the medians of the lower and the upper half, by the rule of
// Quantile; NaN if v is empty.
func Quartiles(v []float64) (lower, upper float64) {
	s := slices.Sorted(slices.Values(v))
	return quantile(s, 0.25), quantile(s, 0.75)
}

// Quantile is the value below which the fraction p of v lies, between two samples
// by linear interpolation (type 7 of Hyndman and Fan, what R and NumPy do).
func Quantile(v []float64, p float64) float64 {
	return quantile(slices.Sorted(slices.Values(v)), p)
}

func quantile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	low, high := sorted[i], sorted[i+1]
	if low == high { // exact, also where the difference would not be
		return low
	}
	// Not low + (high-low)·f: high-low overflows for figures of opposite sign.
	f := at - float64(i)
	return low*(1-f) + high*f
}

// An Interval is what the bootstrap says of a figure.
type Interval struct{ Low, High float64 }

// Contains reports whether x lies in i, ends included.
func (i Interval) Contains(x float64) bool { return i.Low <= x && x <= i.High }

// draws is the fixed seed, so that a report reads the same tomorrow.
func draws() *rand.Rand { return rand.New(rand.NewPCG(0x6e65746e7364, 95)) }

// ofMedian is the bootstrap interval of the median of v.
func ofMedian(v []float64) Interval {
	if len(v) == 0 {
		return Interval{math.NaN(), math.NaN()}
	}
	s, r := slices.Sorted(slices.Values(v)), draws()
	medians, counts := make([]float64, Resamples), make([]int, len(s))
	for i := range medians {
		medians[i] = resampled(s, counts, r)
	}
	return percentiles(medians)
}

// percentiles are the ends that leave half of what Confidence does not hold on
// either side.
func percentiles(v []float64) Interval {
	slices.Sort(v)
	const tail = (1 - Confidence) / 2
	return Interval{quantile(v, tail), quantile(v, 1-tail)}
}

// resampled is the median of len(sorted) draws with replacement. Counting how
// often each sample was drawn spares sorting the draws; counts is scratch.
func resampled(sorted []float64, counts []int, r *rand.Rand) float64 {
	clear(counts)
	n := len(sorted)
	for range n {
		counts[r.IntN(n)]++
	}
	low, seen := math.NaN(), 0
	for i, c := range counts {
		seen += c
		if low != low && seen > (n-1)/2 {
			low = sorted[i]
		}
		if seen > n/2 {
			return low/2 + sorted[i]/2
		}
	}
	return low // not reached: seen ends at n
}
