package bench_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netnsd/netnsd/bench"
)

func TestNewPlanRefuses(t *testing.T) {
	needRoot(t)
	none := filepath.Join(t.TempDir(), "none")
	for name, c := range map[string]struct {
		o    bench.Options
		says []string
	}{
		"a table that is not there":        {bench.Options{Tables: []string{"gatway"}}, []string{`"gatway"`, "gateway, sockets"}},
		"a workload that is not there":     {bench.Options{Workloads: []string{"up1", "up2"}}, []string{`"up2"`, "down1, down1000"}},
		"a workload of another table":      {bench.Options{Tables: []string{"dns"}, Workloads: []string{"up1"}}, []string{`"up1"`, "there are dns"}},
		"a kind that is not there":         {bench.Options{Against: map[string]string{"vpnkit": "/bin/true"}}, []string{"vpnkit", "begins with pasta"}},
		"a contender that is not there":    {bench.Options{Against: map[string]string{"pasta-2025": none}}, []string{"pasta-2025", none}},
		"a netnsd that is not there":       {bench.Options{Netnsd: none}, []string{"netnsd", none}},
		"a path that cannot be executed":   {bench.Options{Against: map[string]string{"pasta": "/etc/passwd"}}, []string{"/etc/passwd", "permission"}},
		"a negative number of repetitions": {bench.Options{Repetitions: -1}, []string{"-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := bench.NewPlan(c.o)
			if err == nil {
				t.Fatal("no error")
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%v: nothing of %q", err, s)
				}
			}
		})
	}
}

// The full run is to take 45 minutes at most, with a second pasta, and the quick
// one less than three.
func TestEstimate(t *testing.T) {
	needRoot(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		o    bench.Options
		most time.Duration
	}{
		"full":  {bench.Options{Against: map[string]string{"pasta-2025": exe, "tun2socks": exe}}, 45 * time.Minute},
		"quick": {bench.Options{Quick: true, Against: map[string]string{"tun2socks": exe}}, 3 * time.Minute},
	} {
		p, err := bench.NewPlan(c.o)
		if err != nil {
			t.Fatal(err)
		}
		if d := p.Estimate(); d > c.most || d < c.most/10 {
			t.Errorf("%s: %v for %d figures, and it is to be below %v", name, d, p.Figures(), c.most)
		} else {
			t.Logf("%s: %v for %d figures", name, d, p.Figures())
		}
	}
}

func TestTablesAreNamedOnce(t *testing.T) {
	seen := map[string]bool{}
	full := 0
	for _, i := range bench.Tables() {
		if i.Name == "" || i.Title == "" || seen[i.Name] {
			t.Errorf("%+v: name and title have to be there, the name once", i)
		}
		seen[i.Name] = true
		if i.Full {
			full++
		}
	}
	if full != 8 || !seen["gateway"] {
		t.Errorf("%d tables in the full run, of %v", full, seen)
	}
}
