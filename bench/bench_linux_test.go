package bench_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netnsd/netnsd/bench"
	"github.com/netnsd/netnsd/bench/report"
	"github.com/netnsd/netnsd/provider/providertest"
)

func TestMain(m *testing.M) {
	bench.Child()
	victim()
	if raceEnabled { // every child of ours would sleep for a second before it ends
		os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
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

// fromEnv are the options of a benchmark: go test has no flags for them.
func fromEnv(t testing.TB) bench.Options {
	list := func(name string) []string {
		return strings.FieldsFunc(os.Getenv("NETNSD_BENCH_"+name), func(r rune) bool { return r == ',' })
	}
	o := bench.Options{Workloads: list("WORKLOADS"), Profile: os.Getenv("NETNSD_BENCH_PROFILE"), Against: map[string]string{}, Netnsd: os.Getenv("NETNSD_BENCH_NETNSD")}
	o.Quick, _ = strconv.ParseBool(os.Getenv("NETNSD_BENCH_QUICK"))
	o.Repetitions, _ = strconv.Atoi(os.Getenv("NETNSD_BENCH_REPS"))
	o.Measure, _ = time.ParseDuration(os.Getenv("NETNSD_BENCH_MEASURE"))
	o.Warmup, _ = time.ParseDuration(os.Getenv("NETNSD_BENCH_WARMUP"))
	for _, a := range list("AGAINST") {
		name, path, _ := strings.Cut(a, "=")
		o.Against[name] = path
	}
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	return o
}

// BenchmarkTable measures the tables one by one. Run it with -benchtime 1x: one
// iteration is a whole table.
func BenchmarkTable(b *testing.B) {
	needRoot(b)
	for _, info := range bench.Tables() {
		b.Run(info.Name, func(b *testing.B) {
			o := fromEnv(b)
			o.Tables = []string{info.Name}
			for range b.N {
				p, err := bench.NewPlan(o)
				if err != nil {
					b.Fatal(err)
				}
				r, err := p.Run(context.Background(), nil)
				if err != nil {
					b.Fatal(err)
				}
				show(b, r)
			}
		})
	}
}

// show logs the table and reports its ratios.
func show(b *testing.B, r *report.Report) {
	var text strings.Builder
	res := report.Evaluate(r, nil)
	if err := res.WriteTable(&text, false); err != nil {
		b.Fatal(err)
	}
	fmt.Printf("\n%s", text.String()) // b.Log shows ten lines
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			for i, name := range t.Baselines {
				x := report.Paired(row.Series[0].Samples, row.Series[i+1].Samples, row.Less)
				b.ReportMetric(x.Median, row.Workload+"/"+name)
			}
		}
	}
}
