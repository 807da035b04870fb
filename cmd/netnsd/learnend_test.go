//go:build linux

package main

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Who presses ^C again and again while a run ends loses neither what was learnt nor
// the last lines of the audit, and finds no half of a file beside.
func TestLearnWhileSignalled(t *testing.T) {
	l := newLab(t)
	for range 3 {
		dir := l.dir()
		file, audit := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "audit")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := l.command(ctx, root, "netnsd", "run", "--dns", "off", "--learn", file, "--audit", audit, "--", "sh", "-c", "netnsd-client dial tcp "+server4+":9; echo ready; exec sleep 60")
		stdout, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer stdout.Close()
		cmd.Stdout = w
		err = cmd.Start()
		w.Close()
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		go func() { ended <- cmd.Wait() }()
		for lines := bufio.NewScanner(stdout); lines.Scan() && lines.Text() != "ready"; {
		}
		for err = error(nil); err == nil; {
			select {
			case err = <-ended: // never nil: a signal ends the program
			default:
				for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
					cmd.Process.Signal(s) // nsenter has become netnsd
				}
			}
		}
		if !cmd.ProcessState.Exited() {
			t.Errorf("netnsd: %v", err)
		}
		text, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(text), "tcp:"+server4+":9") {
			t.Errorf("%v\n%s", err, text)
		}
		lines, err := os.ReadFile(audit)
		if err != nil || !strings.Contains(string(lines), `"event":"close"`) {
			t.Errorf("%v\n%s", err, lines)
		}
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != 2 {
			t.Errorf("%v are left, %v", left, err)
		}
	}
}
