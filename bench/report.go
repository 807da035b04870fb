package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Workload names.
const (
	Up       = "up"
	Down     = "down"
	PingPong = "pingpong"
)

// Variant names.
const (
	Veth  = "veth"
	Ours  = "ours"
	Naive = "naive"
)

// Report is what a comparison found. Figures holds, by workload and variant,
// one number a repetition: Gbit/s for streams, round trips a second for ping-pong.
type Report struct {
	MTU     int                             `json:"mtu"`
	Seconds float64                         `json:"seconds"` // measured, each
	Figures map[string]map[string][]float64 `json:"figures"`
}

// Ratio is variant a against b under workload w.
func (r *Report) Ratio(w, a, b string) Ratio {
	return ratio(r.Figures[w][a], r.Figures[w][b])
}

// WriteTable writes r for people.
func (r *Report) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "workload\tveth\tours\tnaive\tours/naive\t(range)\tours/veth\tnaive/veth\t\n")
	for _, load := range []string{Up, Down, PingPong} {
		f := r.Figures[load]
		x, v, n := r.Ratio(load, Ours, Naive), r.Ratio(load, Ours, Veth), r.Ratio(load, Naive, Veth)
		unit := "Gbit/s"
		if load == PingPong {
			unit = "1/s"
		}
		fmt.Fprintf(t, "%s %s\t%.4g\t%.4g\t%.4g\t%.1f\t(%.1f–%.1f)\t%.2f\t%.3f\t\n",
			load, unit, median(f[Veth]), median(f[Ours]), median(f[Naive]), x.Median, x.Min, x.Max, v.Median, n.Median)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "naive/veth on the prototype's machine (perf.md B, water-1500): up 0.061, down 0.011")
	return err
}
