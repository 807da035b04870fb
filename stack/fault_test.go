package stack_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/faketime"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// The tests of this file live on the fake clock, settled: what they measure is TCP's
// time. In which order goroutines take their turn is still the runtime's choice, and
// with it who meets which face of the dice.

// linked connects B to a port of A.
func linked(t *testing.T, p *stacktest.Pair, port uint16) (b, a net.Conn) {
	t.Helper()
	l := listen(t, p.A, netip.AddrPortFrom(stacktest.A4, port))
	ends := make(chan net.Conn, 2)
	go func() {
		if c, err := l.Accept(); err == nil {
			ends <- c
		}
	}()
	go func() {
		if c, err := dial(p.B, netip.AddrPortFrom(stacktest.A4, port)); err == nil {
			ends <- c
		}
	}()
	if _, ok := p.Run(5*time.Minute, func() bool { return len(ends) == 2 }); !ok {
		t.Fatal("no connection")
	}
	b, a = <-ends, <-ends
	if b.LocalAddr().(*net.TCPAddr).AddrPort().Addr() == stacktest.A4 {
		b, a = a, b
	}
	t.Cleanup(func() { b.Close(); a.Close() })
	return b, a
}

// timed moves n bytes from c to d, unchanged, and tells how long it took; false if it
// is not complete after ten minutes.
func timed(t *testing.T, p *stacktest.Pair, c, d net.Conn, n int) (time.Duration, bool) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- transfer(c, d, noise(n)) }()
	took, ok := p.Run(10*time.Minute, func() bool { return len(done) == 1 })
	if !ok {
		c.Close() // and the goroutines of transfer end
		d.Close()
		<-done
		return took, false
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return took, true
}

// wire is a Device as a reader and a writer.
type wire struct{ stack.Device }

func (w wire) Read(b []byte) (int, error)  { return w.ReadPacket(0, [][]byte{b}) }
func (w wire) Write(b []byte) (int, error) { return w.WritePacket(0, [][]byte{b}) }

// plainPair is a Pair of stacks as gVisor makes them: its link endpoint, its RACK and
// its RTO. SACK, which it leaves out, everybody switches on.
func plainPair(t *testing.T, cable stacktest.CableConfig) *stacktest.Pair {
	t.Helper()
	p := &stacktest.Pair{Clock: faketime.NewManualClock()}
	cable.Clock = p.Clock
	p.Cable = stacktest.NewCable(cable)
	p.A, p.NA = plainStack(t, p, p.Cable.A, stacktest.A4)
	p.B, p.NB = plainStack(t, p, p.Cable.B, stacktest.B4)
	return p
}

func plainStack(t *testing.T, p *stacktest.Pair, d stack.Device, a netip.Addr) (*stack.Stack, *stack.NIC) {
	t.Helper()
	cfg := stack.Config{Clock: p.Clock, RTO: stack.RTORange{Min: 200 * time.Millisecond, Max: 2 * time.Minute}}
	s, n, err := stacktest.NewNaive(cfg, wire{d}, d.MTU(), []netip.Prefix{netip.PrefixFrom(a, 24)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	rack := tcpip.TCPRACKLossDetection
	if err := s.TCPIP().SetTransportProtocolOption(6, &rack); err != nil {
		t.Fatal(err)
	}
	return s, n
}

// TestFaultsBesidePlain: over wires that lose, delay, double and damage packets, all
// arrives unchanged, and in the sum not later than with plain netstack: in at most
// 1/0.9 of its time. With 40 seeds (NETNSD_TEST_LONG=1) ours takes, of plain's time:
//
//	loss 0.1 %        0.8 at 1 ms, 1.0 at 20 ms     reordering 5 %   0.8
//	     1 %          1.25         1.0              duplicates 5 %   1.0
//	     5 %          0.4          0.8              damage 1 %       1.3
//	                                                all              0.7    in the sum 0.7
//
// What is above 1 are last segments that are lost alone, for which RACK has a probe
// and we wait for the RTO: lossRecovery in tune.go says why RACK is off nevertheless.
func TestFaultsBesidePlain(t *testing.T) {
	stacktest.Settling(t)
	seeds := uint64(10)
	if stack.RaceEnabled {
		seeds = 1 // that all arrives unchanged
	}
	if os.Getenv("NETNSD_TEST_LONG") == "1" {
		seeds = 40
	}
	const near, far = time.Millisecond, 20 * time.Millisecond
	var ours, plain time.Duration
	for _, c := range []struct {
		name  string
		cable stacktest.CableConfig
	}{
		{"loss 0.1 %, 1 ms", stacktest.CableConfig{Loss: 0.001, Delay: near}},
		{"loss 1 %, 1 ms", stacktest.CableConfig{Loss: 0.01, Delay: near}},
		{"loss 5 %, 1 ms", stacktest.CableConfig{Loss: 0.05, Delay: near}},
		{"loss 0.1 %, 20 ms", stacktest.CableConfig{Loss: 0.001, Delay: far}},
		{"loss 1 %, 20 ms", stacktest.CableConfig{Loss: 0.01, Delay: far}},
		{"loss 5 %, 20 ms", stacktest.CableConfig{Loss: 0.05, Delay: far}},
		{"reordering 5 %", stacktest.CableConfig{Reorder: 0.05, Delay: near}},
		{"duplicates 5 %", stacktest.CableConfig{Duplicate: 0.05, Delay: near}},
		{"damage 1 %", stacktest.CableConfig{Corrupt: 0.01, Delay: near}},
		{"all", stacktest.CableConfig{Loss: 0.01, Reorder: 0.05, Duplicate: 0.05, Corrupt: 0.01, Delay: near}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var o, p time.Duration
			for c.cable.Seed = 1; c.cable.Seed <= seeds; c.cable.Seed++ {
				took, ok := eachWay(t, stacktest.NewPair(t, stacktest.PairConfig{Cable: c.cable, Fake: true}))
				if !ok {
					t.Fatalf("seed %d: not complete after %v", c.cable.Seed, took)
				}
				if stack.RaceEnabled {
					continue
				}
				beside, ok := eachWay(t, plainPair(t, c.cable))
				if !ok { // RACK has lost its way
					t.Logf("seed %d: plain netstack does not end", c.cable.Seed)
					continue
				}
				o, p = o+took, p+beside
			}
			t.Logf("%v, plain netstack %v", o, p)
			ours, plain = ours+o, plain+p
		})
	}
	if stack.RaceEnabled {
		return
	}
	t.Logf("in the sum %v, plain netstack %v: %.2f", ours, plain, float64(ours)/float64(plain))
	if ours*9 > plain*10 {
		t.Errorf("it takes %v, plain netstack %v", ours, plain)
	}
}

// eachWay takes a connection for each way: gVisor sends no SACK blocks once it has
// closed its own side (sendRaw), so that loss costs an RTO then, plain or not.
func eachWay(t *testing.T, p *stacktest.Pair) (time.Duration, bool) {
	t.Helper()
	const size = 512 << 10
	b, a := linked(t, p, 80)
	up, ok := timed(t, p, b, a, size)
	if !ok {
		return up, false
	}
	b, a = linked(t, p, 81)
	down, ok := timed(t, p, a, b, size)
	return up + down, ok
}

// TestBlackoutOnTheClock: however long it was dark, without anybody being told, what
// we send goes on within a second of the light.
func TestBlackoutOnTheClock(t *testing.T) {
	for _, dark := range []time.Duration{50 * time.Millisecond, 200 * time.Millisecond, time.Second, 10 * time.Second} {
		for _, offloads := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/offloads %v", dark, offloads), func(t *testing.T) {
				stacktest.Settling(t)
				p := stacktest.NewPair(t, stacktest.PairConfig{Fake: true, Cable: stacktest.CableConfig{Delay: time.Millisecond, Offloads: offloads}})
				b, a := linked(t, p, 80)
				pour := stacktest.StartPour(b, a, -1, 10*time.Minute)
				reached := func(n int64) func() bool { return func() bool { return pour.Received.Load() >= n } }
				if _, ok := p.Run(time.Minute, reached(1<<20)); !ok {
					t.Fatal("nothing passes before the blackout")
				}
				p.Cable.Dark(true)
				p.Run(dark, func() bool { return false })
				p.Cable.Dark(false)
				if p.Cable.Lost.Load() == 0 {
					t.Fatal("nothing was lost")
				}
				took, ok := p.Run(time.Minute, reached(pour.Received.Load()+1))
				if !ok || took > time.Second {
					t.Errorf("resumed %v after the light (%v), want a second", took, ok)
				}
				p.Run(time.Minute, reached(pour.Received.Load()+1<<20))
				pour.Stop()
				done := make(chan error, 1)
				go func() { done <- pour.Wait() }()
				if _, ok := p.Run(time.Minute, func() bool { return len(done) == 1 }); !ok {
					t.Fatal("does not end")
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// firstOnly loses each segment with data behind begin, and the FIN, the first time
// that it is sent.
type firstOnly struct {
	stack.Device
	begin uint32 // relative to the SYN

	mu   sync.Mutex
	isn  uint32
	seen map[uint32]bool
}

func (d *firstOnly) WritePacket(q int, bufs [][]byte) (int, error) {
	var p []byte
	for _, b := range bufs {
		p = append(p, b...)
	}
	const tcp, syn, fin = 20, 2, 1
	if len(p) > tcp+20 && p[0]>>4 == 4 && p[9] == 6 {
		d.mu.Lock()
		defer d.mu.Unlock()
		seq, flags := binary.BigEndian.Uint32(p[tcp+4:]), p[tcp+13]
		if flags&syn != 0 {
			d.isn = seq
		}
		data := len(p) - tcp - int(p[tcp+12]>>4)*4
		if at := seq - d.isn; (data > 0 || flags&fin != 0) && at > d.begin && at < 1<<31 && !d.seen[seq] {
			d.seen[seq] = true
			return len(p), nil
		}
	}
	return d.Device.WritePacket(q, bufs)
}

// TestLostTail: the last hundred segments are lost, with the FIN.
func TestLostTail(t *testing.T) {
	stacktest.Settling(t)
	const size, tail = 1 << 20, 100 * 1448
	tailless := &firstOnly{begin: size - tail, seen: map[uint32]bool{}}
	p := stacktest.NewPair(t, stacktest.PairConfig{Fake: true, Cable: stacktest.CableConfig{Delay: time.Millisecond}, Wrap: func(name string, d stack.Device) stack.Device {
		if name != "b" {
			return d
		}
		tailless.Device = d
		return tailless
	}})
	b, a := linked(t, p, 80)
	took, _ := timed(t, p, b, a, size)
	if n := len(tailless.seen); n < 100 {
		t.Fatalf("%d segments were lost, want 100", n)
	}
	t.Logf("complete after %v", took)
	if took > 2*time.Second {
		t.Errorf("complete after %v, want 2 s", took)
	}
}

// TestVanishedProgram: a program whose machine is gone without a FIN is found out by
// keep-alive when nothing is said, and by the user time-out when something is: not
// before what was set, and not later than a tenth more.
func TestVanishedProgram(t *testing.T) {
	keep := stack.KeepAlive{Idle: 20 * time.Second, Interval: 2 * time.Second, Count: 4, UserTimeout: 10 * time.Second}
	for _, c := range []struct {
		name  string
		keep  stack.KeepAlive
		speak bool
		want  time.Duration
	}{
		{"idle", stack.KeepAlive{Idle: 20 * time.Second, Interval: 2 * time.Second, Count: 4}, false, 28 * time.Second},
		{"idle, with a user time-out", keep, false, 22 * time.Second}, // it is over at the first probe without an answer
		{"in the middle of data", keep, true, 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			stacktest.Settling(t)
			accepted, failed := make(chan *stack.Flow, 1), make(chan error, 1)
			p := stacktest.NewPair(t, stacktest.PairConfig{Fake: true, Cable: stacktest.CableConfig{Delay: time.Millisecond}, AFlow: gateway{tcp: func(f *stack.Flow) {
				if f.Accept() != nil || f.SetKeepAlive(c.keep) != nil {
					return
				}
				w := watch(f)
				defer f.Watch(nil)
				accepted <- f
				failed <- receive(f, w, io.Discard)
			}}})
			conn := make(chan net.Conn, 1)
			go func() {
				if c, err := dial(p.B, netip.MustParseAddrPort("192.0.2.7:80")); err == nil {
					conn <- c
				}
			}()
			if _, ok := p.Run(time.Minute, func() bool { return len(accepted)+len(conn) == 2 }); !ok {
				t.Fatal("no connection")
			}
			defer (<-conn).Close()
			p.Cable.Dark(true)
			if c.speak {
				if _, err := (<-accepted).Fill(1, func(b []byte) (int, error) { return copy(b, "x"), nil }); err != nil {
					t.Fatal(err)
				}
			}
			took, ok := p.Run(2*c.want, func() bool { return len(failed) == 1 })
			if !ok || took < c.want*99/100 || took > c.want*11/10 {
				t.Fatalf("%v after %v, want %v", ok, took, c.want)
			}
			t.Logf("found out after %v", took)
			if err := <-failed; !errors.Is(err, syscall.ETIMEDOUT) {
				t.Errorf("%v, want ETIMEDOUT", err)
			}
		})
	}
}

// jumping is a clock whose time of day is set by somebody.
type jumping struct {
	*faketime.ManualClock
	by atomic.Int64
}

func (j *jumping) Now() time.Time { return j.ManualClock.Now().Add(time.Duration(j.by.Load())) }

// TestClockIsSet: what the time of day does is of no interest to a connection.
func TestClockIsSet(t *testing.T) {
	stacktest.Settling(t)
	var took [2]time.Duration
	for i, by := range []time.Duration{0, 1000 * time.Hour} {
		clock := &jumping{ManualClock: faketime.NewManualClock()}
		p := stacktest.NewPair(t, stacktest.PairConfig{Stack: stack.Config{Clock: clock}, Cable: stacktest.CableConfig{Clock: clock, Delay: time.Millisecond}})
		p.Clock = clock.ManualClock
		b, a := linked(t, p, 80)
		pour := stacktest.StartPour(b, a, 1<<20, 10*time.Minute)
		done := make(chan error, 1)
		go func() { done <- pour.Wait() }()
		var ok bool
		took[i], ok = p.Run(10*time.Minute, func() bool {
			if pour.Received.Load() > 256<<10 { // back, and forth
				by = -by
				clock.by.Store(int64(by))
			}
			return len(done) == 1
		})
		if !ok {
			t.Fatal("not complete")
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if took[1] > took[0]+100*time.Millisecond { // half an RTO
		t.Errorf("it takes %v, and %v when the clock is set to and fro", took[0], took[1])
	}
}
