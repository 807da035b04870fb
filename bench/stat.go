package bench

import "slices"

// median of v, which is not empty.
func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// Ratio is a quotient measured in pairs: the median of the quotients of each
// repetition, and their range.
type Ratio struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// ratio pairs a[i] with b[i]: what was measured next to each other.
func ratio(a, b []float64) Ratio {
	q := make([]float64, len(a))
	for i := range a {
		q[i] = a[i] / b[i]
	}
	return Ratio{median(q), slices.Min(q), slices.Max(q)}
}
