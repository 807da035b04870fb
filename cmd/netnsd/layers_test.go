//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Under a rule a program goes to asked; the server is server4.
const asked = "192.0.2.77"

// stacks are flags for each layer that a run can have, alone, and for all of them.
// DIR is a folder of the run's own.
var stacks = []struct {
	name  string
	flags []string
	addr  string // where the program goes
}{
	{"policy", []string{"--allow", server4}, server4},
	{"audit", []string{"--audit", "DIR/audit.jsonl"}, server4},
	{"trace", []string{"--trace=DIR/trace"}, server4},
	{"shape", []string{"--shape", "down=2GiB/s,up=2GiB/s,conns=1000/s"}, server4},
	{"metrics", []string{"--metrics=DIR/totals.json"}, server4},
	{"redirect", []string{"--redirect", asked + "=" + server4}, asked},
	{"all", []string{
		"--allow", asked, "--audit", "DIR/audit.jsonl", "--trace=DIR/trace", "--metrics=DIR/totals.json", "--learn", "DIR/learnt.yaml",
		"--shape", "down=2GiB/s,up=2GiB/s,conns=1000/s", "--redirect", asked + "=" + server4,
	}, asked},
}

// bulk is what goes through each stack; less where the race detector slows it down.
func bulk() int64 {
	if raceEnabled {
		return 8 << 20
	}
	return 64 << 20
}

// Every byte of real programs passes every layer, alone and stacked: fetched, uploaded,
// on streams whose one side has ended, and written one at a time.
func TestLayersCarry(t *testing.T) {
	need(t, "curl", "sha256sum")
	l := newLab(t)
	sum := l.web(80, bulk())
	l.serve(server4+":7000", summing)
	file := filepath.Join(l.dir(), "file")
	upload(t, file, bulk())
	for _, s := range stacks {
		t.Run(s.name, func(t *testing.T) {
			dir := l.dir()
			var flags []string
			for _, f := range s.flags {
				flags = append(flags, strings.ReplaceAll(f, "DIR", dir))
			}
			r := l.run(root, flags, "sh", "-c", `set -e
				curl -sS --fail http://`+s.addr+`/file | sha256sum | cut -c1-64
				curl -sS --fail -T `+file+` http://`+s.addr+`/put; echo
				netnsd-client halfclose `+s.addr+`:7000 1000000
				netnsd-client halfclose `+s.addr+`:7000 3000 1`)
			if want := sum + "\n" + sum + "\nok\nok\n"; r.status != 0 || r.stdout != want {
				t.Errorf("status %d\n%s%swant\n%s", r.status, r.stdout, r.stderr, want)
			}
			for _, file := range []string{"audit.jsonl", "trace", "learnt.yaml", "totals.json"} {
				if !strings.Contains(strings.Join(flags, " "), file) {
					continue
				}
				if text, err := os.ReadFile(filepath.Join(dir, file)); err != nil || !strings.Contains(string(text), s.addr) {
					t.Errorf("%s: %v, %d bytes, not a word of %s", file, err, len(text), s.addr)
				}
			}
		})
	}
}

// What the flags say is what happens.
func TestLayersOfARun(t *testing.T) {
	need(t, "curl")
	l := newLab(t)
	l.web(80, 1<<20)
	fetch := []string{"curl", "-sS", "--fail", "-o", "/dev/null", "http://" + server4 + "/file"}

	begun := time.Now()
	if r := l.run(root, []string{"--shape", "down=2MiB/s,burst=1KiB"}, fetch...); r.status != 0 || time.Since(begun) < 450*time.Millisecond {
		t.Errorf("1 MiB at 2 MiB/s: %v, %+v", time.Since(begun), r)
	}
	if r := l.run(root, []string{"--shape", "tcp/*:81: down=1KiB/s", "--shape", "total=100KiB"}, fetch...); r.status == 0 {
		t.Error("1 MiB with 100 KiB in all")
	}
	r := l.run(root, []string{"--trace"}, fetch...)
	if r.status != 0 || !strings.Contains(r.stderr, "connect "+server4+":80 = 0") {
		t.Errorf("trace: %+v", r)
	}
	r = l.run(root, []string{"--redirect", "tcp/" + asked + ":8080=" + server4 + ":80", "--audit", "-"}, "curl", "-sS", "--fail", "-o", "/dev/null", "-w", "%{remote_ip}:%{remote_port}", "http://"+asked+":8080/file")
	if r.status != 0 || r.stdout != asked+":8080" {
		t.Errorf("redirect: %+v", r)
	}
	for line := range bytes.Lines([]byte(r.stderr)) { // audit stands above: it has what was asked
		var record struct{ Dst string }
		if json.Unmarshal(line, &record) == nil && strings.HasPrefix(record.Dst, server4) {
			t.Errorf("the audit has where it was led: %s", line)
		}
	}
	if r := l.run(root, []string{"--allow", server4, "--redirect", asked + "=" + server4}, "curl", "-sS", "http://"+asked+"/file"); r.status == 0 {
		t.Error("a redirect is a way past the rules")
	}
	r = l.run(root, []string{"--metrics", "--allow", "tcp:" + server4 + ":80"}, "sh", "-c", "curl -sS -o /dev/null http://"+server4+"/file; curl -s http://"+asked+"; true")
	for _, want := range []string{"RULE ", "tcp:" + server4 + ":80 ", "NAME ", server4 + " ", asked + " ", "PROCESS ", "/curl "} {
		if r.status != 0 || !strings.Contains(r.stderr, want) {
			t.Errorf("metrics: no %q in %+v", want, r)
		}
	}
	for _, wrong := range [][]string{
		{"--shape", "down=fast"}, {"--shape", ""}, {"--redirect", "example.com"}, {"--trace="}, {"--trace=/no/such/folder/file"},
		{"--shape", "down=1MiB/s", "--shape", "down=2MiB/s"}, {"--redirect", "*=192.0.2.1", "--redirect", "*=192.0.2.2"},
	} {
		if r := l.run(root, wrong, "true"); r.status != 125 && r.status != 2 || r.stderr == "" {
			t.Errorf("%v: %+v", wrong, r)
		}
	}
}
