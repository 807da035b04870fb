//go:build linux

package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/netnsd/netnsd/bench/internal/lab"
	"github.com/netnsd/netnsd/bench/internal/load"
	"github.com/netnsd/netnsd/bench/report"
)

// Seconds of the foreign clients, which know whole ones only.
const (
	foreignOmit    = 1
	foreignMeasure = 2
)

const iperfPort = 5201

// iperf is n streams of iperf3.
func iperf(direction string, n int) row {
	r := row{
		name: fmt.Sprint("iperf3-", direction, n), title: fmt.Sprintf("iperf3, %sload, %s", direction, count(n, "stream")), unit: "Gbit/s",
		tool: "iperf3", extra: (foreignOmit+foreignMeasure)*time.Second + 200*time.Millisecond,
	}
	args := []string{"-J", "-O", strconv.Itoa(foreignOmit), "-t", strconv.Itoa(foreignMeasure), "-P", strconv.Itoa(n), "-C", lab.Congestion}
	if direction == "down" {
		args = append(args, "-R")
	}
	r.measure = func(ctx context.Context, f *figure) (report.Sample, error) { return f.iperf(ctx, args) }
	return r
}

func (f *figure) iperf(ctx context.Context, args []string) (_ report.Sample, err error) {
	addr, port := f.stage.Addr().String(), strconv.Itoa(iperfPort)
	server, err := f.stage.Lab.Start(f.stage.Host, exec.Command("iperf3", "-s", "-1", "-B", addr, "-p", port))
	if err != nil {
		return report.Sample{}, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	if err := lab.Await(ctx, f.stage.Host, "iperf3's server", func() bool { return lab.Listening(iperfPort) }); err != nil {
		return report.Sample{}, err
	}
	out, used, err := f.foreign(ctx, "iperf3", append([]string{"-c", addr, "-p", port}, args...)...)
	if err != nil {
		return report.Sample{}, err
	}
	var said struct {
		Error string
		End   struct {
			Received struct {
				Rate float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		}
	}
	if err := json.Unmarshal(out, &said); err != nil {
		return report.Sample{}, fmt.Errorf("bench: what iperf3 said: %w", err)
	}
	if said.Error != "" {
		return report.Sample{}, fmt.Errorf("iperf3: %s", said.Error)
	}
	return sample(said.End.Received.Rate/1e9, used), nil
}

// wrk is n connections of wrk, which asks Go's HTTP server for 128 bytes.
func wrk(n int) row {
	return row{
		name: fmt.Sprint("wrk", n), title: "wrk, " + count(n, "connection"), unit: "1/s",
		tool: "wrk", extra: foreignMeasure*time.Second + 200*time.Millisecond,
		measure: func(ctx context.Context, f *figure) (report.Sample, error) { return f.wrk(ctx, n) },
	}
}

func (f *figure) wrk(ctx context.Context, n int) (report.Sample, error) {
	out, used, err := f.foreign(ctx, "wrk", "-t", "1", "-c", strconv.Itoa(n), "-d", fmt.Sprint(foreignMeasure, "s"),
		fmt.Sprintf("http://%s:%d/", f.stage.Addr(), load.HTTPPort))
	if err != nil {
		return report.Sample{}, err
	}
	for line := range strings.Lines(string(out)) {
		if rate, ok := strings.CutPrefix(line, "Requests/sec:"); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rate), 64)
			return sample(v, used), err
		}
	}
	return report.Sample{}, fmt.Errorf("bench: no Requests/sec in what wrk said: %s", out)
}

// foreign runs somebody else's client where the client is.
func (f *figure) foreign(ctx context.Context, program string, args ...string) ([]byte, load.Result, error) {
	var out bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout = &out
	used := load.Watch(f.running.Target.Pid)
	p, err := f.stage.Lab.Start(f.running.Client, cmd)
	if err != nil {
		return nil, load.Result{}, err
	}
	if err := p.Wait(ctx); err != nil {
		return nil, load.Result{}, fmt.Errorf("%w %s", err, bytes.TrimSpace(out.Bytes()[:min(out.Len(), 500)]))
	}
	return out.Bytes(), used(), nil
}
