package audit_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/audit"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

const diskEnv = "NETNSD_AUDIT_TEST_DISK"

// TestFullDisk fills a small tmpfs, in a mount namespace of its own: when there
// is room again, every line in the file is whole.
func TestFullDisk(t *testing.T) {
	if dir := os.Getenv(diskEnv); dir != "" {
		fullDisk(t, dir)
		return
	}
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI must run this test as root")
		}
		t.Skip("needs root to mount a tmpfs")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), diskEnv+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func fullDisk(t *testing.T, dir string) {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(dir, 0)
	ballast := filepath.Join(dir, "ballast")
	for name, room := range map[string]bool{"room again": true, "no room": false} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(ballast, bytes.Repeat([]byte{'x'}, 48<<10), 0o600); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "audit.jsonl")
			defer os.Remove(path)
			l := audit.New(audit.Config{Path: path, Buffer: 8 << 10})
			c, err := build(t, new(providertest.Base), wsa.IPPROTO_TCP, nil, l)
			if err != nil {
				t.Fatal(err)
			}
			made := 0
			for l.Dropped() == 0 || !strings.Contains(c.log.String(), "no space left") {
				c.Table.WSPCloseSocket(c.socket(t, nil), provider.CloseLinger)
				made += 2
			}
			if room {
				if err := os.Remove(ballast); err != nil {
					t.Fatal(err)
				}
			}
			c.Retire()
			<-c.Done()
			if (c.Err() == nil) != room {
				t.Errorf("the chain ended with %v", c.Err())
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got, noted := lines(t, data), 0
			for _, r := range got {
				if r.Event == "dropped" {
					noted++
				}
			}
			if len(got)-noted+int(l.Dropped()) != made || room && noted == 0 {
				t.Errorf("of %d lines %d are there and %d were dropped; noted %d times", made, len(got)-noted, l.Dropped(), noted)
			}
		})
	}
}
