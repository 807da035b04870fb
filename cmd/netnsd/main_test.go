//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/opener"
)

// The test binary is also netnsd, its opener and the clients that run inside:
// testscript copies it under their names to the front of $PATH.
func TestMain(m *testing.M) {
	testscript.Main(everyone{m}, map[string]func(){
		"netnsd":        main,
		opener.Name:     main,
		"netnsd-client": client,
	})
}

// everyone makes the copies executable for all users, as some tests run
// netnsd as nobody.
type everyone struct{ *testing.M }

func (e everyone) Run() int {
	// A runner may have been started by nohup or in the background of a shell,
	// with signals ignored that programs below are to die of. What is caught here
	// is back at its default in them (execve(2)).
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
	// Else each process of a -race build sleeps for a second when it ends.
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	file, err := exec.LookPath("netnsd")
	for dir := filepath.Dir(file); err == nil && dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return e.M.Run()
}

// need skips a test where root, devices or tools are missing, and fails it in CI,
// which has them.
func need(t *testing.T, tools ...string) {
	t.Helper()
	missing := func(what any) {
		t.Helper()
		if os.Getenv("CI") == "true" {
			t.Fatal("CI lacks ", what)
		}
		t.Skip("needs ", what)
	}
	if os.Geteuid() != 0 {
		missing("root")
	}
	if f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0); err != nil {
		missing(err)
	} else {
		f.Close()
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			missing(err)
		}
	}
}
