//go:build linux

package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestReadmeDaemon is a session of an operator as the README has it, in a lab with
// an example.com: with /run and /etc/netns of its own, and after the daemon has
// started it waits until it answers. What the README says of commands later is done
// before the daemon is ended.
func TestReadmeDaemon(t *testing.T) {
	need(t, "curl", "bash", "mount")
	l := newLab(t)
	site := l.exampleDotCom()
	work := l.dir()
	all := blocks(t, "yaml")
	i := slices.IndexFunc(all, daemonConfig)
	if i < 0 {
		t.Fatal("the README has no netnsd.yaml")
	}
	if err := os.WriteFile(filepath.Join(work, "netnsd.yaml"), []byte(all[i]), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("/etc/netns", 0o755); err == nil {
		t.Cleanup(func() { os.Remove("/etc/netns") })
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	all = blocks(t, "bash")
	before, ending, found := strings.Cut(all[0], "kill %1")
	if !found {
		t.Fatal("the README ends no daemon")
	}
	session := before + strings.Join(all[1:], "") + "kill %1" + ending
	const started = "netnsd.yaml &\n"
	if !strings.Contains(session, started) {
		t.Fatal("the README starts no daemon")
	}
	session = strings.Replace(session, started, started+"until netnsd status > /dev/null 2>&1; do jobs %1 > /dev/null; sleep 0.02; done\n", 1)
	cmd := l.command(ctx, root, "unshare", "--mount", "--propagation", "private", "bash", "-ec",
		"mount --bind "+site.resolvConf+" /etc/resolv.conf; mount -t tmpfs run /run; mount -t tmpfs netns /etc/netns; cd "+work+"\n"+session+"wait\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	if n := strings.Count(string(out), "the lab's example.com"); n != 1 {
		t.Errorf("fetched %d times:\n%s", n, out)
	}
	if !strings.Contains(string(out), "denied") {
		t.Errorf("explain says nothing of a denial:\n%s", out)
	}
}
