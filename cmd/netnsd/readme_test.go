//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netnsd/netnsd/bench/report"
	"github.com/netnsd/netnsd/provider/layer/policy"
)

// module is the project's folder as seen from this one.
const module = "../.."

func readme(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(module, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// blocks are the README's fenced blocks of one of the languages.
func blocks(t *testing.T, languages ...string) []string {
	t.Helper()
	var found []string
	for _, m := range regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$").FindAllStringSubmatch(readme(t), -1) {
		if slices.Contains(languages, m[1]) {
			found = append(found, m[2])
		}
	}
	if len(found) == 0 {
		t.Fatalf("the README has no block of %v", languages)
	}
	return found
}

// commands are those of the README, without prompts and remarks.
func commands(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, b := range blocks(t, "sh", "console") {
		for line := range strings.Lines(b) {
			line, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "$ "), "  #")
			if line != "" {
				all = append(all, strings.TrimSpace(line))
			}
		}
	}
	return all
}

// TestReadmeCommands runs every command of the README as it stands there, in a
// lab that has an example.com and the three scripts that the README speaks of.
func TestReadmeCommands(t *testing.T) {
	l := newLab(t)
	site := l.exampleDotCom()
	work := l.dir()
	for _, script := range []string{"build.sh", "agent", "server"} {
		if err := os.WriteFile(filepath.Join(work, script), []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range commands(t) {
		t.Run(line, func(t *testing.T) {
			switch {
			case line == "go test ./...":
				ci, err := os.ReadFile(filepath.Join(module, ".ci/run"))
				if err != nil || !strings.Contains(string(ci), "grep -x 'go test .*' README.md") {
					t.Errorf(".ci/run does not take its test command from the README: %v", err)
				}
				return // it is what runs this test
			case strings.HasPrefix(line, "go "):
				l.inModule(t, line, work)
			case strings.HasPrefix(line, "netnsd bench"):
				l.asWritten(t, listed(t, line, work), work, site)
			default:
				l.asWritten(t, line, work, site)
			}
		})
	}
}

// listed is a bench command that measures nothing: it takes minutes to 45 of
// them, and the harness has tests of its own. What shows a stored result does,
// and what is stored is an empty one.
func listed(t *testing.T, line, work string) string {
	t.Helper()
	if strings.Contains(line, "--from") || strings.Contains(line, "--baseline") {
		r := report.Report{Format: report.Format}
		if err := report.WriteFile(filepath.Join(work, "result.json"), r.Write); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(line, "--from") || strings.Contains(line, "--list") {
		return line
	}
	return line + " --list --table gateway"
}

func (l *lab) inModule(t *testing.T, line, work string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-ec", line)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), l.mark, "GOBIN="+work)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// asWritten runs a line in the lab, whose resolv.conf names its own server.
func (l *lab) asWritten(t *testing.T, line, work string, site site) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := l.command(ctx, root, "unshare", "--mount", "--propagation", "private", "sh", "-ec",
		"mount --bind "+site.resolvConf+" /etc/resolv.conf; cd "+work+"; "+line)
	cmd.Env = append(cmd.Env, "CURL_CA_BUNDLE="+site.ca)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	} else if strings.Contains(line, "curl") && !strings.Contains(string(out), "the lab's example.com") {
		t.Errorf("it fetched %q", out)
	}
}

// site is what a command needs to take the lab's example.com for the real one.
type site struct{ resolvConf, ca string }

func (l *lab) exampleDotCom() site {
	l.t.Helper()
	l.dns(53)
	dir := l.dir()
	s := site{filepath.Join(dir, "resolv.conf"), filepath.Join(dir, "ca.pem")}
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("the lab's example.com\n")) })
	tlsServer := httptest.NewUnstartedServer(page)
	tlsServer.TLS = new(tls.Config)
	for _, addr := range both(80) {
		plain := &http.Server{Handler: page}
		go plain.Serve(l.listen(addr))
		l.t.Cleanup(func() { plain.Close() })
	}
	tlsServer.Listener.Close()
	tlsServer.Listener = l.listen(both(443)[0])
	tlsServer.StartTLS() // httptest's certificate is for example.com
	l.t.Cleanup(tlsServer.Close)
	second := &http.Server{Handler: page, TLSConfig: tlsServer.TLS}
	go second.ServeTLS(l.listen(both(443)[1]), "", "")
	l.t.Cleanup(func() { second.Close() })

	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tlsServer.Certificate().Raw})
	for file, content := range map[string][]byte{s.resolvConf: []byte("nameserver " + server4 + "\n"), s.ca: ca} {
		if err := os.WriteFile(file, content, 0o644); err != nil {
			l.t.Fatal(err)
		}
	}
	return s
}

// daemonConfig is the README's netnsd.yaml, and no policy.
func daemonConfig(block string) bool { return strings.Contains(block, "attachments:") }

func TestReadmePolicy(t *testing.T) {
	for _, b := range blocks(t, "yaml") {
		if daemonConfig(b) {
			continue // TestReadmeDaemon
		}
		if _, err := policy.Parse("README.md", []byte(b)); err != nil {
			t.Error(err)
		}
	}
}

// TestReadmeGo compiles the README's Go with the variables that it speaks of.
func TestReadmeGo(t *testing.T) {
	for _, b := range blocks(t, "go") {
		dir := t.TempDir()
		src := `package readme

import (
	"net/http"
	"net/netip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/stack"
)

func example(device stack.Device, addrs []netip.Prefix, rules *policy.Policy) http.Client {
` + b + `
	return client
}
`
		file, overlay := filepath.Join(dir, "readme.go"), filepath.Join(dir, "overlay.json")
		at, err := filepath.Abs(filepath.Join(module, "sockets", "readme", "readme.go"))
		if err != nil {
			t.Fatal(err)
		}
		replace, err := json.Marshal(map[string]map[string]string{"Replace": {at: file}})
		if err != nil {
			t.Fatal(err)
		}
		for f, content := range map[string][]byte{file: []byte(src), overlay: replace} {
			if err := os.WriteFile(f, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "./sockets/readme")
		cmd.Dir = module
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s\n%s", err, out, src)
		}
	}
}
