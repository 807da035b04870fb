//go:build linux

package daemon

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

// says connects to addr by bash in the namespace, and says how that went; the program
// holds the connection until the test ends or stop is called.
func says(t *testing.T, netns, bash, addr string) (word string, stop func()) {
	t.Helper()
	host, port, _ := strings.Cut(addr, ":")
	script := fmt.Sprintf("if exec 3<>/dev/tcp/%s/%s; then echo yes; else echo no; fi 2>/dev/null; read", host, port)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	cmd := exec.CommandContext(ctx, "nsenter", "--net=/run/netns/"+netns, bash, "-c", script)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	word, _ = bufio.NewReader(out).ReadString('\n')
	return strings.TrimSpace(word), func() { in.Close(); cmd.Wait(); cancel() }
}

// Rules tell the programs of a namespace apart, also of one that has returned.
func TestRulesAboutPrograms(t *testing.T) {
	need(t)
	bash, err := exec.LookPath("bash")
	if err == nil {
		bash, err = filepath.EvalSymlinks(bash)
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(bash)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "bash")
	if err := os.WriteFile(other, text, 0o755); err != nil {
		t.Fatal(err)
	}
	name, addr := netns(t), echo(t)
	d, err := New(Config{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Opener: opening(t)}, parse(t, fmt.Sprintf(`
catalog:
  layers:
    - name: rules
      type: policy
      policy: {version: 1, default: deny, rules: [{allow: ["0.0.0.0/0", "10.0.2.2"], exe: %s, uid: 0}]}
  chains: [{name: one, layers: [rules]}]
defaults: {host_loopback: true, dns: {disabled: true}}
attachments: [{name: a, netns: {name: %s}}]
`, bash, name)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	state := func() string { return d.Status(context.Background()).Attachments[0].State }
	for _, when := range []string{"at first", "returned"} {
		await(t, "it is up "+when, func() bool { return state() == control.StateUp })
		got, stop := says(t, name, other, addr)
		stop()
		if got != "no" {
			t.Errorf("%s, the other program: %q", when, got)
		}
		got, stop = says(t, name, bash, addr)
		flows, err := d.Flows(t.Context(), "a")
		if got != "yes" || err != nil || len(flows) != 1 || flows[0].Process != bash || flows[0].PID == 0 || flows[0].UID != 0 {
			t.Errorf("%s: %q, %v, %+v", when, got, err, flows)
		}
		stop()
		if when == "returned" {
			break
		}
		for _, do := range []string{"del", "add"} {
			if out, err := exec.Command("ip", "netns", do, name).CombinedOutput(); err != nil {
				t.Fatalf("%v %s", err, out)
			}
			if do == "del" {
				await(t, "it is gone", func() bool { return state() == control.StateGone })
			}
		}
	}
}
