//go:build linux

package load

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Kinds of load.
const (
	Up       = "up"       // streams to a sink: bytes received by it
	Down     = "down"     // streams from a source: bytes received by the client
	PingPong = "pingpong" // 64 bytes there and back on each connection: round trips
	Window   = "window"   // the same, at most 64 at a time under way on so many connections
	Once     = "once"     // connect, a byte each way, reset, by so many clients: connections
	UDP      = "udp"      // datagrams as fast as one sender can: received by the server
	UDPDown  = "udpdown"  // the other way: received by the client
	DNS      = "dns"      // questions, one at a time by so many clients: answers
)

// A Target is where the load goes, and what is to be looked at meanwhile.
type Target struct {
	Host netip.Addr
	DNS  netip.AddrPort // the name service that a program there is given
	Page string         // of the servers
	Pid  int            // of the contender; 0: there is no process
}

// A Spec says what one figure is.
type Spec struct {
	Kind    string
	Conns   int    // connections, or clients
	Size    int    // of a datagram, bytes
	Hello   string // streams begin with a ClientHello that asks for this server
	Warmup  time.Duration
	Measure time.Duration
}

// A Result is what came of it.
type Result struct {
	Rate   float64 // of what Kind says, a second
	CPU    float64 // busy CPUs of the whole machine
	Own    float64 // and of the contender
	Memory int64   // its resident set at the end, bytes
	Detail map[string]float64
}

// A client is a load at work.
type client struct {
	Spec
	Target
	page  *Page
	since int64 // serial of the last connection at a sink before ours

	per    []slot // done by each connection
	sent   slot   // datagrams
	errors slot   // attempts that failed where that is no failure of the figure

	stopping atomic.Bool
	wg       sync.WaitGroup
	mu       sync.Mutex
	failed   error
	conns    []conn
}

// kinds start the workers of a kind; each ends when stopping is set.
var kinds = map[string]func(*client) error{
	Up:       func(c *client) error { return c.streams(sinkPort, (*client).write) },
	Down:     func(c *client) error { return c.streams(sourcePort, (*client).read) },
	PingPong: func(c *client) error { return c.streams(echoPort, (*client).pingPong) },
	Window:   (*client).windowed,
	Once:     (*client).connectors,
	UDP:      (*client).sender,
	UDPDown:  (*client).flooded,
	DNS:      (*client).askers,
}

// Figure carries a load to t and measures it.
func Figure(s Spec, t Target) (Result, error) {
	start, ok := kinds[s.Kind]
	if !ok || s.Conns < 1 {
		return Result{}, fmt.Errorf("bench: no load %q with %d connections", s.Kind, s.Conns)
	}
	c := &client{Spec: s, Target: t, per: make([]slot, s.Conns)}
	var err error
	if c.page, err = OpenPage(t.Page); err != nil {
		return Result{}, err
	}
	c.since = c.page.serial.Load()
	if s.Conns < manyConns { // threads in blocking calls keep their P
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(s.Conns + 2))
	}
	var r Result
	if err = start(c); err == nil {
		r, err = c.window()
	}
	c.stop()
	return r, err
}

// work runs f until the figure is over; its error before that is the figure's.
func (c *client) work(f func() error) {
	c.wg.Go(func() {
		for !c.stopping.Load() {
			if err := f(); err != nil {
				c.fail(err)
				return
			}
		}
	})
}

func (c *client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopping.Load() && c.failed == nil {
		c.failed = err
	}
}

// stop ends all workers and resets their connections.
func (c *client) stop() {
	c.stopping.Store(true)
	for _, n := range c.conns {
		n.Wake()
	}
	c.wg.Wait()
	for _, n := range c.conns {
		n.Abort()
	}
}

// silence is how long a contender may move nothing at all before that is a failure.
const silence = 5 * time.Second

// window waits for the warm-up and then measures. If nothing arrives it goes on
// until something does: who stalls is slow, and not to be asked again until he
// does better.
func (c *client) window() (Result, error) {
	time.Sleep(c.Warmup)
	a := c.look()
	time.Sleep(c.Measure)
	b := c.look()
	for c.rate(a, b) == 0 && c.failure() == nil && b.at.Sub(a.at) < c.Measure+silence {
		time.Sleep(c.Measure / 10)
		b = c.look()
	}
	if err := c.failure(); err != nil {
		return Result{}, err
	}
	r := a.until(b)
	if r.Rate = c.rate(a, b); r.Rate == 0 {
		return Result{}, fmt.Errorf("nothing arrived for %v", b.at.Sub(a.at).Round(time.Millisecond))
	}
	r.Detail = c.detail(a, b)
	return r, nil
}

func (c *client) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// rate is what Kind counts, a second.
func (c *client) rate(a, b glance) float64 {
	seconds := b.at.Sub(a.at).Seconds()
	switch c.Kind {
	case Up:
		return float64(b.bytes-a.bytes) * 8 / 1e9 / seconds
	case Down:
		return float64(b.done-a.done) * 8 / 1e9 / seconds
	case UDP:
		return float64(b.datagrams-a.datagrams) / seconds
	}
	return float64(b.done-a.done) / seconds
}

// detail is what a rate alone does not say.
func (c *client) detail(a, b glance) map[string]float64 {
	d := map[string]float64{}
	switch c.Kind {
	case UDP:
		d["lost"] = lost(b.sent-a.sent, b.datagrams-a.datagrams)
	case UDPDown:
		d["lost"] = lost(b.flooded-a.flooded, b.done-a.done)
	case Once, DNS:
		d["failed"] = float64(b.failed - a.failed)
	case Up:
		spread(d, c.Conns, a.flows, b.flows)
	case Down:
		spread(d, c.Conns, a.per, b.per)
	}
	return d
}

// spread says how evenly n streams were served between a and b: how many received
// nothing at all, and the slowest of them against the fastest. One that the server
// has not taken yet is not in a, or in neither.
func spread(d map[string]float64, n int, a, b []int64) {
	if n < 2 {
		return
	}
	moved := make([]int64, max(n, len(b)))
	stalled := 0
	for i := range moved {
		if i < len(b) {
			moved[i] = b[i]
		}
		if i < len(a) {
			moved[i] -= a[i]
		}
		if moved[i] == 0 {
			stalled++
		}
	}
	d["stalled"] = float64(stalled)
	d["slowest/fastest"] = float64(slices.Min(moved)) / float64(max(slices.Max(moved), 1))
}

func lost(sent, received int64) float64 {
	return max(0, 1-float64(received)/float64(max(sent, 1)))
}
