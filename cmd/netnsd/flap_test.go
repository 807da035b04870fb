//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// flap takes the program's link down for a tenth of a second, and puts back
// what the kernel drops with it.
const flap = `exec nsenter --net=/proc/%d/ns/net sh -ec '
ip link set tun0 down; sleep 0.1; ip link set tun0 up
ip route replace default via 10.0.2.2
ip -6 addr replace fd00::64/64 dev tun0 nodad
ip -6 route replace default via fd00::2'`

// A stream stands still for the tenth of a second, or the link was not down in
// the middle of it, and for less than a second after its route is back.
const (
	down  = 90 * time.Millisecond
	stall = time.Second
)

// flapBytes takes a second or two.
const flapBytes = 1 << 30

// A link that goes down and comes back in the middle of a transfer costs less
// than a second, each way.
func TestLinkFlap(t *testing.T) {
	need(t, "nsenter", "bash")
	l := newLab(t)
	for i, host := range []string{server4, server6} {
		for _, way := range []string{"download", "upload"} {
			t.Run(fmt.Sprintf("%s%d", way, 4+2*i), func(t *testing.T) {
				l.flapped(t, net.JoinHostPort(host, "7005"), way)
			})
		}
	}
}

func (l *lab) flapped(t *testing.T, addr, way string) {
	const n = flapBytes
	inner := *l
	inner.t = t
	middle, longest := make(chan struct{}), make(chan time.Duration, 1)
	inner.serve(addr, func(c *net.TCPConn) {
		p := &progress{at: n / 4, middle: middle}
		if way == "download" {
			io.CopyN(io.MultiWriter(c, p), zeros{}, n)
		} else {
			io.Copy(p, c)
		}
		longest <- p.longest
	})
	host, port, _ := net.SplitHostPort(addr)
	script := fmt.Sprintf("cat < /dev/tcp/%s/%s | wc -c", host, port)
	if way == "upload" {
		script = fmt.Sprintf("head -c %d /dev/zero > /dev/tcp/%s/%s", n, host, port)
	}
	done := make(chan result, 1)
	go func() { done <- inner.run(root, nil, "bash", "-c", script) }()
	<-middle
	cut := time.Now()
	sh(t, fmt.Sprintf(flap, inner.find(t, "cat", "head")))
	outage := time.Since(cut) // the tenth, and as long as this machine takes for the commands
	r := <-done
	if r.status != 0 || way == "download" && strings.TrimSpace(r.stdout) != fmt.Sprint(n) {
		t.Errorf("status %d, %q bytes of %d\n%s", r.status, r.stdout, n, r.stderr)
	}
	gap := <-longest
	t.Logf("stood still for %v; without a route for %v", gap.Round(time.Millisecond), outage.Round(time.Millisecond))
	if gap < down || gap > outage+stall {
		t.Errorf("stood still for %v, without a route for %v", gap, outage)
	}
}

// progress is a writer that measures the longest pause between two writes, and
// says when at bytes have passed.
type progress struct {
	at, n   int64
	middle  chan struct{}
	last    time.Time
	longest time.Duration
}

func (p *progress) Write(b []byte) (int, error) {
	now := time.Now()
	if !p.last.IsZero() {
		p.longest = max(p.longest, now.Sub(p.last))
	}
	p.last = now
	if p.n += int64(len(b)); p.n >= p.at && p.middle != nil {
		close(p.middle)
		p.middle = nil
	}
	return len(b), nil
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
