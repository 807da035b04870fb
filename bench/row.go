//go:build linux

package bench

import (
	"context"
	"fmt"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/bench/internal/load"
	"github.com/netnsd/netnsd/bench/report"
)

// A row as it is defined: a workload, and what is asked of it.
type row struct {
	name, title, unit string
	less              bool
	load              load.Spec
	// measure takes one figure; default: load, by a generator of its own.
	measure        func(context.Context, *figure) (report.Sample, error)
	asked          []report.Goal
	quick          bool           // in the quick run's selection
	extra          time.Duration  // what a figure takes besides warm-up and measuring
	most           int            // repetitions, where fewer do; 0: as many as the run has
	bare           bool           // no contender is set up
	tool           string         // a program that it takes, and the package it is in
	files          int            // descriptors that each process needs
	absent         string         // what missing says
	conns          map[string]int // connections, by contender; default: load's
	warmup, window time.Duration  // at least; 0: the run's own
}

func (r row) goals(g ...report.Goal) row { r.asked = g; return r }
func (r row) inQuick() row               { r.quick = true; return r }
func (r row) times(n int) row            { r.most = n; return r }
func (r row) saying(hello string) row    { r.load.Hello = hello; return r }
func (r row) on(by map[string]int) row   { r.conns = by; return r }

// overhead of a figure: a process is started, connections are opened and reset.
const overhead = 60 * time.Millisecond

func up(n int) row   { return streams("up", "upload", load.Up, n) }
func down(n int) row { return streams("down", "download", load.Down, n) }

func streams(name, title, kind string, n int) row {
	return row{
		name: fmt.Sprint(name, n), title: fmt.Sprintf("%s, %s", title, count(n, "stream")), unit: "Gbit/s",
		load: load.Spec{Kind: kind, Conns: n}, extra: overhead,
	}
}

func pingPong(n int) row {
	return row{
		name: fmt.Sprint("pp", n), title: "ping-pong, " + count(n, "connection"), unit: "1/s",
		load: load.Spec{Kind: load.PingPong, Conns: n}, extra: overhead,
	}
}

func connect() row {
	return row{
		name: "crr", title: "connect-request-close, 4 clients", unit: "1/s",
		load: load.Spec{Kind: load.Once, Conns: 4}, extra: overhead,
	}
}

func udp(size int) row {
	return row{
		name: fmt.Sprint("udp", size), title: fmt.Sprintf("UDP, %d bytes, received", size), unit: "1/s",
		load: load.Spec{Kind: load.UDP, Conns: 1, Size: size}, extra: overhead,
	}
}

// saturated are so many streams that they are served by Go's poller.
func saturated(name, title, kind string, n int) row {
	r := streams(name, title, kind, n)
	r.title = fmt.Sprintf("%s, %d saturated flows", title, n)
	return r.large(n)
}

// large is for rows that open n connections before anything is measured. The
// slowest contender opens some 2000 a second. Thousands of streams on two cores
// take turns: in a shorter window some have none and look stalled.
func (r row) large(n int) row {
	r.files = n + spareFiles
	r.extra += time.Duration(n) * time.Second / 2000
	r.warmup, r.window = time.Second, 2*time.Second
	return r
}

// spareFiles is what a process has open besides the connections.
const spareFiles = 200

// window has 64 round trips under way on n connections.
func window(n int) row {
	return row{
		name: fmt.Sprint("pp-of-", n), title: fmt.Sprintf("ping-pong, 64 at a time over %d connections", n), unit: "1/s",
		load: load.Spec{Kind: load.Window, Conns: n}, extra: overhead,
	}.large(n)
}

func dns() row {
	return row{
		name: "dns", title: "DNS, 16 clients", unit: "1/s",
		load: load.Spec{Kind: load.DNS, Conns: 16}, extra: overhead,
	}
}

func udpDown(size int) row {
	return row{
		name: fmt.Sprintf("udp%d-down", size), title: fmt.Sprintf("UDP, %d bytes, download, received", size), unit: "1/s",
		load: load.Spec{Kind: load.UDPDown, Conns: 1, Size: size}, extra: overhead,
	}
}

// inside has the servers in the client's namespace, at published ports, and the
// clients on the host.
func inside(rows ...row) []row {
	for i, r := range rows {
		rows[i].name, rows[i].title = r.name+"-in", r.title+", server inside"
		rows[i].measure = func(ctx context.Context, f *figure) (report.Sample, error) { return f.visited(ctx) }
		rows[i].extra += overhead
	}
	return rows
}

// missing says why nobody can carry r here; "" if somebody can.
func (r row) missing() string {
	if r.tool != "" {
		if _, err := exec.LookPath(r.tool); err != nil {
			return fmt.Sprintf("%s is not installed: apt-get install %s", r.tool, r.tool)
		}
	}
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err == nil && l.Cur < uint64(r.files) {
		return fmt.Sprintf("it takes %d open files a process, and RLIMIT_NOFILE is %d: raise it with ulimit -Hn", r.files, l.Cur)
	}
	return ""
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprint(n, " ", what)
}
