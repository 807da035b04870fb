//go:build linux

package load

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"
)

// Serving says what a process of servers does.
type Serving struct {
	Host netip.Addr
	Page string
	Many bool // for many connections
}

// Serve is a process of servers: see lab.Serve.
func Serve(s Serving) (serve func(string, json.RawMessage) (any, error), end func() error, err error) {
	p, err := OpenPage(s.Page)
	switch {
	case err != nil:
	case s.Many:
		if err = ServeMany(s.Host, p); err == nil {
			err = hangUp()
		}
	default:
		err = ServeFew(s.Host, p)
	}
	return func(op string, _ json.RawMessage) (any, error) { return nil, fmt.Errorf("bench: no %q here", op) }, nil, err
}

// Generate is a process that loads t. It answers "figure", a Spec, with a Result,
// "hold": from then on it has so many connections open on which nothing moves,
// and "flood", a Flood, when that is over.
func Generate(t Target) (serve func(string, json.RawMessage) (any, error), end func() error, err error) {
	var held []conn
	return func(op string, arg json.RawMessage) (any, error) {
		switch op {
		case "figure":
			var s Spec
			if err := json.Unmarshal(arg, &s); err != nil {
				return nil, err
			}
			return Figure(s, t)
		case "flood":
			var s Flood
			if err := json.Unmarshal(arg, &s); err != nil {
				return nil, err
			}
			return nil, s.pour()
		case "hold":
			var n int
			err := json.Unmarshal(arg, &n)
			if err == nil {
				held, err = hold(t, held, n)
			}
			return nil, err
		}
		return nil, fmt.Errorf("bench: no %q here", op)
	}, nil, nil
}

// settle is how long the servers may take to know of all connections, or that
// they have ended.
const settle = 5 * time.Second

// hold resets what is held and opens n connections; it returns when the server
// has them too.
func hold(t Target, held []conn, n int) ([]conn, error) {
	p, err := OpenPage(t.Page)
	if err != nil {
		return nil, err
	}
	for _, c := range held {
		c.Abort()
	}
	before := p.quiet()
	if held, err = openAll(t.Host, echoPort, n); err != nil {
		return nil, err
	}
	for end := time.Now().Add(settle); p.Open.Load() < before+int64(n); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return held, fmt.Errorf("bench: %d connections were opened, and %d are at the server", n, p.Open.Load()-before)
		}
	}
	return held, nil
}

// quiet waits until connections of somebody before have ended, and says how many
// are open then.
func (p *Page) quiet() int64 {
	last, same := p.Open.Load(), 0
	for end := time.Now().Add(settle); same < 5 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
		if now := p.Open.Load(); now == last {
			same++
		} else {
			last, same = now, 0
		}
	}
	return last
}
