//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/explain"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/opener"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/sockets/gateway"
	"github.com/netnsd/netnsd/tun"
)

// The test binary is the opener, too.
func TestMain(m *testing.M) {
	if os.Args[0] == opener.Name {
		os.Exit(opener.Main(os.Args[1:]))
	}
	providertest.Main(m)
}

// opening is an opener that ends with the test.
func opening(t *testing.T) *opener.Resident {
	t.Helper()
	r, _, err := opener.StayOpen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

const patience = time.Minute

func need(t *testing.T) {
	t.Helper()
	_, err := os.Stat("/dev/net/tun")
	switch {
	case os.Geteuid() == 0 && err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal("CI lacks root or a TUN: ", err)
	default:
		t.Skip("needs root and a TUN: ", err)
	}
}

// catalog has a chain that lets pass, which is the first, and one that does not.
const catalog = `
catalog:
  layers:
    - {name: pass, type: policy, policy: {version: 1, default: allow}}
    - {name: stop, type: policy, policy: {version: 1, default: deny}}
  chains: [{name: open, layers: [pass]}, {name: shut, layers: [stop]}]
  select: [{chain: open}]
defaults: {host_loopback: true, dns: {upstreams: ["127.0.0.1"]}}
`

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse(filepath.Join(t.TempDir(), "test.yaml"), []byte("version: 1\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func start(t *testing.T, text string) *Daemon {
	t.Helper()
	d, err := New(Config{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Opener: opening(t)}, parse(t, catalog+text))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if names := d.resources.Names(); len(names) > 0 {
			t.Errorf("resources are left: %v", names)
		}
	})
	return d
}

func netns(t *testing.T) (name string) {
	t.Helper()
	name = fmt.Sprintf("netnsd-d-%d-%d", os.Getpid(), time.Now().UnixNano()%1e9)
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "del", name).Run() })
	return name
}

// echo is a server on the host's loopback, at its address as it is from inside.
func echo(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection, which the client ends
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return fmt.Sprintf("10.0.2.2:%d", l.Addr().(*net.TCPAddr).Port)
}

func dial(t *testing.T, path, addr string) (c net.Conn, err error) {
	t.Helper()
	err = tun.InNetns(path, func() error {
		c, err = net.DialTimeout("tcp", addr, patience)
		return err
	})
	if err == nil {
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(patience))
	}
	return c, err
}

func talks(t *testing.T, path, addr string) net.Conn {
	t.Helper()
	c, err := dial(t, path, addr)
	if err != nil {
		t.Fatal(err)
	}
	c.Write([]byte("hello"))
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	return c
}

func devices(t *testing.T, path string) (names []string) {
	t.Helper()
	err := tun.InNetns(path, func() error {
		all, err := net.Interfaces()
		for _, i := range all {
			if i.Name != "lo" {
				names = append(names, i.Name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A namespace is attached by each of its names, as TUN and as TAP, and let go.
func TestAttach(t *testing.T) {
	need(t)
	d, addr := start(t, ""), echo(t)
	sleeper := exec.Command("unshare", "-n", "sleep", "1000")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sleeper.Process.Kill(); sleeper.Wait() })
	pid := fmt.Sprintf("/proc/%d/ns/net", sleeper.Process.Pid)
	own, _ := tun.NamespaceAt("/proc/self/ns/net")
	await(t, "the process has a namespace of its own", func() bool { n, err := tun.NamespaceAt(pid); return err == nil && n != own })
	for _, c := range []struct {
		what string
		n    func(name string) config.Netns
		path string // "": of the name
		mode string
	}{
		{"name", func(name string) config.Netns { return config.Netns{Name: name} }, "", config.ModeTUN},
		{"path", func(name string) config.Netns { return config.Netns{Path: "/run/netns/" + name} }, "", config.ModeTAP},
		{"descriptor", func(name string) config.Netns {
			f, err := os.Open("/run/netns/" + name)
			if err != nil {
				t.Fatal(err)
			}
			return config.Netns{FD: 3, File: f}
		}, "", config.ModeTUN},
		{"process", func(string) config.Netns { return config.Netns{PID: sleeper.Process.Pid} }, pid, config.ModeTUN},
	} {
		t.Run(c.what, func(t *testing.T) {
			name := netns(t)
			if c.path == "" {
				c.path = "/run/netns/" + name
			}
			a := config.Attachment{Name: c.what, Settings: d.Defaults(), Netns: c.n(name)}
			a.Interface.Mode = c.mode
			if err := d.Attach(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			again := a
			again.Netns.File = nil
			if err := d.Attach(t.Context(), again); !errors.Is(err, control.ErrExists) {
				t.Error("twice: ", err)
			}
			talks(t, c.path, addr)
			if s := d.Status(t.Context()).Attachments; len(s) != 1 || s[0].State != control.StateUp || s[0].Origin != fromAPI || !slices.Equal(s[0].Chains, []string{"open"}) || s[0].BytesOut != 5 {
				t.Errorf("%+v", s)
			}
			if err := d.Detach(t.Context(), c.what); err != nil {
				t.Error(err)
			}
			if err := d.Detach(t.Context(), c.what); !errors.Is(err, control.ErrNotFound) {
				t.Error("twice: ", err)
			}
			if left := devices(t, c.path); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// What cannot be attached changes nothing.
func TestAttachFails(t *testing.T) {
	need(t)
	name := netns(t)
	d := start(t, "")
	before := d.catalog.Snapshot()
	for what, a := range map[string]config.Attachment{
		"no namespace": {Name: "x", Netns: config.Netns{Name: "netnsd-is-not-there"}},
		"no chain":     {Name: "x", Netns: config.Netns{Name: name}, Chain: "nonsense"},
		"no netns":     {Name: "x", Netns: config.Netns{Path: "/etc/passwd"}},
	} {
		a.Settings = d.Defaults()
		if err := d.Attach(t.Context(), a); !errors.Is(err, control.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
		if s := d.Status(t.Context()); len(s.Attachments) != 0 || !reflect.DeepEqual(d.catalog.Snapshot().Select, before.Select) {
			t.Errorf("%s: %+v", what, s)
		}
	}
	d.end()
	if err := d.Attach(t.Context(), config.Attachment{Name: "x", Settings: d.Defaults(), Netns: config.Netns{Name: name}}); !errors.Is(err, control.ErrEnding) {
		t.Error("at the end: ", err)
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not so: ", what)
		}
	}
}

// Of a process that has ended the number is not used again.
func TestProcessEnds(t *testing.T) {
	need(t)
	d := start(t, "")
	sleeper := exec.Command("unshare", "-n", "sleep", "1000")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	own, _ := tun.NamespaceAt("/proc/self/ns/net")
	pid := sleeper.Process.Pid
	await(t, "the process has a namespace of its own", func() bool {
		n, err := tun.NamespaceAt(fmt.Sprintf("/proc/%d/ns/net", pid))
		return err == nil && n != own
	})
	if err := d.Attach(t.Context(), config.Attachment{Name: "a", Settings: d.Defaults(), Netns: config.Netns{PID: pid}}); err != nil {
		t.Fatal(err)
	}
	sleeper.Process.Kill()
	sleeper.Wait()
	await(t, "it is gone", func() bool { return d.Status(context.Background()).Attachments[0].State == control.StateGone })
	if comesBack(config.Netns{PID: pid}) {
		t.Error("it is waited for")
	}
}

func TestFlowsAndKill(t *testing.T) {
	need(t)
	name := netns(t)
	d, addr := start(t, fmt.Sprintf("attachments: [{name: a, netns: {name: %s}}]\n", name)), echo(t)
	c := talks(t, "/run/netns/"+name, addr)
	flows, err := d.Flows(t.Context(), "a")
	if err != nil || len(flows) != 1 {
		t.Fatalf("%v %+v", err, flows)
	}
	f := flows[0]
	dest := netip.MustParseAddrPort(addr)
	if f.Attachment != "a" || f.Proto != "tcp" || f.Source != c.LocalAddr().String() || f.Dest != fmt.Sprintf("127.0.0.1:%d", dest.Port()) ||
		f.Chain != "open" || f.State != "open" || f.BytesOut != 5 || f.BytesIn != 5 || time.Since(f.Since) > time.Hour {
		t.Errorf("%+v", f)
	}
	if _, err := d.Flows(t.Context(), "b"); !errors.Is(err, control.ErrNotFound) {
		t.Error(err)
	}
	if err := d.Kill(t.Context(), f.ID+1000); !errors.Is(err, control.ErrNotFound) {
		t.Error(err)
	}
	if err := d.Kill(t.Context(), f.ID); err != nil {
		t.Error(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
	if flows, _ = d.Flows(t.Context(), ""); flows == nil {
		t.Error("no flows are nil")
	}
}

// What the file says of an attachment is what its gateway is made of.
func TestLimits(t *testing.T) {
	c := parse(t, catalog+`
attachments:
  - name: a
    netns: {name: a}
    dns: {disabled: true}
    udp: per-flow
    limits: {tcp_handshakes: 1, tcp_handshakes_per_client: 2, tcp_flows: 3, publish_handshakes: 4, publish_answer: 5ns, publish_clients: 6, keepalive: 7ns,
      user_timeout: 8ns, udp_sources: 9, udp_peers: 10, dns_queries: 11, dns_names: 12, udp_idle: 13ns, dns_idle: 14ns, half_closed: 15ns}
`)
	gc, err := (&attachment{d: new(Daemon), cfg: c.Attachments[0]}).gateway()
	want := gateway.Limits{
		Handshakes: 1, HandshakesPerClient: 2, Flows: 3, Inward: 4, Answer: 5, Visitors: 6, KeepAlive: 7,
		UserTimeout: 8, Datagram: 9, Peers: 10, Queries: 11, Names: 12, Idle: 13, IdleDNS: 14, HalfClose: 15,
	}
	if err != nil || gc.Limits != want || !gc.UDPPerFlow {
		t.Errorf("%v, %+v", err, gc)
	}
}

func TestExplain(t *testing.T) {
	need(t)
	d := start(t, fmt.Sprintf(`
attachments:
  - {name: a, netns: {name: %s}, select: [{to: [192.0.2.0/24], ports: [80], chain: shut}]}
  - {name: gone, netns: {name: netnsd-is-not-there}, chain: shut, host_loopback: false}
`, netns(t)))
	for _, c := range []struct {
		attachment, to string
		allowed        bool
		chain          string
	}{
		{"a", "192.0.2.1:80", false, "stop"},
		{"a", "192.0.2.1:81", true, "pass"},
		{"a", "10.0.2.2:80", true, "pass"},
		{"a", "10.0.2.3:53", true, "pass"},
		{"gone", "198.51.100.1:80", false, "stop"},
		{"gone", "10.0.2.3:54", false, "stop"},
		{"gone", "10.0.2.2:80", false, "stop"},
	} {
		q, err := explain.Parse("tcp", c.to)
		if err != nil {
			t.Fatal(err)
		}
		a, err := d.Explain(t.Context(), c.attachment, q)
		if err != nil || a.Allowed != c.allowed || a.Chain[0] != c.chain {
			t.Errorf("%s %s: %v %+v", c.attachment, c.to, err, a)
		}
	}
	if _, err := d.Explain(t.Context(), "b", explain.Query{}); !errors.Is(err, control.ErrNotFound) {
		t.Error(err)
	}
}

// What came through the control socket outlives a reload; where that cannot be, the
// reload is refused.
func TestReloadBesideControl(t *testing.T) {
	need(t)
	d := start(t, "")
	a := config.Attachment{Name: "a", Settings: d.Defaults(), Netns: config.Netns{Name: netns(t)}, Chain: "shut"}
	if err := d.Attach(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if r, err := d.replace(parse(t, catalog)); err != nil || len(r.Detached) > 0 || r.Generation != 2 {
		t.Errorf("%v %+v", err, r)
	}
	before := d.catalog.Snapshot()
	for what, text := range map[string]string{
		"its name is taken":  catalog + "attachments: [{name: a, netns: {name: other}}]\n",
		"its chain is taken": strings.ReplaceAll(catalog, "shut", "other"),
	} {
		if _, err := d.replace(parse(t, text)); err == nil || d.catalog.Snapshot() != before {
			t.Errorf("%s: %v", what, err)
		}
	}
	if s := d.Status(t.Context()); s.Generation != 2 || s.Attachments[0].State != control.StateUp {
		t.Errorf("%+v", s)
	}
}

// A chain that cannot be built refuses the whole, and what was prepared is undone.
func TestReloadCannotBeBuilt(t *testing.T) {
	need(t)
	name := netns(t)
	attachments := fmt.Sprintf("attachments: [{name: a, netns: {name: %s}}]\n", name)
	d, addr := start(t, attachments), echo(t)
	before := d.catalog.Snapshot()
	bad := strings.ReplaceAll(catalog, "layers:\n", "layers:\n    - {name: note, type: audit, file: /nonexistent/audit}\n")
	bad = strings.ReplaceAll(bad, "chains: [", "chains: [{name: noted, layers: [note]}, ")
	if _, err := d.replace(parse(t, bad+attachments)); err == nil || d.catalog.Snapshot() != before {
		t.Error(err)
	}
	talks(t, "/run/netns/"+name, addr)
}

func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r := os.NewFile(uintptr(fds[0]), "ready")
	defer r.Close()
	n, err := NewNotify(fds[1])
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("NOTIFY_SOCKET") != "" {
		t.Error("children would notify, too")
	}
	for _, c := range []struct {
		do   func()
		want string
	}{
		{func() { n.ready() }, "READY=1"},
		{n.reloading, "RELOADING=1\nMONOTONIC_USEC="},
		{func() { n.ready() }, "READY=1"},
		{func() { n.status("a\nb %d", 1) }, "STATUS=a b 1"},
		{n.stopping, "STOPPING=1"},
	} {
		c.do()
		b := make([]byte, 100)
		l.SetReadDeadline(time.Now().Add(patience))
		k, err := l.Read(b)
		if err != nil || !strings.HasPrefix(string(b[:k]), c.want) {
			t.Errorf("%q, %v; want %q", b[:k], err, c.want)
		}
	}
	if b, err := io.ReadAll(r); string(b) != "\n" || err != nil {
		t.Errorf("descriptor: %q, %v", b, err)
	}
	if _, err := NewNotify(999); err == nil {
		t.Error("a descriptor that is not open")
	}
	var nobody *Notify
	nobody.ready()
	nobody.reloading()
	nobody.status("x")
	nobody.stopping()
}
