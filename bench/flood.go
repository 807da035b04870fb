//go:build linux

package bench

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/netnsd/netnsd/bench/internal/load"
	"github.com/netnsd/netnsd/bench/internal/subject"
	"github.com/netnsd/netnsd/bench/report"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// The two sides of the table "flood": both have a second attachment in their process,
// and from that of the first there comes a flood.
const (
	besideFlood = "netnsd-flooded"
	besideQuiet = "netnsd-beside"
)

const floodRate = 50_000 // packets a second

// floods are loads, each beside every kind of flood.
func floods(loads ...row) (all []row) {
	for _, k := range []struct {
		name, title, kind string
		to                netip.AddrPort
	}{
		{"syn-closed", "SYNs to a closed port", stacktest.FloodSYN, netip.AddrPortFrom(load.Flooded, load.ClosedPort)},
		{"syn-open", "SYNs to a port that accepts", stacktest.FloodSYN, netip.AddrPortFrom(load.Flooded, load.OpenPort)},
		{"udp", "datagrams to any port", stacktest.FloodUDP, netip.AddrPortFrom(load.Flooded, 0)},
		{"dns", "questions for names", stacktest.FloodDNS, netip.AddrPortFrom(subject.Names, 53)},
	} {
		for _, r := range loads {
			r.measure = func(ctx context.Context, f *figure) (report.Sample, error) {
				return f.flooded(ctx, load.Flood{Kind: k.kind, To: k.to, Rate: floodRate})
			}
			r.name, r.title = r.name+"-"+k.name, r.title+", beside 50 000/s "+k.title
			all = append(all, r.goals(goal(besideQuiet, 0.4, 0.8)))
		}
	}
	return all
}

// flooded is the ordinary figure, beside a flood if it is not that of besideQuiet.
func (f *figure) flooded(ctx context.Context, s load.Flood) (_ report.Sample, err error) {
	if f.Name == besideQuiet {
		return f.loaded(ctx)
	}
	g, err := f.running.Flood(ctx)
	if err != nil {
		return report.Sample{}, err
	}
	defer func() { err = errors.Join(err, g.Stop()) }()
	s.For = max(f.pace.warmup, f.row.warmup) + max(f.pace.measure, f.window) + floodLead
	over := make(chan error, 1)
	go func() { over <- g.Call(ctx, "flood", s, nil) }()
	sample, err := f.loaded(ctx)
	return sample, errors.Join(err, <-over)
}

// floodLead is what a generator takes to start.
const floodLead = 200 * time.Millisecond
