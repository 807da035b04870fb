package bench_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netnsd/netnsd/bench"
	"github.com/netnsd/netnsd/bench/report"
)

// short is a run that says nothing of speed.
func short(t *testing.T, tables ...string) bench.Options {
	return bench.Options{
		Tables: tables, Repetitions: 1, Measure: 100 * time.Millisecond, Warmup: 50 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

// Every contender carries every workload, and what the run makes is gone
// afterwards.
func TestEveryContenderCarriesEveryWorkload(t *testing.T) {
	needRoot(t)
	o := short(t, "gateway", "sockets", "naive", "kernel", "chains", "dns", "udp-down", "sockets-latency", "naive-gateway", "layers", "start")
	o.Netnsd = build(t)
	o.Workloads = []string{"up1", "up8", "down1", "down8", "pp1", "pp16", "crr", "udp64", "udp1400", "dns", "udp64-down", "udp1400-down", "decides", "looks", "start"}
	if raceEnabled { // children are built with it too, and slow
		o.Workloads = []string{"up1", "down8", "pp16", "crr", "udp64", "dns", "decides", "start"}
	}
	p, err := bench.NewPlan(o)
	if err != nil {
		t.Fatal(err)
	}
	all, told := p.Figures(), 0
	r, err := p.Run(t.Context(), func(s bench.Step) {
		if s.All != all || s.Done != told || s.What == "" || s.Left < 0 {
			t.Errorf("step %d: %+v", told, s)
		}
		told++
	})
	if err != nil {
		t.Fatal(err)
	}
	if told != all+1 {
		t.Errorf("told of %d steps, %d figures", told, all)
	}
	full(t, r)
	nothingLeft(t)
}

// build makes the program whose start is measured.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "netnsd")
	if out, err := exec.Command("go", "build", "-o", bin, "github.com/netnsd/netnsd/cmd/netnsd").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	return bin
}

// full looks for one good sample in each series of r.
func full(t *testing.T, r *report.Report) {
	t.Helper()
	if err := r.Check(); err != nil {
		t.Error(err)
	}
	if len(r.Tables) == 0 || r.Machine.Cores == 0 || r.Machine.Kernel == "" || r.Machine.Memory == 0 || r.Settings.Congestion != "reno" {
		t.Errorf("%d tables on %+v with %+v", len(r.Tables), r.Machine, r.Settings)
	}
	for _, table := range r.Tables {
		for _, row := range table.Rows {
			for _, s := range row.Series {
				check(t, fmt.Sprint(table.Name, " ", row.Workload, " ", s.Contender), row, s)
			}
		}
	}
}

func check(t *testing.T, name string, row report.Row, s report.Series) {
	t.Helper()
	if strings.Contains(s.Missing, "is not installed") && os.Getenv("CI") != "true" {
		t.Logf("%s: %s", name, s.Missing)
		return
	}
	if len(s.Samples) != 1 || s.Missing != "" {
		t.Errorf("%s: %d samples, missing: %q", name, len(s.Samples), s.Missing)
		return
	}
	f := s.Samples[0]
	// A layer that decides costs a data operation nothing, give or take what a loop
	// differs from the next: see storey's own test.
	if f.Repetition != 0 || f.Value <= 0 && row.Workload != "decides" {
		t.Errorf("%s: %+v", name, f)
	}
	_, stalled := f.Detail["stalled"]
	if many := strings.HasSuffix(row.Title, "8 streams"); many != stalled {
		t.Errorf("%s: %+v: whether flows stalled is said of several streams", name, f)
	}
}

// nothingLeft looks for namespaces, files and processes of ours.
func nothingLeft(t *testing.T) {
	t.Helper()
	mine := fmt.Sprintf("netnsd-bench-%d-", os.Getpid())
	for _, dir := range []string{"/run/netns", os.TempDir()} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), mine) {
				t.Errorf("%s was left in %s", e.Name(), dir)
			}
		}
	}
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(tasks) == 0 {
		t.Fatalf("children of this process: %v %v", tasks, err)
	}
	for _, task := range tasks {
		if b, _ := os.ReadFile(task); strings.TrimSpace(string(b)) != "" {
			t.Errorf("processes were left: %s", b)
		}
	}
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(b), mine) {
		t.Errorf("mounts were left, or cannot be read: %v", err)
	}
}

// A run that ends in the middle, as by ^C, undoes everything and keeps what it
// has.
func TestCancel(t *testing.T) {
	needRoot(t)
	for _, at := range []int{0, 1, 6} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			o := short(t, "gateway")
			o.Workloads, o.Repetitions = []string{"up1", "down8"}, 100
			o.Measure = time.Second // much longer than it takes to cancel
			p, err := bench.NewPlan(o)
			if err != nil {
				t.Fatal(err)
			}
			r, err := p.Run(ctx, func(s bench.Step) {
				if s.Done == at {
					// The load runs for a while, if this is not before its start.
					time.AfterFunc(30*time.Millisecond, cancel)
				}
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
			samples := 0
			for _, row := range r.Tables[0].Rows {
				for _, s := range row.Series {
					samples += len(s.Samples)
				}
			}
			if samples > at {
				t.Errorf("%d samples of %d figures", samples, at)
			}
			if err := r.Check(); err != nil {
				t.Error(err)
			}
			nothingLeft(t)
		})
	}
}

// A contender that cannot be set up is missing with its reason, and is no reason
// for the others to be.
func TestContenderThatFails(t *testing.T) {
	needRoot(t)
	false_, err := exec.LookPath("false")
	if err != nil {
		t.Fatal(err)
	}
	o := short(t, "tun2socks")
	o.Log = nil
	o.Workloads, o.Repetitions = []string{"up1"}, 3
	o.Against = map[string]string{"tun2socks": false_}
	p, err := bench.NewPlan(o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Run(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	series := r.Tables[0].Rows[0].Series
	if len(series) != 2 || len(series[0].Samples) != 3 || len(series[1].Samples) != 0 {
		t.Errorf("%+v", series)
	}
	if why := series[1].Missing; !strings.Contains(why, "exit status 1") {
		t.Errorf("missing: %q", why)
	}
	nothingLeft(t)
}
