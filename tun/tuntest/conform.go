package tuntest

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What the packets of Conform say. A pair of real devices has to carry them from a to b and back, be it through a bridge or
// through a kernel that forwards: AddrA is behind a, AddrB behind b. Anything else that arrives is passed over.
var (
	AddrA = netip.MustParseAddrPort("198.18.1.2:4001")
	AddrB = netip.MustParseAddrPort("198.18.2.2:4002")
)

// patience is how long what must happen may take.
const patience = 20 * time.Second

// Conform tests two connected devices against the contract of tun.Device. pair makes them anew, connected and up, and
// sees to it with t.Cleanup that they are closed. Allocations are measured, so the test must not be parallel. A device may
// further have
//
//	SetUp(up bool) error    to take its link down and up
//	Vanish() error          to delete it
//	OnIdle(q int, idle func())  to say when a reader is about to wait
//
// and is then tested for that as well.
func Conform(t *testing.T, pair func(t *testing.T) (a, b Device)) {
	for _, c := range []struct {
		name string
		f    func(t *testing.T, a, b Device)
	}{
		{"facts", conformFacts},
		{"round trip", conformRoundTrip},
		{"scattered", conformScattered},
		{"bad buffers", conformBuffers},
		{"order", conformOrder},
		{"concurrent writers", conformWriters},
		{"one reader", conformOneReader},
		{"writable", conformWritable},
		{"close wakes", conformClose},
		{"idle", conformIdle},
		{"link down", conformDown},
		{"vanish", conformVanish},
		{"allocations", conformAllocs},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := pair(t)
			c.f(t, a, b)
		})
	}
}

func conformFacts(t *testing.T, a, b Device) {
	for _, d := range []Device{a, b} {
		if d.Queues() < 1 || d.MTU() < 68 || d.MTU() > 65535 {
			t.Errorf("%d queues, MTU %d", d.Queues(), d.MTU())
		}
		switch hl := d.HeaderLen(); {
		case hl != 0 && hl != 10:
			t.Errorf("HeaderLen %d, want 0 or 10", hl)
		case hl == 0 && d.Offloads() != 0:
			t.Errorf("Offloads %#x without a header", d.Offloads())
		}
	}
}

// frame wraps an IP packet as d takes it: a header that asks for nothing, and a broadcast Ethernet header.
func frame(d Device, packet []byte) []byte {
	f := make([]byte, d.HeaderLen())
	if d.TAP() {
		f = append(f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 0)
	}
	return append(f, packet...)
}

// reader reads packets on one queue in a goroutine and hands on those that are for port.
type reader struct {
	payloads chan []byte
	err      chan error
}

func read(d Device, q int, port uint16) *reader {
	r := &reader{payloads: make(chan []byte, 4096), err: make(chan error, 1)}
	skip := d.HeaderLen()
	if d.TAP() {
		skip += 14
	}
	go func() { // ends when the device does
		buf := make([]byte, 70000)
		for {
			n, err := d.ReadPacket(q, [][]byte{buf})
			if err != nil {
				r.err <- err
				return
			}
			if n < skip {
				continue
			}
			if p, ok := UDPPayload(buf[skip:n], port); ok {
				r.payloads <- bytes.Clone(p)
			}
		}
	}()
	return r
}

func (r *reader) next(t *testing.T) []byte {
	t.Helper()
	select {
	case p := <-r.payloads:
		return p
	case err := <-r.err:
		t.Fatalf("ReadPacket: %v", err)
	case <-time.After(patience):
		t.Fatal("nothing arrived")
	}
	return nil
}

// ended waits for the error that the reader ended with.
func (r *reader) ended(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.err:
		return err
	case <-time.After(patience):
		t.Fatal("the reader was not woken")
		return nil
	}
}

func write(t *testing.T, d Device, q int, bufs ...[]byte) {
	t.Helper()
	n, err := d.WritePacket(q, bufs)
	if err != nil || n != len(bytes.Join(bufs, nil)) {
		t.Fatalf("WritePacket: %d bytes, %v", n, err)
	}
}

// readAll reads every queue, since a kernel chooses the queue by flow.
func readAll(d Device, port uint16) *reader {
	all := read(d, 0, port)
	for q := 1; q < d.Queues(); q++ {
		r := read(d, q, port)
		go func() { // ends with r
			for {
				select {
				case p := <-r.payloads:
					all.payloads <- p
				case <-r.err:
					return
				}
			}
		}()
	}
	return all
}

func conformRoundTrip(t *testing.T, a, b Device) {
	atB, atA := readAll(b, AddrB.Port()), readAll(a, AddrA.Port())
	for _, n := range []int{1, 2, 3, 64, 511, 1200, min(a.MTU(), b.MTU()) - 28} {
		payload := bytes.Repeat([]byte{byte(n)}, n)
		write(t, a, 0, frame(a, UDPPacket(AddrA, AddrB, payload)))
		if got := atB.next(t); !bytes.Equal(got, payload) {
			t.Errorf("a to b: %d bytes arrived as %d", n, len(got))
		}
		write(t, b, 0, frame(b, UDPPacket(AddrB, AddrA, payload)))
		if got := atA.next(t); !bytes.Equal(got, payload) {
			t.Errorf("b to a: %d bytes arrived as %d", n, len(got))
		}
	}
}

func conformScattered(t *testing.T, a, b Device) {
	f := frame(a, UDPPacket(AddrA, AddrB, []byte("scattered over many")))
	var bufs [][]byte
	for _, c := range f[:30] {
		bufs = append(bufs, []byte{c}, nil)
	}
	bufs = append(bufs, f[30:])
	got := make(chan []byte, 1)
	failed := make(chan error, 1)
	go func() { // ends with the packet or the device
		bufs := make([][]byte, 32)
		for i := range bufs {
			bufs[i] = make([]byte, 3)
		}
		bufs[31] = make([]byte, 70000)
		for {
			n, err := b.ReadPacket(0, bufs)
			if err != nil {
				failed <- err
				return
			}
			whole := bytes.Join(bufs, nil)[:n]
			skip := b.HeaderLen()
			if b.TAP() {
				skip += 14
			}
			if p, ok := UDPPayload(whole[skip:], AddrB.Port()); ok {
				got <- p
				return
			}
		}
	}()
	if b.Queues() > 1 {
		t.Skip("which queue a kernel chooses is not known")
	}
	write(t, a, 0, bufs...)
	select {
	case p := <-got:
		if string(p) != "scattered over many" {
			t.Errorf("payload %q", p)
		}
	case err := <-failed:
		t.Fatal(err)
	case <-time.After(patience):
		t.Fatal("nothing arrived")
	}
}

func conformBuffers(t *testing.T, a, b Device) {
	many := make([][]byte, 33)
	for i := range many {
		many[i] = make([]byte, 100)
	}
	for _, c := range []struct {
		name string
		bufs [][]byte
	}{{"none", nil}, {"empty", [][]byte{nil, {}}}, {"33", many}} {
		if _, err := a.WritePacket(0, c.bufs); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("WritePacket with %s: %v, want EINVAL", c.name, err)
		}
		if _, err := a.ReadPacket(0, c.bufs); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("ReadPacket with %s: %v, want EINVAL", c.name, err)
		}
	}
}

func conformOrder(t *testing.T, a, b Device) {
	atB := readAll(b, AddrB.Port())
	for i := range 200 {
		write(t, a, 0, frame(a, UDPPacket(AddrA, AddrB, []byte{byte(i)})))
		if i%50 == 49 { // stay below what a queue holds
			for j := i - 49; j <= i; j++ {
				if got := atB.next(t); got[0] != byte(j) {
					t.Fatalf("packet %d arrived as number %d", got[0], j)
				}
			}
		}
	}
}

func conformWriters(t *testing.T, a, b Device) {
	const writers, each = 8, 20
	atB := readAll(b, AddrB.Port())
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				payload := fmt.Appendf(nil, "%d/%d", w, i)
				// Two buffers, so that a mix-up of two writers would show.
				f := frame(a, UDPPacket(AddrA, AddrB, payload))
				if _, err := a.WritePacket(w%a.Queues(), [][]byte{f[:20], f[20:]}); err != nil {
					t.Errorf("writer %d: %v", w, err)
				}
			}
		})
	}
	wg.Wait()
	seen := make(map[string]int)
	for range writers * each {
		seen[string(atB.next(t))]++
	}
	if len(seen) != writers*each {
		t.Errorf("%d different packets of %d", len(seen), writers*each)
	}
}

func conformOneReader(t *testing.T, a, b Device) {
	errs := make(chan error, 2)
	for range 2 {
		go func() { // ends with EBUSY or with the device
			own := [][]byte{make([]byte, 70000)}
			for {
				if _, err := b.ReadPacket(0, own); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	select {
	case err := <-errs:
		if !errors.Is(err, syscall.EBUSY) {
			t.Errorf("second reader: %v, want EBUSY", err)
		}
	case <-time.After(patience):
		t.Error("two goroutines read one queue")
	}
}

func conformWritable(t *testing.T, a, b Device) {
	if err := a.WaitWritable(0, time.Time{}); err != nil {
		t.Errorf("WaitWritable: %v", err)
	}
	for _, d := range []time.Duration{patience, 0, -patience} {
		if err := a.WaitWritable(0, time.Now().Add(d)); err != nil {
			t.Errorf("WaitWritable with a deadline in %v: %v", d, err)
		}
	}
}

func conformAllocs(t *testing.T, a, b Device) {
	if b.Queues() > 1 {
		t.Skip("which queue a kernel chooses is not known")
	}
	if raceEnabled {
		t.Skip("sync.Pool drops entries at random under the race detector")
	}
	f := frame(a, UDPPacket(AddrA, AddrB, []byte("x")))
	out := [][]byte{f[:10], f[10:]}
	in := [][]byte{make([]byte, 100), make([]byte, 70000)}
	deadline := time.AfterFunc(patience, func() { b.Close() }) // should packets get lost
	defer deadline.Stop()
	var err error
	once := func() {
		if _, e := a.WritePacket(0, out); e != nil {
			err = e
			return
		}
		if _, e := b.ReadPacket(0, in); e != nil {
			err = e
		}
	}
	for range 1000 { // let pools and rings fill
		once()
	}
	allocs := testing.AllocsPerRun(500, once)
	if err != nil {
		t.Fatal(err)
	}
	if allocs != 0 {
		t.Errorf("%v allocations per WritePacket and ReadPacket", allocs)
	}
}
