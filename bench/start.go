//go:build linux

package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"time"

	"github.com/netnsd/netnsd/bench/internal/contender"
	"github.com/netnsd/netnsd/bench/report"
)

// starts are as many as one figure is the median of.
const starts = 9

// startToExit is how long `netnsd run -- true` takes.
func startToExit() row {
	return row{
		name: "start", title: "start to exit of `netnsd run -- true`", unit: "ms", less: true,
		measure: func(ctx context.Context, f *figure) (report.Sample, error) { return f.started(ctx) }, bare: true, extra: starts * 50 * time.Millisecond,
	}
}

// runner is the program that is started; why says why there is none.
func runner(path string) (c contender.Contender, err error) {
	c.Name, c.Title, c.Mode, c.Chain = "netnsd-run", "netnsd run -- true", "gateway", "policy"
	if path != "" {
		c.Path, err = exec.LookPath(path)
		return c, err
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Path == "github.com/netnsd/netnsd/cmd/netnsd" {
		c.Path, err = os.Executable()
		return c, err
	}
	c.Missing = "this program is not netnsd: build it and name the binary (NETNSD_BENCH_NETNSD)"
	return c, nil
}

func (f *figure) started(ctx context.Context) (report.Sample, error) {
	var took []float64
	for range starts {
		begin := time.Now()
		p, err := f.stage.Lab.Start(f.stage.Host, exec.Command(f.Path, "run", "--", "true"))
		if err != nil {
			return report.Sample{}, err
		}
		if err := p.Wait(ctx); err != nil {
			return report.Sample{}, fmt.Errorf("netnsd run -- true: %w", err)
		}
		took = append(took, time.Since(begin).Seconds()*1000)
	}
	return report.Sample{Value: report.Median(took)}, nil
}
