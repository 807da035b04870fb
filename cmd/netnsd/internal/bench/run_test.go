//go:build linux

package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	harness "github.com/netnsd/netnsd/bench"
	"github.com/netnsd/netnsd/bench/report"
	"github.com/netnsd/netnsd/provider/providertest"
)

func TestMain(m *testing.M) { providertest.Main(m) }

// fake is a plan that measures nothing: of each contender a figure a step.
type fake struct {
	ratio    float64
	figures  int
	stop     int                // after so many; 0: never
	end      context.CancelFunc // that stops it; nil: fails
	asked    harness.Options
	ran      bool
	estimate time.Duration
}

var errFake = errors.New("the fake broke")

func (f *fake) Estimate() time.Duration { return f.estimate }
func (f *fake) Figures() int            { return f.figures }

func (f *fake) Run(ctx context.Context, progress func(harness.Step)) (*report.Report, error) {
	f.ran = true
	rep := &report.Report{
		Format: report.Format, Settings: report.Settings{Repetitions: f.figures / 2, Measure: 0.1},
		Contenders: []report.Contender{{Name: "netnsd"}, {Name: "veth"}, {Name: "pasta"}},
		Tables: []report.Table{{Name: "gateway", Title: "a table", Subject: "netnsd", Baselines: []string{"veth", "pasta"}, Rows: []report.Row{{
			Workload: "up1", Title: "upload", Unit: "Gbit/s", Goals: []report.Goal{{Against: "veth", Reach: 1}},
			Series: []report.Series{{Contender: "netnsd"}, {Contender: "veth"}, {Contender: "pasta", Missing: "not installed"}},
		}}}},
	}
	series := rep.Tables[0].Rows[0].Series
	for i := range f.figures {
		if f.stop > 0 && i == f.stop {
			if f.end == nil {
				return rep, errFake
			}
			f.end()
		}
		if ctx.Err() != nil {
			return rep, ctx.Err()
		}
		progress(harness.Step{Done: i, All: f.figures, What: fmt.Sprint("figure ", i), Left: time.Minute})
		value := 1.0
		if i%2 == 0 {
			value = f.ratio
		}
		series[i%2].Samples = append(series[i%2].Samples, report.Sample{Repetition: i / 2, Value: value})
	}
	progress(harness.Step{Done: f.figures, All: f.figures, What: "done"})
	return rep, nil
}

// command is a Config over f, and what it writes.
func (f *fake) command() (c Config, out, words *bytes.Buffer) {
	out, words = new(bytes.Buffer), new(bytes.Buffer)
	return Config{Out: out, Words: words, plan: func(o harness.Options) (plan, error) { f.asked = o; return f, nil }}, out, words
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	f := &fake{ratio: 2, figures: 40, estimate: 90 * time.Second}
	c, out, words := f.command()
	c.Options.Quick, c.Options.Workloads = true, []string{"up1"}
	c.Command = "netnsd bench --quick"
	c.JSON, c.HTML, c.Markdown, c.SVG = filepath.Join(dir, "r.json"), filepath.Join(dir, "r.html"), filepath.Join(dir, "r.md"), filepath.Join(dir, "new", "svg")
	if err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if !f.asked.Quick || len(f.asked.Workloads) != 1 || f.asked.Log == nil {
		t.Errorf("the harness was asked for %+v", f.asked)
	}
	if !strings.HasPrefix(words.String(), "40 figures, about 1m30s.") {
		t.Errorf("no estimate first: %s", words)
	}
	if n := strings.Count(words.String(), " left: "); n < 5 || n > 12 {
		t.Errorf("%d lines of progress of 40 steps:\n%s", n, words)
	}
	if !strings.Contains(out.String(), "2.00  [2.00, 2.00]") || !strings.Contains(out.String(), "goals: 1 reached") || strings.Contains(out.String(), " left: ") {
		t.Errorf("stdout:\n%s", out)
	}
	r, err := report.ReadFile(c.JSON)
	if err != nil || r.Settings.Command != c.Command {
		t.Fatalf("%+v, %v", r, err)
	}
	for name, want := range map[string]string{c.HTML: "<h1>netnsd bench</h1>", c.Markdown: "| upload | **2.00**", filepath.Join(c.SVG, "gateway.svg"): "<svg "} {
		if b, err := os.ReadFile(name); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %v:\n%s", name, err, b)
		}
	}

	// The stored result says the same, and needs no harness.
	again, shown, _ := (&fake{}).command()
	again.plan = func(harness.Options) (plan, error) { t.Error("it plans a run"); return nil, errFake }
	again.From, again.Baseline = c.JSON, ""
	if err := Run(t.Context(), again); err != nil || shown.String() != out.String() {
		t.Errorf("%v:\n%s\nwas\n%s", err, shown, out)
	}
	again.Baseline, again.AsJSON = c.JSON, true
	shown.Reset()
	if err := Run(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if r, err := report.Read(shown); err != nil || len(r.Tables) != 1 {
		t.Errorf("-o json: %v", err)
	}
}

// What was measured before the end is shown and kept, beside what was there.
func TestRunEnded(t *testing.T) {
	for name, signal := range map[string]bool{"by a signal": true, "by a failure": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f := &fake{ratio: 2, figures: 40, stop: 7}
			c, out, words := f.command()
			c.JSON, c.HTML, c.FailBelow = filepath.Join(dir, "r.json"), filepath.Join(dir, "r.html"), 100
			if err := os.WriteFile(c.JSON, []byte("old"), 0o644); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			want, cause := errFake, errors.New("a signal")
			if signal {
				f.end, want = func() { cancel(cause) }, cause
			}
			if err := Run(ctx, c); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
			if !strings.Contains(out.String(), "[2.00, 2.00]  3") {
				t.Errorf("it does not show the three pairs that there are:\n%s", out)
			}
			if b, err := os.ReadFile(c.JSON); err != nil || string(b) != "old" {
				t.Errorf("the file holds %q: %v", b, err)
			}
			if r, err := report.ReadFile(c.JSON + ".partial"); err != nil || len(r.Tables[0].Rows[0].Series[0].Samples) != 4 {
				t.Errorf("the partial one: %v", err)
			}
			if !strings.Contains(words.String(), "r.json.partial") {
				t.Errorf("it does not say where: %s", words)
			}
			nothingElse(t, dir, "r.json", "r.json.partial")
		})
	}
}

func TestRunEndedBeforeTheFirstFigure(t *testing.T) {
	dir := t.TempDir()
	f := &fake{figures: 4}
	c, out, _ := f.command()
	c.JSON = filepath.Join(dir, "r.json")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, c); !errors.Is(err, context.Canceled) || out.Len() > 0 {
		t.Errorf("%v, and shows %q", err, out)
	}
	nothingElse(t, dir)
}

func nothingElse(t *testing.T, dir string, want ...string) {
	t.Helper()
	var got []string
	files, err := os.ReadDir(dir)
	for _, f := range files {
		got = append(got, f.Name())
	}
	if err != nil || strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the folder holds %q, want %q: %v", got, want, err)
	}
}

// What would fail at the end fails before the beginning.
func TestRunThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	absent := filepath.Join(dir, "absent", "file")
	for name, set := range map[string]func(*Config){
		"json": func(c *Config) { c.JSON = absent }, "html": func(c *Config) { c.HTML = absent }, "markdown": func(c *Config) { c.Markdown = absent },
		"svg": func(c *Config) { c.SVG = "/dev/null/dir" },
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{figures: 2, ratio: 1}
			c, _, _ := f.command()
			c.JSON = filepath.Join(dir, "r.json")
			set(&c)
			err := Run(t.Context(), c)
			if _, ok := errors.AsType[*fs.PathError](err); !ok || errors.Is(err, ErrUsage) {
				t.Errorf("%v", err)
			}
			if f.ran {
				t.Error("it was measured all the same")
			}
			nothingElse(t, dir)
		})
	}
}

func TestRunWronglyUsed(t *testing.T) {
	garbage := filepath.Join(t.TempDir(), "garbage.json")
	if err := os.WriteFile(garbage, []byte("garbage"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		set  func(*Config)
		want string
	}{
		"table":         {func(c *Config) { c.Options.Tables = []string{"gateway", "absent"} }, "--table absent: there is none; there are gateway, "},
		"baseline":      {func(c *Config) { c.Baseline = garbage }, "--baseline: " + garbage + ": report: not a report"},
		"from":          {func(c *Config) { c.From = garbage }, "--from: " + garbage + ": report: not a report"},
		"from nothing":  {func(c *Config) { c.From = "absent" }, "--from: open absent: no such file"},
		"from, and how": {func(c *Config) { c.From, c.Options.Quick = garbage, true }, "--from measures nothing"},
		"part":          {func(c *Config) { c.FailBelow = -1 }, "--fail-below -1"},
		"nothing left":  {func(c *Config) {}, "nothing to measure"},
		"the harness":   {func(c *Config) { c.plan = func(harness.Options) (plan, error) { return nil, errFake } }, errFake.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			f := new(fake)
			cfg, out, _ := f.command()
			c.set(&cfg)
			err := Run(t.Context(), cfg)
			if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if f.ran || out.Len() > 0 {
				t.Errorf("measured %v, stdout %q", f.ran, out)
			}
		})
	}
}

func TestFailBelow(t *testing.T) {
	for name, c := range map[string]struct {
		ratio, part float64
		figures     int
		want        string
	}{
		"held":       {0.3, 0.25, 2, ""},
		"collapsed":  {0.2, 0.25, 2, "collapsed:\n  gateway, up1 against veth: ratio 0.200, less than 0.25 of 1"},
		"not asked":  {0.2, 0, 2, ""},
		"no figures": {0.2, 0.25, 1, "no ratio with a goal to judge"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{ratio: c.ratio, figures: c.figures}
			cfg, out, _ := f.command()
			cfg.FailBelow, cfg.JSON = c.part, filepath.Join(t.TempDir(), "r.json")
			err := Run(t.Context(), cfg)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if _, err := report.ReadFile(cfg.JSON); err != nil || out.Len() == 0 {
				t.Errorf("the result is lost: %v", err)
			}
		})
	}
}

func TestPictureNames(t *testing.T) {
	dir := t.TempDir()
	r := report.Evaluate(&report.Report{Tables: []report.Table{{Name: "../../escape"}, {Name: "..\x00"}, {Name: "fine"}}}, nil)
	if err := pictures(dir, r); err == nil || strings.Count(err.Error(), "not a name for a file") != 2 {
		t.Error(err)
	}
	nothingElse(t, dir, "fine.svg")
}

func TestProgressOnATerminal(t *testing.T) {
	var b bytes.Buffer
	p := newProgress(&b, true)
	p.step(harness.Step{Done: 0, All: 4, What: "first", Left: time.Minute})
	fmt.Fprintln(p, "words between")
	p.step(harness.Step{Done: 3, All: 4, What: "last", Left: time.Second})
	p.end()
	for _, want := range []string{"1m0s left: first", "\x1b[2K\rwords between\n", "(3/4)", "1s left: last"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in %q", want, b.String())
		}
	}
	if !strings.HasSuffix(b.String(), "\x1b[2K\r") {
		t.Errorf("the bar stays: %q", b.String())
	}
}

func TestList(t *testing.T) {
	f := &fake{figures: 12, estimate: 150 * time.Second}
	c, out, _ := f.command()
	c.Options.Tables = []string{"gateway"}
	if err := List(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"* gateway  3 min  gateway, a chain of three layers that decide\n", " up1\n", "Not here: pasta: not installed\n", "takes 12 figures, about 3 min.\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	out.Reset()
	c.AsJSON, c.Options.Tables = true, nil
	if err := List(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	var l listing
	if err := json.Unmarshal(out.Bytes(), &l); err != nil || len(l.Tables) != len(Tables()) || l.Tables[0].Workloads[0] != (workload{"up1", "upload", "Gbit/s"}) {
		t.Errorf("%+v, %v", l, err)
	}
	c.Options.Tables = []string{"absent"}
	if err := List(t.Context(), c); !errors.Is(err, ErrUsage) {
		t.Error(err)
	}
}

func TestAbout(t *testing.T) {
	for d, want := range map[time.Duration]string{1234 * time.Millisecond: "1.2s", 65400 * time.Millisecond: "1m5s", 30*time.Minute + 34*time.Second: "31 min"} {
		if got := about(d); got != want {
			t.Errorf("about(%v) is %q, want %q", d, got, want)
		}
	}
}
