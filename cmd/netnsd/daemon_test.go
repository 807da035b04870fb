//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
	"github.com/netnsd/netnsd/tun"
)

// threeChains is a catalog with a chain that lets pass, one that does not, and one
// that writes down.
const threeChains = `
catalog:
  layers:
    - {name: pass, type: policy, policy: {version: 1, default: allow}}
    - {name: stop, type: policy, policy: {version: 1, default: deny}}
    - {name: note, type: audit, file: DIR/audit.jsonl}
  chains:
    - {name: open, layers: [pass]}
    - {name: shut, layers: [stop]}
    - {name: noted, layers: [note, pass]}
`

// Three namespaces, each with another chain, and programs that know nothing of it.
func TestDaemonChains(t *testing.T) {
	need(t, "curl", "ip")
	l := newLab(t)
	l.web(8080, 1000)
	dns := l.dns(5353)
	l.answer(server4+":5354", func(q []byte) []byte { return answerWith(q, netip.MustParseAddr(server4)) })
	a, b, c := l.inner(), l.inner(), l.inner()
	etc := filepath.Join("/etc/netns", a) // ip netns exec binds it over /etc/resolv.conf
	if err := os.MkdirAll(etc, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(etc); os.Remove("/etc/netns") })
	if err := os.WriteFile(filepath.Join(etc, "resolv.conf"), []byte("nameserver 10.0.2.3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	d := l.netnsd(threeChains + fmt.Sprintf(`
defaults: {dns: {upstreams: ["udp://%s"], zones: ["corp.test=%s:5354"], hosts: [db.host.test=%[2]s]}}
attachments:
  - {name: a, netns: {name: %[3]s}, chain: open}
  - {name: b, netns: {path: /run/netns/%[4]s}, chain: shut}
  - {name: c, netns: {name: %[5]s}, chain: noted, interface: {name: out7, mtu: 9000}}
`, dns, server4, a, b, c))
	for _, r := range []struct {
		netns, url string
		status     int
	}{
		{a, "http://" + server4 + ":8080/file", 0},
		{a, "http://[" + server6 + "]:8080/file", 0},
		{a, "http://web.lab.test:8080/file", 0},
		{a, "http://web.corp.test:8080/file", 0},
		{a, "http://db.host.test:8080/file", 0},
		{b, "http://" + server4 + ":8080/file", 7},
		{b, "http://[" + server6 + "]:8080/file", 7},
		{c, "http://" + server4 + ":8080/file", 0},
	} {
		if out, status := l.in(r.netns, "curl", "-sS", "-m", "60", "-o", "/dev/null", r.url); status != r.status {
			t.Errorf("%s: status %d, want %d: %s", r.url, status, r.status, out)
		}
	}
	if got := links(t, c); got != "out7" || !strings.Contains(sh(t, "ip -n "+c+" link show out7"), "mtu 9000") {
		t.Errorf("device: %s", got)
	}
	var s control.Status
	d.ask("/v1/status", &s)
	for i, want := range []string{"a up open", "b up shut", "c up noted"} {
		if at := s.Attachments[i]; fmt.Sprint(at.Name, " ", at.State, " ", strings.Join(at.Chains, ",")) != want {
			t.Errorf("%+v, want %s", at, want)
		}
	}
	if s.Attachments[0].BytesIn < 3000 || s.Attachments[1].BytesIn != 0 {
		t.Errorf("%+v", s.Attachments)
	}
	metrics := d.ask("/v1/metrics", nil)
	for _, line := range []string{
		`netnsd_attachment_up{attachment="b"} 1`,
		`netnsd_flows_total{attachment="a",proto="tcp",result="connected"} 5`,
		`netnsd_flows_total{attachment="b",proto="tcp",result="denied"} 2`,
		`netnsd_link_total{attachment="a",counter="flow_evicted"} 0`,
		`netnsd_config_reload_ok 1`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("no %s in\n%s", line, metrics)
		}
	}
	d.stop()
	for _, netns := range []string{a, b, c} {
		if got := links(t, netns); got != "" {
			t.Errorf("left in %s: %s", netns, got)
		}
	}
	lines, err := os.ReadFile(filepath.Join(d.dir, "audit.jsonl"))
	if err != nil || !strings.Contains(string(lines), `"attachment":"c"`) || strings.Contains(string(lines), `"attachment":"a"`) {
		t.Errorf("%v %s", err, lines)
	}
}

// A reload disturbs nobody but those that it denies, and a file that is not right
// disturbs nobody at all.
func TestDaemonReload(t *testing.T) {
	l := newLab(t)
	l.web(8080, 100_000)
	echo := func(c *net.TCPConn) { io.Copy(c, c) }
	l.serve(server4+":7001", echo)
	l.serve(server4+":7002", echo)
	a, b := l.inner(), l.inner()
	config := func(rule string, more string) string {
		return fmt.Sprintf(`
catalog:
  layers: [{name: rules, type: policy, policy: {version: 1, default: allow, rules: [{deny: ["%s"], with: reset}]}}]
  chains: [{name: only, layers: [rules]}]
attachments:
  - {name: a, netns: {name: %s}}
%s`, rule, a, more)
	}
	d := l.netnsd(config("tcp:*:1", ""))
	w := fetching(a, server4+":8080", 4, patience)
	kept, cut := l.talk(a, server4+":7001"), l.talk(a, server4+":7002")
	second := fmt.Sprintf("  - {name: b, netns: {name: %s}}\n", b)
	for i := range 6 {
		w.fetched(t, 5)
		if line := d.reload(config(fmt.Sprintf("tcp:*:%d", 10+i), second)); !strings.Contains(line, "reloaded") {
			t.Fatal(line)
		}
		if i == 0 {
			if err := fetchIn(b, server4+":8080"); err != nil {
				t.Error("the new attachment: ", err)
			}
		}
	}
	for _, wrong := range []string{config("tcp:*:1", "nonsense: 1\n"), config("no such thing at all:::", ""), "catalog: {chains: [{name: x, layers: [y]}]}\n", "\x00"} {
		if line := d.reload(wrong); !strings.Contains(line, "refused") {
			t.Error(line)
		}
		w.fetched(t, 2)
	}
	var s control.Status
	if d.ask("/v1/status", &s); s.Problem == "" || s.Generation != 7 || len(s.Attachments) != 2 {
		t.Errorf("%+v", s)
	}
	kept.say(t, "still")
	cut.say(t, "still")
	d.reload(config("tcp:*:7002", ""))
	kept.say(t, "still")
	if _, err := cut.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Error("what is denied now goes on: ", err)
	}
	if _, err := dialIn(a, server4+":7002", patience); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error("what is denied begins: ", err)
	}
	w.fetched(t, 5)
	w.end(t)
	kept.Close() // or the end waits for it
	if got := links(t, b); got != "" {
		t.Error("left where the attachment ended: ", got)
	}
	d.stop()
}

type talk struct{ net.Conn }

// talk is a connection from inside to an echo.
func (l *lab) talk(netns, addr string) talk {
	l.t.Helper()
	c, err := dialIn(netns, addr, patience)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { c.Close() })
	k := talk{c}
	k.say(l.t, "hello")
	return k
}

func (c talk) say(t *testing.T, text string) {
	t.Helper()
	_, err := c.Write([]byte(text))
	b := make([]byte, len(text))
	if err == nil {
		_, err = io.ReadFull(c, b)
	}
	if err != nil || string(b) != text {
		t.Errorf("%q came back of %q: %v", b, text, err)
	}
}

// A namespace that is deleted while its programs are busy costs the others
// nothing, and one of its name is served when it comes; so is a device.
func TestDaemonNamespaceDeleted(t *testing.T) {
	l := newLab(t)
	l.web(8080, 100_000)
	a, b := l.inner(), l.inner()
	d := l.netnsd(fmt.Sprintf(`
attachments:
  - {name: a, netns: {name: %s}}
  - {name: b, netns: {name: %s}}
`, a, b))
	w := fetching(b, server4+":8080", 3, patience)
	busy := fetching(a, server4+":8080", 2, time.Second) // what is under way when the network goes meets silence
	busy.fetched(t, 3)
	close(busy.stop)
	mark := d.mark()
	sh(t, "ip netns del "+a)
	_, mark = d.await(mark, `"attachment":"a"`, "the namespace was deleted")
	w.fetched(t, 5)
	var s control.Status
	if d.ask("/v1/status", &s); s.Attachments[0].State != control.StateGone || s.Attachments[1].State != control.StateUp {
		t.Errorf("%+v", s.Attachments)
	}
	sh(t, "ip netns add "+a)
	_, mark = d.await(mark, `"attachment":"a"`, "attachment up")
	if err := fetchIn(a, server4+":8080"); err != nil {
		t.Error(err)
	}
	sh(t, "ip -n "+a+" link del tun0")
	_, mark = d.await(mark, `"attachment":"a"`, "the device was deleted")
	d.await(mark, `"attachment":"a"`, "attachment up")
	if err := fetchIn(a, server4+":8080"); err != nil {
		t.Error(err)
	}
	w.end(t)
	busy.wg.Wait()
	d.stop()
}

// What the kernel drops when the link goes down is there again when it is up.
func TestDaemonLinkFlap(t *testing.T) {
	l := newLab(t)
	l.web(8080, 1000)
	a := l.inner()
	d := l.netnsd(fmt.Sprintf("attachments: [{name: a, netns: {name: %s}}]\n", a))
	for range 3 {
		mark := d.mark()
		sh(t, "ip -n "+a+" link set tun0 down")
		_, mark = d.await(mark, "attachment down")
		sh(t, "ip -n "+a+" link set tun0 up")
		d.await(mark, "attachment up")
		for _, addr := range both(8080) {
			if err := fetchIn(a, addr); err != nil {
				t.Error(err)
			}
		}
	}
	d.stop()
}

// restartTime is what the issue asks for. Whoever runs the test on a machine that
// stands still for longer has three tries.
const restartTime = 3 * time.Second

// A daemon that was killed is started again: devices and traffic are back, those
// that persist had stayed, and nothing is left over.
func TestDaemonKilled(t *testing.T) {
	l := newLab(t)
	l.web(8080, 1000)
	a, b := l.inner(), l.inner()
	config := fmt.Sprintf(`
attachments:
  - {name: a, netns: {name: %s}, interface: {persist: true}}
  - {name: b, netns: {name: %s}}
`, a, b)
	d := l.netnsd(config)
	best := time.Hour
	for try := 0; try < 3 && best > restartTime; try++ {
		old := l.talk(a, l.echoing(7100+try))
		d.signal(syscall.SIGKILL)
		d.wait()
		began := time.Now()
		if got := links(t, a) + "|" + links(t, b); got != "tun0|" {
			t.Errorf("links after SIGKILL: %s", got)
		}
		ready := d.start()
		for _, netns := range []string{a, b} {
			for _, addr := range both(8080) {
				if err := fetchIn(netns, addr); err != nil {
					t.Error(err)
				}
			}
		}
		best = min(best, time.Since(began))
		t.Logf("ready after %v, all fetched after %v", ready.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
		old.Write([]byte("x"))
		if _, err := old.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Error("a connection of before: ", err)
		}
	}
	if best > restartTime {
		t.Errorf("it took %v to be back", best)
	}
	d.stop()
	if got := links(t, a) + "|" + links(t, b); got != "tun0|" {
		t.Errorf("links after SIGTERM: %s", got)
	}
	d.start() // what persists goes when it is to
	d.reload(strings.ReplaceAll(config, ", interface: {persist: true}", ""))
	d.stop()
	if got := links(t, a) + "|" + links(t, b); got != "|" {
		t.Errorf("links at the end: %s", got)
	}
}

// echoing is an echo on its port.
func (l *lab) echoing(port int) (addr string) {
	addr = fmt.Sprintf("%s:%d", server4, port)
	l.serve(addr, func(c *net.TCPConn) { io.Copy(c, c) })
	return addr
}

// SIGTERM lets connections end and begins none; the second does not wait.
func TestDaemonDrains(t *testing.T) {
	for name, impatient := range map[string]bool{"patient": false, "impatient": true} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			a := l.inner()
			d := l.netnsd(fmt.Sprintf("attachments: [{name: a, netns: {name: %s}}]\n", a))
			c := l.talk(a, l.echoing(7001))
			mark := d.mark()
			d.signal(syscall.SIGTERM)
			d.await(mark, "ending")
			c.say(t, "still")
			if impatient {
				d.signal(syscall.SIGTERM)
				if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.ENETDOWN) && !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error(err)
				}
			} else {
				c.Close()
			}
			if status := d.wait(); status != 0 || strings.Contains(d.log(), "reset") != impatient {
				t.Errorf("status %d\n%s", status, d.log())
			}
			if got := links(t, a); got != "" {
				t.Error("left: ", got)
			}
		})
	}
}

// Ports of this host lead inside, also after a reload and after a kill.
func TestDaemonPublishes(t *testing.T) {
	l := newLab(t)
	a := l.inner()
	config := func(to string) string {
		return fmt.Sprintf(`
attachments:
  - name: a
    netns: {name: %s}
    publish: [{listen: "%s:9000-9001", to: "%s"}, {proto: udp, listen: "[%s]:9000", to: "[fd00::64]:90"}]
`, a, server4, to, server6)
	}
	for _, port := range []int{80, 81, 180, 181} {
		ln := listenIn(t, a, fmt.Sprintf(":%d", port))
		go func() { // ends with the listener
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				fmt.Fprintf(c, "%d", port)
				c.Close()
			}
		}()
	}
	reads := func(port, want string) {
		t.Helper()
		var got []byte
		err := tun.InNetns(l.path, func() error {
			c, err := net.DialTimeout("tcp", net.JoinHostPort(server4, port), patience)
			if err != nil {
				return err
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			got, err = io.ReadAll(c)
			return err
		})
		if string(got) != want {
			t.Errorf("port %s: %q, %v; want %q", port, got, err, want)
		}
	}
	d := l.netnsd(config("80-81"))
	reads("9000", "80")
	reads("9001", "81")
	var s control.Status
	if d.ask("/v1/status", &s); len(s.Attachments[0].Published) != 2 {
		t.Errorf("%+v", s)
	}
	d.reload(config("180-181"))
	reads("9000", "180")
	d.signal(syscall.SIGKILL)
	d.wait()
	t.Log("ready again after ", d.start().Round(time.Millisecond))
	reads("9001", "181")
	d.reload(fmt.Sprintf("attachments: [{name: a, netns: {name: %s}}]\n", a))
	reads("9000", "")
	var none control.Status
	if d.ask("/v1/status", &none); len(none.Attachments[0].Published) != 0 {
		t.Errorf("%+v", none)
	}
	d.stop()
}

// listenIn is a server inside.
func listenIn(t *testing.T, netns, addr string) net.Listener {
	t.Helper()
	var ln net.Listener
	err := tun.InNetns("/run/netns/"+netns, func() (err error) {
		ln, err = net.Listen("tcp", addr)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}
