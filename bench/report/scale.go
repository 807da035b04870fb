package report

import (
	"math"
	"slices"
	"strconv"
)

// A scale puts figures on a line of the picture. Whatever it is given it answers
// with a finite place between from and to.
type scale struct {
	low, high float64 // figures
	from, to  float64 // places
	log       bool
}

// bars is the scale of figures that are drawn as bars: it has zero in it.
func bars(v []float64, from, to float64) scale {
	s := scale{from: from, to: to}
	for _, x := range v {
		if finite(x) {
			s.low, s.high = min(s.low, x), max(s.high, x)
		}
	}
	// Room for the last dot; and no figure so large that arithmetic on it is not.
	s.low, s.high = max(s.low*1.03, -1e300), min(s.high*1.03, 1e300)
	if s.high == s.low || s.high < 1e-300 && s.low > -1e-300 {
		s.low, s.high = 0, 1
	}
	return s
}

// The decades that ratios are drawn in: what lies outside stands at the edge.
const leastRatio, greatestRatio = 1e-3, 1e4

// ratios is the scale of ratios, logarithmic: twice and half are equally far
// from one, which it has in it.
func ratios(v []float64, from, to float64) scale {
	s := scale{low: 0.8, high: 1.25, from: from, to: to, log: true}
	for _, x := range v {
		if finite(x) && x > 0 {
			x = min(max(x, leastRatio), greatestRatio)
			s.low, s.high = min(s.low, x/1.1), max(s.high, x*1.1)
		}
	}
	return s
}

// at is the place of x.
func (s scale) at(x float64) float64 {
	low, high := s.low, s.high
	if !(x > low) { // NaN as well
		return s.from
	}
	if x >= high {
		return s.to
	}
	if s.log {
		low, high, x = math.Log(low), math.Log(high), math.Log(x)
	}
	return s.from + (x-low)/(high-low)*(s.to-s.from)
}

// inside reports whether x has a place of its own.
func (s scale) inside(x float64) bool { return s.low <= x && x <= s.high }

// A tick is a figure of the axis and its text.
type tick struct {
	at   float64
	text string
}

// ticks are round figures, about n of them on a linear scale.
func (s scale) ticks(n int) []tick {
	if !s.log || s.high/s.low < 4 {
		return linear(s.low, s.high, n)
	}
	digits := []float64{1, 2, 5}
	if s.high/s.low > 300 {
		digits = []float64{1}
	}
	var all []tick
	for e := math.Floor(math.Log10(s.low)); e <= math.Log10(s.high); e++ {
		for _, d := range digits {
			// 10^-1 is not 0.1, but 1/10^1 is.
			x := d * math.Pow(10, e)
			if e < 0 {
				x = d / math.Pow(10, -e)
			}
			if s.inside(x) {
				all = append(all, tick{x, short(x)})
			}
		}
	}
	return all
}

func linear(low, high float64, n int) []tick {
	step := round((high - low) / float64(n))
	var all []tick
	for i := math.Ceil(low / step); len(all) <= 4*n; i++ {
		x := i * step
		if !(x <= high) {
			break
		}
		all = append(all, tick{x, short(x)})
	}
	return slices.Clip(all)
}

// round is the least of 1, 2 and 5 times a power of ten that is not below x.
func round(x float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(x)))
	for _, d := range []float64{1, 2, 5} {
		if d*p >= x {
			return d * p
		}
	}
	return 10 * p
}

// short writes an axis' figure: 5k, 0.33.
func short(x float64) string {
	a, unit := math.Abs(x), ""
	switch {
	case a >= 1e15:
		return strconv.FormatFloat(x, 'g', 3, 64)
	case a >= 1e9:
		x, unit = x/1e9, "G"
	case a >= 1e6:
		x, unit = x/1e6, "M"
	case a >= 1e3:
		x, unit = x/1e3, "k"
	}
	// -0 and the last digits of 3 × 0.1.
	return strconv.FormatFloat(math.Round(x*1e9)/1e9+0, 'g', 6, 64) + unit
}
