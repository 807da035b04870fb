package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/tun"
)

// loadEnv makes a process a load generator: its value is a load as JSON.
const loadEnv = "NETNSD_BENCH_LOAD"

// load is what a generator is to do.
type load struct {
	Workload string
	Host     netip.Addr
	Warmup   time.Duration // not counted: slow start, buffers that grow
	Measure  time.Duration
}

// result is what it prints.
type result struct {
	Count   float64 // bytes, or round trips
	Seconds float64
}

// Child turns the process into a load generator if it was started as one, and
// then does not return. Call it first thing in main or TestMain.
func Child() {
	spec := os.Getenv(loadEnv)
	if spec == "" {
		return
	}
	var l load
	err := json.Unmarshal([]byte(spec), &l)
	var r result
	if err == nil {
		r, err = l.run()
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: load generator:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// start runs l in a process of its own in the namespace at path: the client
// shares no scheduler and no heap with the server.
func (l load) start(ctx context.Context, path string) (result, error) {
	spec, err := json.Marshal(l)
	if err != nil {
		return result{}, err
	}
	exe, err := os.Executable()
	if err != nil {
		return result{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.Warmup+l.Measure+20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe)
	cmd.Env = append(os.Environ(), loadEnv+"="+string(spec))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := tun.InNetns(path, cmd.Start); err != nil {
		return result{}, fmt.Errorf("bench: start the load generator: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		return result{}, fmt.Errorf("bench: %s to %s: %w: %s", l.Workload, l.Host, err, bytes.TrimSpace(errs.Bytes()))
	}
	var r result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return r, fmt.Errorf("bench: what the load generator said: %w", err)
	}
	return r, nil
}

func (l load) run() (result, error) {
	port := map[string]int{Up: sinkPort, Down: sourcePort, PingPong: echoPort}[l.Workload]
	d := net.Dialer{Timeout: 10 * time.Second, Control: reno}
	c, err := d.Dial("tcp", netip.AddrPortFrom(l.Host, uint16(port)).String())
	if err != nil {
		return result{}, err
	}
	defer c.Close()
	step := map[string]func(net.Conn, []byte) (int, error){Up: net.Conn.Write, Down: net.Conn.Read, PingPong: roundTrip}[l.Workload]
	b := make([]byte, chunk)
	if _, err := repeat(c, b, step, l.Warmup); err != nil {
		return result{}, err
	}
	return repeat(c, b, step, l.Measure)
}

func repeat(c net.Conn, b []byte, step func(net.Conn, []byte) (int, error), d time.Duration) (result, error) {
	var r result
	start := time.Now()
	for time.Since(start) < d {
		n, err := step(c, b)
		if err != nil {
			return r, err
		}
		r.Count += float64(n)
	}
	r.Seconds = time.Since(start).Seconds()
	return r, nil
}

const pingSize = 64

func roundTrip(c net.Conn, b []byte) (int, error) {
	if _, err := c.Write(b[:pingSize]); err != nil {
		return 0, err
	}
	_, err := io.ReadFull(c, b[:pingSize])
	return 1, err
}

// reno sets the congestion control of a kernel socket: BBR, the default here,
// paces, and cubic may not be chosen in a child namespace.
func reno(_, _ string, rc syscall.RawConn) error {
	var err error
	if e := rc.Control(func(fd uintptr) {
		err = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "reno")
	}); e != nil {
		return e
	}
	return err
}
