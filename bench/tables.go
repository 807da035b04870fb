//go:build linux

package bench

import (
	"github.com/netnsd/netnsd/bench/internal/load"
	"github.com/netnsd/netnsd/bench/report"
)

// A table as it is defined: baselines are kinds, of which there may be several.
type table struct {
	TableInfo
	subject   string
	baselines []string
	rows      []row
}

// tables are the full run's, which are issue 3's 'Figures', and then the others.
var tables = append([]table{
	{
		TableInfo: TableInfo{"gateway", "gateway, a chain of three layers that decide", true},
		subject:   "netnsd", baselines: []string{"pasta", "slirp4netns", "veth"},
		rows: []row{
			up(1).goals(goal("pasta", 1.5, 2), goal("slirp4netns", 1.7, 2.5), goal("veth", 0.33, 0.5)).inQuick(),
			up(8).goals(goal("pasta", 0.75, 1.1), goal("slirp4netns", 1.8, 2.5), goal("veth", 0.33, 0.45)),
			down(1).goals(goal("pasta", 0.65, 1.1), goal("slirp4netns", 1.8, 2.5), goal("veth", 0.33, 0.45)),
			down(8).goals(goal("pasta", 1.0, 1.3), goal("slirp4netns", 1.8, 2.5), goal("veth", 0.42, 0.6)).inQuick(),
			pingPong(1).goals(goal("pasta", 0.85, 1.1), goal("slirp4netns", 0.9, 1.2)).inQuick(),
			pingPong(16).goals(goal("pasta", 0.85, 1.1), goal("slirp4netns", 0.9, 1.2)),
			connect().goals(goal("pasta", 0.6, 1.0), goal("slirp4netns", 0.6, 1.0)).inQuick(),
			udp(64).goals(goal("pasta", 0.9, 1.1), goal("slirp4netns", 1.2, 1.5), goal("veth", 0.85, 1)),
			udp(1400).goals(goal("pasta", 0.9, 1.1), goal("slirp4netns", 1.2, 1.5), goal("veth", 0.85, 1)).inQuick(),
		},
	},
	{
		TableInfo: TableInfo{"sockets", "sockets inside netstack, MTU 1500", true},
		subject:   "netnsd-sockets", baselines: []string{"veth"},
		rows: []row{
			up(1).goals(goal("veth", 0.8, 0.95)).inQuick(),
			up(8).goals(goal("veth", 0.47, 0.65)),
			down(1).goals(goal("veth", 0.43, 0.6)),
			down(8).goals(goal("veth", 0.45, 0.65)).inQuick(),
			saturated("up", "upload", load.Up, 1000).goals(goal("veth", 0.35, 0.6)),
			saturated("down", "download", load.Down, 1000).goals(goal("veth", 0.25, 0.5)),
		},
	},
	{
		TableInfo: TableInfo{"connections", "sockets inside netstack, 10 000 connections against 100", true},
		subject:   manyConnections, baselines: []string{fewConnections},
		rows: []row{window(10000).on(map[string]int{fewConnections: 100}).goals(goal(fewConnections, 0.9, 1))},
	},
	{
		TableInfo: TableInfo{"naive", "sockets inside netstack against the naive variant, MTU 1500", true},
		subject:   "netnsd-sockets", baselines: []string{"naive"},
		rows: inQuick(bulk(goal("naive", 10, 15)), "down1"),
	},
	{
		TableInfo: TableInfo{"tun2socks", "gateway against tun2socks at its default MTU", true},
		subject:   "netnsd", baselines: []string{"tun2socks"},
		rows: bulk(goal("tun2socks", 8, 0)),
	},
	{
		TableInfo: TableInfo{"idle", "gateway, memory of an idle flow", true},
		subject:   "netnsd",
		rows:      []row{idle(10000).goals(goal("", 12, 6)).times(3).inQuick()},
	},
	{
		TableInfo: TableInfo{"start", "start to exit", true},
		subject:   "netnsd-run",
		rows:      []row{startToExit().goals(goal("", 30, 15)).inQuick()},
	},
	{
		TableInfo: TableInfo{"layers", "what one layer adds to a data operation", true},
		subject:   "layer",
		rows: []row{
			cost("decides", "a layer that decides", "policy").goals(goal("", 0, 0)).inQuick(),
			cost("looks", "a layer that looks at data", "look").goals(goal("", 10, 5)).inQuick(),
		},
	},
}, more...)

// more are asked for by name.
var more = []table{
	{
		TableInfo: TableInfo{"every-layer", "what each layer adds to a data operation, and to a connection", false},
		subject:   "layer",
		rows:      everyLayer(),
	},
	{
		TableInfo: TableInfo{"kernel", "gateway against kernels: veth and loopback", false},
		subject:   "netnsd", baselines: []string{"veth", "loopback"},
		rows: []row{up(1), up(8), down(1), down(8), pingPong(1), pingPong(16), connect(), udp(64), udp(1400)},
	},
	{
		TableInfo: TableInfo{"chains", "gateway, no layer against chains of several kinds", false},
		subject:   "netnsd-none",
		baselines: []string{"netnsd-decide1", "netnsd", "netnsd-decide6", "netnsd-audit", "netnsd-look", "netnsd-kit"},
		rows:      []row{up(1), up(8), down(1), down(8), pingPong(1), connect(), udp(64)},
	},
	{
		TableInfo: TableInfo{"names", "gateway, streams after a ClientHello that was held back and judged", false},
		subject:   "netnsd-sni", baselines: []string{"netnsd-decide1"},
		rows: []row{
			up(1).saying(tlsServer).goals(goal("netnsd-decide1", 0.9, 1)), up(8).saying(tlsServer).goals(goal("netnsd-decide1", 0.9, 1)),
			down(1).saying(tlsServer).goals(goal("netnsd-decide1", 0.9, 1)), down(8).saying(tlsServer).goals(goal("netnsd-decide1", 0.9, 1)),
		},
	},
	{
		TableInfo: TableInfo{"clients", "gateway, foreign clients", false},
		subject:   "netnsd", baselines: []string{"pasta", "slirp4netns", "veth"},
		rows: []row{iperf("up", 1), iperf("up", 8), iperf("down", 1), iperf("down", 8), wrk(1), wrk(16)},
	},
	{
		TableInfo: TableInfo{"dns", "name service", false},
		subject:   "netnsd", baselines: []string{"pasta", "slirp4netns", "veth"},
		rows: []row{dns()},
	},
	{
		TableInfo: TableInfo{"udp-down", "gateway, UDP towards the program", false},
		subject:   "netnsd", baselines: []string{"pasta", "slirp4netns", "veth"},
		rows: []row{udpDown(64), udpDown(1400)},
	},
	{
		TableInfo: TableInfo{"publish", "published ports, towards servers inside", false},
		subject:   "netnsd", baselines: []string{"pasta", "veth"},
		rows: inside(up(1), up(8), down(1), down(8), pingPong(1), pingPong(16), connect(), udp(1400), udpDown(1400)),
	},
	{
		TableInfo: TableInfo{"scale", "gateway, 1 to 10 000 connections active", false},
		subject:   "netnsd", baselines: []string{"pasta", "veth"},
		rows: scale(),
	},
	{
		TableInfo: TableInfo{"sockets-scale", "sockets inside netstack, 1 to 10 000 connections active", false},
		subject:   "netnsd-sockets", baselines: []string{"veth"},
		rows: scale(),
	},
	{
		TableInfo: TableInfo{"sockets-latency", "sockets inside netstack, small exchanges", false},
		subject:   "netnsd-sockets", baselines: []string{"veth", "naive"},
		rows: []row{pingPong(1), pingPong(16), connect()},
	},
	{
		TableInfo: TableInfo{"flood", "gateway beside one that is flooded, in one process", false},
		subject:   besideFlood, baselines: []string{besideQuiet},
		rows: floods(down(1), pingPong(1), connect()),
	},
	{
		TableInfo: TableInfo{"memory", "memory of an idle flow", false},
		subject:   "netnsd", baselines: []string{"netnsd-none", "netnsd-audit", "netnsd-kit", "pasta", "slirp4netns"},
		rows: []row{idle(100).times(5), idle(1000).times(5), idle(10000).times(3)},
	},
	{
		TableInfo: TableInfo{"naive-gateway", "gateway against the naive variant as a gateway", false},
		subject:   "netnsd-none", baselines: []string{"naive-gateway"},
		rows: []row{up(1), up(8), down(1), down(8), pingPong(1), connect(), udp(64), udp(1400)},
	},
}

// tlsServer is what a ClientHello asks for.
const tlsServer = "www.bench.test"

// bulk are the four columns of streams.
func bulk(g ...report.Goal) []row {
	return []row{up(1).goals(g...), up(8).goals(g...), down(1).goals(g...), down(8).goals(g...)}
}

// inQuick puts one of the rows into the quick run's selection.
func inQuick(rows []row, name string) []row {
	for i := range rows {
		rows[i].quick = rows[i].name == name
	}
	return rows
}

// scale are the same loads on more and more connections.
func scale() []row {
	var all []row
	for _, n := range []int{1, 10} {
		all = append(all, up(n), down(n))
	}
	for _, n := range []int{100, 1000, 10000} {
		all = append(all, saturated("up", "upload", load.Up, n), saturated("down", "download", load.Down, n), window(n))
	}
	return all
}

// goal is a multiple of a baseline of that kind; "" is the row's unit.
func goal(against string, reach, aim float64) report.Goal {
	return report.Goal{Against: against, Reach: reach, Aim: aim}
}

// Tables are all tables that can be asked for.
func Tables() []TableInfo {
	var all []TableInfo
	for _, t := range tables {
		all = append(all, t.TableInfo)
	}
	return all
}
