//go:build linux

package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts are what a user types and sees. Those in run need root and a TUN,
// the others nothing.

func TestScript(t *testing.T) {
	testscript.Run(t, scripts("testdata/script/plain"))
}

func TestRunScript(t *testing.T) {
	need(t, "unshare", "mount", "ip", "setpriv", "nc")
	testscript.Run(t, scripts("testdata/script/run"))
}

func scripts(dir string) testscript.Params {
	return testscript.Params{
		Dir: dir,
		Setup: func(e *testscript.Env) error {
			e.Setenv("NO_COLOR", "1")
			e.Setenv("GORACE", os.Getenv("GORACE"))
			return os.Chmod(e.WorkDir, 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status, "doctor": doctor},
	}
}

// status N COMMAND...: the command ends with exit status N. Its output is for
// stdout and stderr, as after exec.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		ts.Fatalf("status %s: not a number", args[0])
	}
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var e *exec.ExitError
	if errors.As(err, &e) {
		got = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// doctor runs netnsd doctor, whose exit status depends on the machine.
func doctor(ts *testscript.TestScript, neg bool, args []string) {
	var e *exec.ExitError
	if err := ts.Exec("netnsd", append([]string{"doctor"}, args...)...); err != nil && (!errors.As(err, &e) || e.ExitCode() != 1) {
		ts.Fatalf("doctor: %v", err)
	}
}
