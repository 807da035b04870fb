package bench_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netnsd/netnsd/bench"
)

const victimEnv = "NETNSD_BENCH_VICTIM"

// victim makes the process a run that says when it measures, for a test that
// kills it.
func victim() {
	if os.Getenv(victimEnv) == "" {
		return
	}
	p, err := bench.NewPlan(bench.Options{Tables: []string{"gateway"}, Workloads: []string{"up1"}, Measure: time.Minute})
	if err == nil {
		_, err = p.Run(context.Background(), func(bench.Step) { fmt.Println("measuring") })
	}
	fmt.Println(err)
	os.Exit(1)
}

// A run that is killed takes its processes along, and the next one removes what
// is left of it.
func TestKilled(t *testing.T) {
	needRoot(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), victimEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	children := descendants(cmd.Process.Pid)
	names := named(cmd.Process.Pid)
	if e := cmd.Process.Kill(); e != nil {
		t.Fatal(e)
	}
	_ = cmd.Wait() // by then it is nobody's zombie, whose namespaces would be spared
	if err != nil || line != "measuring\n" || len(children) == 0 || len(names) < 2 {
		t.Fatalf("the run said %q, %v; it had the processes %v and %v", line, err, children, names)
	}
	for _, pid := range children {
		gone(t, pid)
	}
	o := short(t, "layers")
	p, err := bench.NewPlan(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if left := named(cmd.Process.Pid); len(left) != 0 {
		t.Errorf("left of the killed run: %v", left)
	}
}

// named are the namespaces and directories of the run of that process.
func named(pid int) []string {
	var all []string
	for _, dir := range []string{"/run/netns", os.TempDir()} {
		m, _ := filepath.Glob(filepath.Join(dir, fmt.Sprintf("netnsd-bench-%d-*", pid)))
		all = append(all, m...)
	}
	return all
}

func descendants(pid int) []string {
	var all []string
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		b, _ := os.ReadFile(task) // the thread may have ended
		all = append(all, strings.Fields(string(b))...)
	}
	return all
}

// gone waits until the process has ended; somebody else reaps it.
func gone(t *testing.T, pid string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile("/proc/" + pid + "/stat")
		if _, state, _ := strings.Cut(string(b), ") "); err != nil || strings.HasPrefix(state, "Z") {
			return
		}
		if time.Now().After(end) {
			t.Errorf("process %s outlives the run: %s", pid, b)
			return
		}
	}
}
