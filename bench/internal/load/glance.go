//go:build linux

package load

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strconv"
	"time"
)

// A glance is all counters at one moment.
type glance struct {
	at time.Time

	done, sent, failed        int64   // by the client
	bytes, datagrams, flooded int64   // by the servers
	per, flows                []int64 // done by each connection; received on each by the sinks

	busy, own float64 // CPU seconds: of the machine, of the contender
	memory    int64
}

// look takes a glance, and another one if it was kept from the CPU meanwhile:
// its counters would not be of one moment.
func (c *client) look() glance {
	const swift, most = time.Millisecond, 20
	var best glance
	took := time.Duration(math.MaxInt64)
	for range most {
		start := time.Now()
		g := c.glance()
		d := time.Since(start)
		if d < took {
			took, best = d, g
			best.at = start.Add(d / 2)
		}
		if took < swift {
			break
		}
	}
	return best
}

func (c *client) glance() glance {
	g := glance{
		sent: c.sent.Load(), failed: c.errors.Load(),
		bytes: c.page.Bytes.Load(), datagrams: c.page.Datagrams.Load(), flooded: c.page.Flooded.Load(),
		per: make([]int64, len(c.per)),
	}
	for i := range c.per {
		g.per[i] = c.per[i].Load()
		g.done += g.per[i]
	}
	if c.Kind == Up {
		g.flows = c.page.received(c.since)
	}
	g.busy = busy()
	if c.Pid != 0 {
		g.own, g.memory = ownCPU(c.Pid), Resident(c.Pid)
	}
	return g
}

// until is what the machine did between two glances.
func (a glance) until(b glance) Result {
	s := b.at.Sub(a.at).Seconds()
	return Result{CPU: (b.busy - a.busy) / s, Own: (b.own - a.own) / s, Memory: b.memory}
}

// Watch looks at the machine and at one process, 0 for none, until the function
// returned is called; its Result says what they used.
func Watch(pid int) (end func() Result) {
	c := &client{Target: Target{Pid: pid}, page: new(Page)}
	a := c.look()
	return func() Result { return a.until(c.look()) }
}

// hz is USER_HZ, the unit of /proc: 100 on every architecture that Go has.
const hz = 100

// busy is the CPU time that the machine has spent on anything, in seconds:
// proc_stat(5), without idle, iowait and what others steal.
func busy() float64 {
	b, _ := os.ReadFile("/proc/stat")
	line, _, _ := bytes.Cut(b, []byte("\n"))
	var ticks int64
	for i, f := range bytes.Fields(line) {
		switch i {
		case 1, 2, 3, 6, 7: // user nice system irq softirq
			ticks += number(f)
		}
	}
	return float64(ticks) / hz
}

// ownCPU is that of one process, in seconds.
func ownCPU(pid int) float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := bytes.Cut(b, []byte(") ")) // the name in front may hold blanks
	f := bytes.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	return float64(number(f[11])+number(f[12])) / hz // utime stime
}

// Resident is the resident set of a process in bytes, 0 if there is none.
func Resident(pid int) int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	f := bytes.Fields(b)
	if len(f) < 2 {
		return 0
	}
	return number(f[1]) * int64(os.Getpagesize())
}

func number(b []byte) int64 {
	n, _ := strconv.ParseInt(string(b), 10, 64)
	return n
}
