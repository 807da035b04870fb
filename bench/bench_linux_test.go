package bench_test

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netnsd/netnsd/bench"
	"github.com/netnsd/netnsd/provider/providertest"
)

func TestMain(m *testing.M) {
	bench.Child()
	providertest.Main(m)
}

func needRoot(t testing.TB) {
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("not root: the comparison makes namespaces and TUN devices")
	}
	t.Skip("not root: the comparison makes namespaces and TUN devices")
}

// BenchmarkLink prints the comparison and reports its ratios. Run it with
// -benchtime 1x: one iteration is the whole comparison.
func BenchmarkLink(b *testing.B) {
	needRoot(b)
	reps, _ := strconv.Atoi(os.Getenv("NETNSD_BENCH_REPS"))
	for range b.N {
		r, err := bench.Compare(context.Background(), bench.Options{Repetitions: reps})
		if err != nil {
			b.Fatal(err)
		}
		var table strings.Builder
		if err := r.WriteTable(&table); err != nil {
			b.Fatal(err)
		}
		b.Logf("MTU %d, %d repetitions\n%s", r.MTU, len(r.Figures[bench.Up][bench.Ours]), table.String())
		for _, w := range []string{bench.Up, bench.Down, bench.PingPong} {
			b.ReportMetric(r.Ratio(w, bench.Ours, bench.Naive).Median, w+"/naive")
			b.ReportMetric(r.Ratio(w, bench.Ours, bench.Veth).Median, w+"/veth")
		}
	}
}

// The harness itself: every variant carries every workload, in a short run, and
// what it makes is gone afterwards.
func TestCompare(t *testing.T) {
	needRoot(t)
	r, err := bench.Compare(context.Background(), bench.Options{Repetitions: 1, Measure: 100 * time.Millisecond, Warmup: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []string{bench.Up, bench.Down, bench.PingPong} {
		for _, v := range []string{bench.Veth, bench.Ours, bench.Naive} {
			if f := r.Figures[w][v]; len(f) != 1 || f[0] <= 0 {
				t.Errorf("%s %s: %v", w, v, f)
			}
		}
	}
	left, _ := os.ReadDir("/run/netns")
	for _, d := range left {
		if strings.HasPrefix(d.Name(), "netnsd-bench-"+strconv.Itoa(os.Getpid())) {
			t.Errorf("namespace %s was left", d.Name())
		}
	}
}
