package stacktest

import (
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/netnsd/netnsd/stack"
)

// TrialSize is how many bytes an integrity test moves each way: mib MiB, or
// what NETNSD_TEST_MIB says (2048 for a run by hand).
func TrialSize(t testing.TB, mib int) int64 {
	t.Helper()
	if s := os.Getenv("NETNSD_TEST_MIB"); s != "" {
		var err error
		if mib, err = strconv.Atoi(s); err != nil || mib < 1 {
			t.Fatalf("NETNSD_TEST_MIB=%q is no number of MiB", s)
		}
	}
	return int64(mib) << 20
}

// Blackouts are how long TrialBlackout is to be dark; ten seconds of it want
// NETNSD_TEST_LONG=1.
func Blackouts() []time.Duration {
	d := []time.Duration{100 * time.Millisecond, time.Second}
	if os.Getenv("NETNSD_TEST_LONG") == "1" {
		d = append(d, 10*time.Second)
	}
	return d
}

// PourEachWay pours n bytes from program to server and then back, over the
// half-closed connection.
func PourEachWay(t testing.TB, program, server net.Conn, n int64, patience time.Duration) {
	t.Helper()
	for _, way := range []struct {
		name     string
		from, to net.Conn
	}{{"up", program, server}, {"down", server, program}} {
		start := time.Now()
		if err := StartPour(way.from, way.to, n, patience).Wait(); err != nil {
			t.Fatalf("%s: %v", way.name, err)
		}
		t.Logf("%s: %.0f MiB/s", way.name, float64(n)/(1<<20)/time.Since(start).Seconds())
	}
}

// CheckDropped reports what f damaged and n did not drop as damaged. The last
// packets may still be on their way: it waits for them, at most 5 s.
func CheckDropped(t testing.TB, f *Faults, n *stack.NIC) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		damaged, c := uint64(f.In.Damaged.Load()), n.Counters()
		if c[stack.RxDropL4Checksum]+c[stack.RxDropL4Header] == damaged {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%d damaged packets came, dropped as such: %d by checksum and %d by header", damaged, c[stack.RxDropL4Checksum], c[stack.RxDropL4Header])
			return
		}
	}
}
