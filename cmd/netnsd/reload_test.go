//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
	"github.com/netnsd/netnsd/tun"
)

// busy are connections that never rest until they are told to.
type busy struct {
	wg     sync.WaitGroup
	stop   atomic.Bool
	rounds atomic.Int64
	mu     sync.Mutex
	errs   []error
}

func (b *busy) talk(c net.Conn) {
	b.wg.Go(func() {
		defer c.Close()
		text := bytes.Repeat([]byte("x"), 100)
		for !b.stop.Load() {
			_, err := c.Write(text)
			if err == nil {
				_, err = io.ReadFull(c, make([]byte, len(text)))
			}
			if err != nil {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.errs = append(b.errs, err)
				return
			}
			b.rounds.Add(1)
		}
	})
}

func (b *busy) broken() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.errs) > 0
}

func (b *busy) end(t *testing.T) {
	t.Helper()
	b.stop.Store(true)
	b.wg.Wait()
	if t.Logf("%d rounds", b.rounds.Load()); len(b.errs) > 0 {
		t.Errorf("%d connections broke; the first: %v", len(b.errs), b.errs[0])
	}
}

// A hundred reloads under load: who is allowed goes on, who is denied is reset within a
// second, a limit is no wider for the versions that there are, and one writer writes.
func TestReloadUnderLoad(t *testing.T) {
	l := newLab(t)
	const rate, burst = 4 << 20, 64 << 10
	l.serve(server4+":7001", func(c *net.TCPConn) { io.Copy(c, c) })
	l.serve(server4+":7002", func(c *net.TCPConn) {
		for b := make([]byte, 64<<10); ; {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	})
	for port := 7100; port < 7110; port++ {
		l.serve(fmt.Sprintf("%s:%d", server4, port), func(c *net.TCPConn) { io.Copy(c, c) })
	}
	a := l.inner()
	config := func(deny int) string {
		return fmt.Sprintf(`
catalog:
  layers:
    - {name: book, type: audit, file: DIR/audit.jsonl}
    - {name: rules, type: policy, policy: {version: 1, default: allow, rules: [{deny: ["tcp:*:%d"], with: reset}]}}
    - {name: limit, type: shape, rules: ["tcp/*:7002: down=%dB/s,burst=%d"]}
  chains: [{name: only, layers: [book, rules, limit]}]
attachments: [{name: a, netns: {name: %s}}]
`, deny, rate, burst, a)
	}
	d := l.netnsd(config(1))
	dial := func(port int) net.Conn {
		t.Helper()
		c, err := dialIn(a, fmt.Sprintf("%s:%d", server4, port), 5*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	b := new(busy)
	for range 8 {
		b.talk(dial(7001))
	}
	var moved atomic.Int64
	var down sync.WaitGroup
	begun := time.Now()
	var downs []net.Conn
	fetch := func() {
		c := dial(7002)
		downs = append(downs, c)
		down.Go(func() {
			for b := make([]byte, 64<<10); ; {
				n, err := c.Read(b)
				moved.Add(int64(n))
				if err != nil {
					return
				}
			}
		})
	}
	fetch()
	for i := range 100 {
		deny := 2 + i
		var cut net.Conn
		if i%10 == 9 {
			deny = 7100 + i/10
			cut = dial(deny)
			fetch() // on the newest version, beside the others
		}
		if line := d.reload(config(deny)); !strings.Contains(line, "reloaded") {
			t.Fatal(line)
		}
		done := time.Now()
		if cut != nil {
			if _, err := cut.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) || time.Since(done) > time.Second {
				t.Errorf("reload %d: what is denied now: %v after %v", i, err, time.Since(done))
			}
			cut.Close()
		}
		if until := b.rounds.Load() + 200; !eventually(func() bool { return b.rounds.Load() >= until || b.broken() }) {
			t.Fatalf("after reload %d nothing moves", i)
		}
	}
	if n := d.openFiles(filepath.Join(d.dir, "audit.jsonl")); n != 1 {
		t.Errorf("%d writers of the audit", n)
	}
	took := time.Since(begun)
	got := moved.Load()
	if most := int64(took.Seconds()*rate) + burst + 256<<10; got > most || got < most/4 {
		t.Errorf("%d bytes in %v, with a limit of %d a second", got, took, rate)
	}
	t.Logf("%.1f MB in %v over %d connections: %.2f of the limit", float64(got)/1e6, took.Round(time.Millisecond), len(downs), float64(got)/(took.Seconds()*rate))
	b.end(t)
	for _, c := range downs {
		c.Close()
	}
	down.Wait()
	d.stop()
	d.auditIsWhole()
}

// openFiles is how often the daemon has path open.
func (d *served) openFiles(path string) (n int) {
	d.l.t.Helper()
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", d.cmd.Process.Pid))
	if err != nil || len(fds) == 0 {
		d.l.t.Fatal("no descriptors", err)
	}
	for _, fd := range fds {
		if at, err := os.Readlink(fd); err == nil && at == path {
			n++
		}
	}
	return n
}

// auditIsWhole looks at each line.
func (d *served) auditIsWhole() {
	d.l.t.Helper()
	lines, err := os.ReadFile(filepath.Join(d.dir, "audit.jsonl"))
	if err != nil {
		d.l.t.Fatal(err)
	}
	for i, line := range bytes.Split(bytes.TrimSpace(lines), []byte("\n")) {
		if !json.Valid(line) {
			d.l.t.Fatalf("line %d is torn: %s", i+1, line)
		}
	}
}

// What is allowed, on a chain that has changed, goes on, for ever or for a time, or is
// reset; published ports are opened on the chain of now.
func TestReloadOld(t *testing.T) {
	l := newLab(t)
	l.serve(server4+":7001", func(c *net.TCPConn) { io.Copy(c, c) })
	a := l.inner()
	ln := listenIn(t, a, ":80")
	go func() { // ends with the listener
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); io.Copy(c, c) }()
		}
	}()
	config := func(version, conns int) string {
		return fmt.Sprintf(`
catalog:
  layers: [{name: rules, type: policy, policy: {version: 1, default: allow, rules: [{deny: ["tcp:*:%d"]}]}}, {name: limit, type: shape, rules: [conns=%d/s]}, {name: sums, type: metrics}]
  chains: [{name: only, layers: [sums, rules, limit]}]
attachments: [{name: a, netns: {name: %s}, publish: [{listen: "%s:9000", to: "80"}]}]
`, version, conns, a, server4)
	}
	d := l.netnsd(config(1, 1000))
	reload := func(flags ...string) (r control.Reload) {
		t.Helper()
		out := l.exec(root, append([]string{"netnsd", "reload", "-o", "json", "--socket", d.socket}, flags...)...)
		if err := json.Unmarshal([]byte(out.stdout), &r); err != nil || out.status != 0 {
			t.Fatalf("%+v", out)
		}
		return r
	}
	outside := func() net.Conn {
		t.Helper()
		c, err := l.dial(server4 + ":9000")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	reset := func(c net.Conn) {
		t.Helper()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Error("it is not reset: ", err)
		}
		c.Close()
	}
	out, in := l.talk(a, server4+":7001"), talk{outside()}
	in.say(t, "hello")

	for _, c := range []struct {
		what           string
		version, conns int
		flags          []string
		old, reset     int // of the connections; the published port is old, too
	}{
		{"nothing has changed", 1, 1000, []string{"--old", "reset"}, 0, 0},
		{"parameters have, in place", 1, 999, []string{"--old", "reset"}, 0, 0},
		{"pinned", 2, 999, nil, 2, 0},
	} {
		d.write(config(c.version, c.conns))
		if r := reload(c.flags...); r.Old != c.old || r.Reset != c.reset || r.Denied != 0 {
			t.Errorf("%s: %+v", c.what, r)
		}
		out.say(t, "still")
		in.say(t, "still")
		c := talk{outside()}
		c.say(t, "hello")
		c.Close()
	}
	d.write(config(3, 999))
	if r := reload("--old", "drain", "--drain", "50ms"); r.Old != 2 || r.Reset != 0 {
		t.Errorf("drained: %+v", r)
	}
	reset(out)
	reset(in)
	out = l.talk(a, server4+":7001")
	d.write(config(4, 999))
	if r := reload("--old=reset"); r.Old != 1 || r.Reset != 1 {
		t.Errorf("reset: %+v", r)
	}
	reset(out)
	l.talk(a, server4+":7001").Close()
	var chains []control.Chain
	drawn := l.exec(root, "netnsd", "catalog", "--socket", d.socket)
	d.ask("/v1/chains?attachment=a", &chains)
	i := slices.IndexFunc(chains, func(c control.Chain) bool { return !c.Old })
	if i < 0 || len(chains[i].Layers) != 3 || chains[i].Base != "host" {
		t.Fatalf("%+v", chains)
	}
	if rules := chains[i].Layers[1]; !rules.Decides || rules.Bytes || rules.Name != "rules" || rules.Verdicts["allow"] == 0 || rules.Entries["WSPConnect"] == 0 {
		t.Errorf("%+v", rules)
	}
	if limit := chains[i].Layers[2]; limit.Decides || limit.Name != "limit" || limit.Entries["WSPConnect"] == 0 {
		t.Errorf("%+v", limit)
	}
	for _, want := range []string{"a: chain only, version ", "┌ sums", "├ rules", "decides, firewall", "├ limit", "└ host"} {
		if !strings.Contains(drawn.stdout, want) {
			t.Errorf("%q is not in\n%s%s", want, drawn.stdout, drawn.stderr)
		}
	}
	text := d.ask("/v1/metrics", nil)
	for _, want := range []string{`netnsd_layer_verdicts_total{attachment="a",chain="only",layer="rules",verdict="allow"`, `netnsd_layer_calls_total{attachment="a",chain="only",entry="WSPConnect",layer="limit"`, `netnsd_layer_breaker_open{`,
		`netnsd_total_bytes_total{attachment="a",by="name",direction="out",key="` + server4 + `",layer="sums"}`} {
		if !strings.Contains(text, want) {
			t.Errorf("no metric %s", want)
		}
	}
	for _, wrong := range [][]string{{"--old", "never"}, {"--drain", "soon"}} {
		if out := l.exec(root, append([]string{"netnsd", "reload", "--socket", d.socket}, wrong...)...); out.status != 2 {
			t.Errorf("%v: %+v", wrong, out)
		}
	}
	d.stop()
}

// dial connects from where the daemon runs.
func (l *lab) dial(addr string) (c net.Conn, err error) {
	l.t.Helper()
	err = tun.InNetns(l.path, func() error {
		c, err = net.DialTimeout("tcp", addr, patience)
		return err
	})
	if err == nil {
		c.SetDeadline(time.Now().Add(patience))
		l.t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// The busiest flow is on the screen with its chain, and a key resets it.
func TestTop(t *testing.T) {
	l := newLab(t)
	l.serve(server4+":7001", func(c *net.TCPConn) { io.Copy(c, c) })
	a := l.inner()
	d := l.netnsd(fmt.Sprintf("attachments: [{name: a, netns: {name: %s}}]\n", a))
	k := l.talk(a, server4+":7001")
	c := l.console(root, "netnsd", "top", "--socket", d.socket)
	if err := pty.Setsize(c.tty, &pty.Winsize{Rows: 30, Cols: 160}); err != nil {
		t.Fatal(err)
	}
	c.expect(server4 + ":7001")
	c.expect("chain default")
	c.typed("k")
	c.expect("is reset")
	if _, err := k.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
	c.typed("q")
	if err := c.cmd.Wait(); err != nil {
		t.Error(err)
	}
	if r := l.exec(root, "netnsd", "top", "--socket", d.socket); r.status != 2 || !strings.Contains(r.stderr, "netnsd ps") {
		t.Errorf("without a terminal: %+v", r)
	}
	d.stop()
}
