//go:build linux

package demo

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/chain"
	"github.com/netnsd/netnsd/provider/layer/audit"
)

// namespace is the real thing: this binary, as a user would call it.
type namespace struct{}

func (namespace) command(rules chain.Config, url string) string {
	return strings.Join(append(append([]string{"netnsd", "run"}, flags(rules)...), append([]string{"--"}, client("netnsd", url)...)...), " ")
}

// client is curl, or our own where there is none: net/http and nothing else.
func client(self, url string) []string {
	if _, err := exec.LookPath("curl"); err == nil {
		return []string{"curl", "-sS", url}
	}
	return []string{self, "fetch", url}
}

func (namespace) fetch(rules chain.Config, url string) (got fetched, err error) {
	dir, err := os.MkdirTemp("", "netnsd-demo")
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	self, err := os.Executable()
	if err != nil {
		return got, err
	}
	file := filepath.Join(dir, "audit.jsonl")
	args := append([]string{"run", "--audit", file}, flags(rules)...)
	cmd := exec.Command(self, append(append(args, "--"), client(self, url)...)...)
	cmd.Args[0] = "netnsd"
	cmd.Env = withoutProxy()
	words, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return got, err
	}
	got.words, got.ok = string(words), err == nil
	lines, err := os.ReadFile(file)
	if err != nil {
		return got, errors.Join(errors.New(strings.TrimSpace(got.words)), err)
	}
	got.audit, err = readAudit(lines)
	return got, err
}

func readAudit(b []byte) (all []audit.Record, err error) {
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		var r audit.Record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return all, err
		}
		all = append(all, r)
	}
	return all, lines.Err()
}
