package report_test

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/netnsd/netnsd/bench/report"
)

// A faker makes a report such as the harness makes: figures that scatter, a
// contender that is erratic, one that is not installed.
type faker struct {
	*rand.Rand
	repetitions int
}

// fake is a report of the tables of the issue. Factor is how fast we are.
func fake(seed uint64, repetitions int, factor float64) *report.Report {
	f := &faker{rand.New(rand.NewPCG(seed, 1)), repetitions}
	return &report.Report{
		Format: report.Format, Start: time.Date(2026, 11, 22, 14, 3, 0, 0, time.UTC), Seconds: 2471, Version: "1a2b3c4d5e6f",
		Machine:  report.Machine{CPU: "AMD EPYC 7B13", Cores: 2, Memory: 8 << 30, Kernel: "6.18.44", Go: "go1.26.8"},
		Settings: report.Settings{Repetitions: repetitions, Measure: 1, Warmup: 0.3, Congestion: "reno"},
		Contenders: []report.Contender{
			{Name: "netnsd", Title: "netnsd", Mode: "gateway", Chain: "audit > policy > quota", MTU: 1500},
			{Name: "netnsd-sockets", Title: "netnsd, sockets inside", Mode: "sockets", MTU: 1500},
			{Name: "pasta", Title: "pasta 0.0~git20230309", Path: "/usr/bin/pasta", Version: "0.0~git20230309.7c7625d-1", MTU: 65520},
			{Name: "pasta-2025", Title: "pasta 2025-01", Path: "/opt/passt/bin/pasta", MTU: 65520},
			{Name: "slirp4netns", Title: "slirp4netns 1.2.0", Path: "/usr/bin/slirp4netns", Version: "1.2.0", MTU: 65520},
			{Name: "veth", Title: "kernel veth", MTU: 1500},
			{Name: "naive", Title: "naive: water, a packet a call", MTU: 1500},
		},
		Tables: []report.Table{f.gateway(factor), f.sockets(factor), f.start(factor)},
	}
}

func (f *faker) gateway(x float64) report.Table {
	goals := func(pasta, pastaAim, slirp, slirpAim, veth, vethAim float64) []report.Goal {
		g := []report.Goal{{Against: "pasta", Reach: pasta, Aim: pastaAim}, {Against: "slirp4netns", Reach: slirp, Aim: slirpAim}}
		if veth > 0 {
			g = append(g, report.Goal{Against: "veth", Reach: veth, Aim: vethAim})
		}
		return g
	}
	row := func(w, title, unit string, ours, pasta, slirp, veth float64, g []report.Goal) report.Row {
		return report.Row{Workload: w, Title: title, Unit: unit, Goals: g, Series: []report.Series{
			f.series("netnsd", ours*x, 0.04), f.series("pasta", pasta, 0.18), f.series("slirp4netns", slirp, 0.06), f.series("veth", veth, 0.03),
			{Contender: "pasta-2025", Missing: "not given: --against pasta-2025=PATH"},
		}}
	}
	return report.Table{
		Name: "gateway", Title: "gateway, a chain of three layers that decide",
		Subject: "netnsd", Baselines: []string{"pasta", "slirp4netns", "veth", "pasta-2025"},
		Rows: []report.Row{
			row("up1", "upload, 1 stream", "Gbit/s", 12.6, 7.1, 6.2, 31.5, goals(1.5, 2, 1.7, 2.5, 0.33, 0.5)),
			row("up8", "upload, 8 streams", "Gbit/s", 14.9, 15.3, 6.9, 35.6, goals(0.75, 1.1, 1.8, 2.5, 0.33, 0.45)),
			row("down1", "download, 1 stream", "Gbit/s", 13.1, 19.2, 7.2, 33.9, goals(0.65, 1.1, 1.8, 2.5, 0.33, 0.45)),
			row("down8", "download, 8 streams", "Gbit/s", 13.4, 14.9, 7.8, 36.4, goals(1.0, 1.3, 1.8, 2.5, 0.42, 0.6)),
			row("ping1", "ping-pong, 1", "1/s", 18352, 21904, 19230, 44021, goals(0.85, 1.1, 0.9, 1.2, 0, 0)),
			row("ping16", "ping-pong, 16", "1/s", 61204, 66190, 60442, 143999, goals(0.85, 1.1, 0.9, 1.2, 0, 0)),
			row("crr", "connect-request-close", "1/s", 4321, 9700, 4119, 16500, goals(0.6, 1, 0.6, 1, 0, 0)),
			row("udp64", "UDP, 64 B", "1/s", 241034, 233010, 150300, 271200, goals(0.9, 1.1, 1.2, 1.5, 0.85, 1)),
			row("udp1400", "UDP, 1400 B", "Gbit/s", 2.31, 2.28, 1.61, 2.63, goals(0.9, 1.1, 1.2, 1.5, 0.85, 1)),
		},
	}
}

func (f *faker) sockets(x float64) report.Table {
	row := func(w, title string, ours, veth, reach, aim float64) report.Row {
		r := report.Row{Workload: w, Title: title, Unit: "Gbit/s", Goals: []report.Goal{{Against: "veth", Reach: reach, Aim: aim}, {Against: "naive", Reach: 10, Aim: 15}}}
		r.Series = []report.Series{f.series("netnsd-sockets", ours*x, 0.05), f.series("veth", veth, 0.03), f.series("naive", ours/17, 0.08)}
		return r
	}
	many := row("many", "1000 saturated flows, up", 9.4, 27, 0.35, 0.6)
	for i := range many.Series[0].Samples {
		many.Series[0].Samples[i].Detail = map[string]float64{"stalled": 0, "slowest/fastest": 0.31, "aborted": 0}
		if i == 3 {
			many.Series[0].Samples[i].Detail = map[string]float64{"stalled": 3, "slowest/fastest": 0.22}
		}
	}
	return report.Table{
		Name: "sockets", Title: "sockets inside netstack, MTU 1500", Subject: "netnsd-sockets", Baselines: []string{"veth", "naive"},
		Rows: []report.Row{row("up1", "upload, 1 stream", 27.4, 31.5, 0.8, 0.95), row("down1", "download, 1 stream", 16, 33.9, 0.43, 0.6), many},
	}
}

func (f *faker) start(x float64) report.Table {
	return report.Table{
		Name: "cost", Title: "what it costs", Subject: "netnsd",
		Rows: []report.Row{
			{Workload: "start", Title: "start to exit of netnsd run -- true", Unit: "ms", Less: true, Goals: []report.Goal{{Reach: 30, Aim: 15}}, Series: []report.Series{f.series("netnsd", 22/x, 0.1)}},
			{Workload: "idle", Title: "memory of an idle flow", Unit: "KiB", Less: true, Goals: []report.Goal{{Reach: 12, Aim: 6}}, Series: []report.Series{f.series("netnsd", 13.3, 0.01)}},
			{Workload: "decide", Title: "a deciding layer on a data operation", Unit: "ns", Less: true, Goals: []report.Goal{{Reach: 0}}, Series: []report.Series{f.around("netnsd", 0, 0.03)}},
		},
	}
}

// series scatters around a figure by the given part of it, more often below.
func (f *faker) series(contender string, figure, by float64) report.Series {
	s := f.around(contender, figure, figure*by)
	for i := range s.Samples {
		s.Samples[i].CPU, s.Samples[i].Own = 1.7+0.2*f.Float64(), 0.8+0.2*f.Float64()
		s.Samples[i].Memory = int64(40e6 + 1e6*f.Float64())
		if contender == "veth" {
			s.Samples[i].Own, s.Samples[i].Memory = 0, 0
		}
	}
	return s
}

func (f *faker) around(contender string, figure, by float64) report.Series {
	s := report.Series{Contender: contender}
	for i := range f.repetitions {
		s.Samples = append(s.Samples, report.Sample{Repetition: i, Value: math.Round((figure+by*f.NormFloat64())*1e6) / 1e6})
	}
	return s
}
