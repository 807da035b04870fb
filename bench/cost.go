//go:build linux

package bench

import (
	"context"
	"time"

	"github.com/netnsd/netnsd/bench/internal/contender"
	"github.com/netnsd/netnsd/bench/internal/storey"
	"github.com/netnsd/netnsd/bench/internal/subject"
	"github.com/netnsd/netnsd/bench/report"
)

// costFor is how long one figure of a layer's cost is measured.
const costFor = 200 * time.Millisecond

// cost is what a layer adds to a data operation over a base that does nothing.
func cost(name, title, layer string) row {
	return row{
		name: name, title: title, unit: "ns", less: true, bare: true, extra: costFor,
		measure: func(ctx context.Context, _ *figure) (report.Sample, error) {
			l, err := subject.Layer(layer)
			if err != nil {
				return report.Sample{}, err
			}
			ns, err := storey.Cost(ctx, l, costFor)
			return report.Sample{Value: ns}, err
		},
	}
}

// connection is what a layer adds to a connection over a base that does nothing.
func connection(name, title, layer string) row {
	r := cost(name, title, layer)
	r.measure = func(ctx context.Context, _ *figure) (report.Sample, error) {
		l, err := subject.Layer(layer)
		if err != nil {
			return report.Sample{}, err
		}
		ns, err := storey.Connection(ctx, l, costFor)
		return report.Sample{Value: ns}, err
	}
	return r
}

// everyLayer has two rows for each layer that a run may have, but for sni, which holds
// back what a stream begins with: table names has what comes after.
func everyLayer() (rows []row) {
	for _, l := range []string{"policy", "audit", "metrics", "trace", "shape", "redirect"} {
		rows = append(rows, cost(l, l+", of an operation", l), connection(l+"-connection", l+", of a connection", l))
	}
	return rows
}

// oneLayer is who is measured there.
func oneLayer() (c contender.Contender) {
	c.Name, c.Title = "layer", "one layer, less none, over a null base"
	return c
}
