//go:build linux

package load

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func TestNameAnswer(t *testing.T) {
	for _, c := range []struct {
		kind    dnsmessage.Type
		answers int
	}{{dnsmessage.TypeA, 1}, {dnsmessage.TypeAAAA, 0}} {
		q := dnsmessage.Message{
			Header:    dnsmessage.Header{ID: 77, RecursionDesired: true},
			Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("a.bench.test."), Type: c.kind, Class: dnsmessage.ClassINET}},
		}
		b, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		var a dnsmessage.Message
		if b, err = nameAnswer(b); err == nil {
			err = a.Unpack(b)
		}
		if err != nil || a.ID != 77 || !a.Response || len(a.Answers) != c.answers || len(a.Questions) != 1 {
			t.Errorf("%v: %+v, %v", c.kind, a, err)
		}
	}
	if _, err := nameAnswer([]byte{1, 2, 3}); err == nil {
		t.Error("an answer to what is no question")
	}
}

// Connections of before and those whose place was taken again are not counted.
func TestPageFlows(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page")
	p, err := OpenPage(file)
	if err != nil {
		t.Fatal(err)
	}
	other, err := OpenPage(file)
	if err != nil {
		t.Fatal(err)
	}
	p.flow().bytes.Add(1)
	since := other.serial.Load()
	for i := range int64(3) {
		p.flow().bytes.Add(10 + i)
	}
	if got := other.received(since); len(got) != 3 || got[0] != 10 || got[2] != 12 {
		t.Errorf("%v", got)
	}
	for range len(p.flows) {
		p.flow()
	}
	if got := other.received(since); len(got) != len(p.flows) {
		t.Errorf("%d places of %d", len(got), len(p.flows))
	}
}

func TestSpread(t *testing.T) {
	for name, c := range map[string]struct {
		n            int
		a, b         []int64
		said         bool
		stalled, low float64
	}{
		"one stream":          {1, []int64{1}, []int64{2}, false, 0, 0},
		"even":                {2, []int64{1, 5}, []int64{11, 15}, true, 0, 1},
		"one stands":          {2, []int64{1, 5}, []int64{1, 15}, true, 1, 0},
		"one came later":      {2, []int64{0}, []int64{10, 5}, true, 0, 0.5},
		"one has never come":  {3, []int64{0, 0}, []int64{10, 5}, true, 1, 0},
		"none moves anything": {2, []int64{3, 3}, []int64{3, 3}, true, 2, 0},
	} {
		d := map[string]float64{}
		spread(d, c.n, c.a, c.b)
		stalled, said := d["stalled"]
		if said != c.said || stalled != c.stalled || d["slowest/fastest"] != c.low {
			t.Errorf("%s: %v", name, d)
		}
	}
}

// Every kind of load is carried by the kernel alone, few and many connections,
// and what comes out is what was counted.
func TestFigureOverLoopback(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("not root: the servers take port 53 and large buffers")
		}
		t.Skip("not root: the servers take port 53 and large buffers")
	}
	target := Target{Host: netip.MustParseAddr("127.9.9.9"), DNS: netip.MustParseAddrPort("127.9.9.9:53"), Page: filepath.Join(t.TempDir(), "page"), Pid: os.Getpid()}
	p, err := OpenPage(target.Page)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(ServeFew(target.Host, p), ServeMany(target.Host, p)); err != nil {
		t.Fatal(err)
	}
	for _, s := range []Spec{
		{Kind: Up, Conns: 1}, {Kind: Up, Conns: 100}, {Kind: Down, Conns: 2}, {Kind: Down, Conns: 100},
		{Kind: PingPong, Conns: 3}, {Kind: PingPong, Conns: 100}, {Kind: Window, Conns: 200}, {Kind: Window, Conns: 3},
		{Kind: Once, Conns: 2}, {Kind: UDP, Conns: 1, Size: 64}, {Kind: UDPDown, Conns: 1, Size: 1400}, {Kind: DNS, Conns: 4},
	} {
		s.Warmup, s.Measure = 20*time.Millisecond, 100*time.Millisecond
		r, err := Figure(s, target)
		if err != nil || r.Rate <= 0 || r.CPU <= 0 || r.Memory <= 0 {
			t.Errorf("%+v: %+v, %v", s, r, err)
		}
		if _, said := r.Detail["stalled"]; said != (s.Conns > 1 && (s.Kind == Up || s.Kind == Down)) {
			t.Errorf("%+v: detail %v", s, r.Detail)
		}
	}
	if _, err := Figure(Spec{Kind: "sideways", Conns: 1}, target); err == nil {
		t.Error("a load that does not exist")
	}
	target.Host = netip.MustParseAddr("127.9.9.8")
	if _, err := Figure(Spec{Kind: Up, Conns: 3}, target); err == nil {
		t.Error("a figure where nobody listens")
	}
}
