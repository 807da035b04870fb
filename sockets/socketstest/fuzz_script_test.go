package socketstest_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/sockets/socketstest"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// FuzzScripts runs one script on package net and on the Go face, and wants the same
// of both, but for what is said in partings.
//
//	go test ./sockets/socketstest -run '^$' -fuzz FuzzScripts -fuzztime 3m -fuzzminimizetime 1x
func FuzzScripts(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(scriptOf(seed, 40))
	}
	f.Fuzz(func(t *testing.T, code []byte) { compare(t, code) })
}

// TestScripts runs scripts that chance has made, always the same ones.
func TestScripts(t *testing.T) {
	n := uint64(60)
	if raceEnabled {
		n = 8
	}
	for seed := range n {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { compare(t, scriptOf(seed, 80)) })
	}
	t.Logf("%d steps of each kind %v", scriptSteps.total(), &scriptSteps)
	if names := scriptSteps.missing(); whole() && len(names) > 0 {
		t.Errorf("no script has come to %v", names)
	}
}

// scriptOf is a script of n steps.
func scriptOf(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	code := []byte{byte(seed)}
	for range n * scriptStep {
		code = append(code, byte(r.Uint32()))
	}
	return code
}

// faces are the networks that are held against the kernel's.
var faces = []struct {
	name string
	pair func(t *testing.T, v6 bool) socketstest.Pair
}{
	{"netstack", func(t *testing.T, v6 bool) socketstest.Pair {
		p := stacktest.NewPair(t, stacktest.PairConfig{})
		driver := func(s *stack.Stack) base.Driver {
			d := netstack.New(netstack.Config{Stack: s})
			t.Cleanup(d.Close)
			return d
		}
		return face(t, v6, stacktest.B4, stacktest.B6, driver(p.A), driver(p.B))
	}},
	{"host", func(t *testing.T, v6 bool) socketstest.Pair {
		h, err := host.New(host.Config{})
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { h.Close() })
		return face(t, v6, netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback(), h, h)
	}},
	{"memory", func(t *testing.T, v6 bool) socketstest.Pair {
		n := basetest.NewNetwork(basetest.NetworkConfig{})
		b4, b6 := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2")
		return face(t, v6, b4, b6, n, n.Host(b4, b6))
	}},
}

func face(t *testing.T, v6 bool, b4, b6 netip.Addr, a, b base.Driver) socketstest.Pair {
	p := socketstest.Pair{Client: over(t, a, 1), Server: over(t, b, 1), Host: b4.String()}
	if v6 {
		p.Host = b6.String()
	}
	return p
}

// compare runs code on the kernel and on each face.
func compare(t *testing.T, code []byte) {
	if len(code) == 0 {
		return
	}
	v6 := code[0]&1 != 0
	loopback := "127.0.0.1"
	if v6 {
		loopback = "::1"
	}
	var want []result
	if !t.Run("kernel", func(t *testing.T) { want = play(t, socketstest.Kernel(loopback), code[1:]) }) {
		return
	}
	for _, f := range faces {
		t.Run(f.name, func(t *testing.T) {
			got := play(t, f.pair(t, v6), code[1:])
			for i := range min(len(want), len(got)) {
				if !want[i].same(got[i]) {
					t.Errorf("step %d:\n\t%v, on the kernel\n\t%v, on the face\nafter:", i, want[i], got[i])
					for _, r := range got[max(0, i-12):i] {
						t.Logf("\t%v", r)
					}
					return
				}
			}
			if len(want) != len(got) {
				t.Errorf("%d results, %d on the kernel", len(got), len(want))
			}
		})
	}
}

// result is what a step has come to.
type result struct {
	op    string
	on    string // which of the script's things
	state string // what the script knows of it: see partings
	n     int
	data  string
	err   string // class: see class
}

func (r result) String() string {
	return fmt.Sprintf("%s of %s (%s): %d %q %s", r.op, r.on, r.state, r.n, r.data, r.err)
}

// same is whether r, of the kernel, and o, of a face, are equal or part as they may.
func (r result) same(o result) bool {
	if r == o {
		return true
	}
	kernel, form := r.split()
	face, other := o.split()
	o.err = r.err
	return r == o && (form == other || form == "" || other == "") && slices.ContainsFunc(partings, func(p parting) bool {
		return (p.op == "" || p.op == r.op) && p.state == r.state &&
			slices.Contains(p.kernel, kernel) && slices.Contains(p.face, face)
	})
}

// split is the name of the error, and what is made of it.
func (r result) split() (name, form string) {
	name, form, _ = strings.Cut(r.err, " ")
	return name, form
}

// parting is a row of the table of the two faces (spi-notes 3), as far as scripts see
// it: where Linux and Windows are of two minds and the Go face has kept Windows'.
type parting struct {
	op, state    string
	kernel, face []string
	reason       string
}

var partings = []parting{
	{"read", "reset seen", []string{"EOF"}, []string{"ECONNRESET"}, "after RST: once, then EOF; here for ever, which is safer"},
	{"write", "reset seen", []string{"EPIPE", "ECONNRESET"}, []string{"ECONNRESET"}, "after RST: once, then EPIPE; here for ever"},
	{"exhaust", "peer closed", []string{"EPIPE", "ECONNRESET"}, []string{"EPIPE", "ECONNRESET"}, "peer closed, we sent, RST: ECONNABORTED is ECONNRESET above; which write meets the RST is the network's"},
	{"closeWrite", "over", []string{"nil", "ENOTCONN"}, []string{"nil"}, "both directions have ended: Linux has forgotten the connection when it knows, Winsock's SD_SEND is of the socket"},
	{"closeRead", "over", []string{"nil", "ENOTCONN"}, []string{"nil"}, "the same"},
	{"send", "", []string{"EMSGSIZE"}, []string{"EDESTADDRREQ"}, "two faults at once, a peer missing and too long: each has its own order"},
}
