package socketstest_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider/providertest"
)

// FuzzWinsock runs programs of calls, two goroutines on six sockets of two
// sessions, and holds what comes back to the model: see machine. A program is a
// byte for the ground (see ground) and instructions of five bytes (see instruction).
//
//	go test ./sockets/socketstest -run '^$' -fuzz FuzzWinsock -fuzztime 10m -fuzzminimizetime 1x
func FuzzWinsock(f *testing.F) {
	for _, p := range programs {
		f.Add(p.code.bytes())
	}
	f.Fuzz(func(t *testing.T, code []byte) { runProgram(t, code) })
}

// TestWinsockPrograms runs the programs that are written down, each on all grounds,
// and some that chance has made; always the same ones.
func TestWinsockPrograms(t *testing.T) {
	for _, p := range programs {
		for g := range grounds {
			t.Run(fmt.Sprintf("%s, on ground %d", p.name, g), func(t *testing.T) {
				p.code.ground = byte(g)
				runProgram(t, p.code.bytes())
			})
		}
	}
	n := 300
	if raceEnabled {
		n = 30
	}
	for seed := range n {
		t.Run(fmt.Sprintf("chance %d", seed), func(t *testing.T) { runProgram(t, chance(uint64(seed), 60)) })
	}
	t.Log(&reached)
	if names := reached.unreached(); whole() && len(names) > 0 {
		t.Errorf("no program has had a success of %v", names)
	}
}

// whole is whether all there is runs, which together must reach everything: not a
// few of the race detector's, or one by its name.
func whole() bool {
	return !raceEnabled && !strings.Contains(flag.Lookup("test.run").Value.String(), "/")
}

// chance is a program of n instructions.
func chance(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	code := make([]byte, 1+n*instructionSize)
	for i := range code {
		code[i] = byte(r.Uint32())
	}
	// It begins with connections, so that what follows has something to work on.
	at := code[1:]
	for i, op := range []int{opPair, opPair, opPairUDP} {
		copy(at[i*instructionSize:], []byte{byte(op), byte(2*i + (2*i+1)*slots)})
	}
	return code
}

// runProgram is one run; what it leaves behind fails the test.
func runProgram(t *testing.T, code []byte) {
	if len(code) == 0 {
		return
	}
	leaks := providertest.Watch()
	t.Cleanup(func() { // after the sessions and networks
		if left := leaks(); left != "" {
			t.Errorf("after the sessions are closed: %s", left)
		}
	})
	m := newMachine(t, code[0])
	m.run(decode(code[1:]))
	m.finish()
}
