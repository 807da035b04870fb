//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netnsd/netnsd/stack/stacktest"
)

// floodRate is so many packets a second, if the machine can.
const floodRate = 50_000

// flood sends so many packets as of other hosts: a kind of stacktest.Flood, to an address
// and port.
func flood(args []string) error {
	to, err := netip.ParseAddrPort(args[1])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	f, err := stacktest.NewFlood(args[0], to)
	if err != nil {
		return err
	}
	return f.Pour(context.Background(), n, floodRate)
}

// What a daemon of two attachments may take, however one is flooded: of TCP, UDP and DNS
// as many as its limits say.
const (
	floodMemory      = 400 << 20
	floodDescriptors = 3*4096 + 100
)

// A flood from one attachment ends at its bounds: the neighbour's connections live, its
// new ones begin, memory stays bounded, and afterwards everything is as before.
func TestDaemonFlood(t *testing.T) {
	packets := floodRate
	if raceEnabled {
		packets /= 5
	}
	l := newLab(t)
	l.web(8080, 1<<20)
	echo, _ := l.counting(7001)
	deaf := l.deafDNS(5399)
	a, b := l.inner(), l.inner()
	d := l.netnsd(fmt.Sprintf(`
defaults: {dns: {upstreams: ["udp://%s"]}}
attachments:
  - {name: a, netns: {name: %s}}
  - {name: b, netns: {name: %s}}
`, deaf, a, b))
	kept := []talk{l.talk(a, echo), l.talk(b, echo)} // the flooded one has some, too
	w := fetching(b, server4+":8080", 2, patience)
	w.fetched(t, 20)
	for _, c := range []struct{ kind, to string }{
		{"syn", server4 + ":81"},
		{"syn", server4 + ":7001"},
		{"syn", silent4 + ":80"},
		{"syn", server4 + ":0"},
		{"udp", server4 + ":0"},
		{"udp", silent4 + ":0"},
		{"dns", "10.0.2.3:53"},
	} {
		t.Run(c.kind+" "+c.to, func(t *testing.T) {
			done := w.count()
			cmd := l.inside(a).command(t.Context(), root, "netnsd-client", "flood", c.kind, c.to, strconv.Itoa(packets))
			out, err := cmd.Output()
			if string(out) != "ok\n" || err != nil {
				t.Fatalf("%q, %v", out, err)
			}
			for _, k := range kept {
				if err := k.SetDeadline(time.Now().Add(patience)); err != nil {
					t.Error(err)
				}
				k.say(t, "still")
			}
			m, n := d.resident(), d.descriptors()
			t.Logf("meanwhile the neighbour has fetched %d MiB; %d MiB resident, %d descriptors", w.count()-done, m>>20, n)
			if m > floodMemory && !raceEnabled || n > floodDescriptors {
				t.Errorf("%d MiB of memory, %d descriptors", m>>20, n)
			}
		})
	}
	l.talk(a, echo).Close() // the oldest attempts make room
	for _, k := range kept {
		k.Close()
	}
	w.end(t)
	d.stop()
	if strings.Contains(d.log(), "connections are reset") {
		t.Error("the end waited for what is left of a flood")
	}
}

// deafDNS is a name server that never answers.
func (l *lab) deafDNS(port int) string {
	addr := fmt.Sprintf("%s:%d", server4, port)
	l.answer(addr, func([]byte) []byte { return nil })
	return addr
}

// count is how many fetches have ended.
func (w *load) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done
}

// resident is the memory of the daemon, bytes.
func (d *served) resident() (n int) {
	d.l.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		d.l.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			fmt.Sscan(rest, &n)
		}
	}
	return n << 10
}
