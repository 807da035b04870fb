//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/netnsd/netnsd/tun"
)

// The addresses of the servers in a lab, public ones that are nobody's (RFC 5737,
// RFC 3849), and networks that behave in some way.
const (
	server4 = "198.51.100.1"
	server6 = "2001:db8:77::1"

	unreachable4, unreachable6 = "10.78.0.1", "fd78::1" // no route to host
	silent4, silent6           = "10.79.0.1", "fd79::1" // a link where nobody answers
)

// A lab is a machine of its own for netnsd: a network namespace with servers,
// from which nothing leads anywhere, and a directory for temporary files.
type lab struct {
	t    *testing.T
	path string // of the namespace
	tmp  string
	mark string // in the environment of every process started in the lab
	node string // a /dev/net/tun with mode 0666, as distributions have it
}

func newLab(t *testing.T) *lab {
	t.Helper()
	need(t, "ip", "nsenter", "unshare", "setpriv")
	name := fmt.Sprintf("netnsd-lab-%d-%d", os.Getpid(), time.Now().UnixNano()%1e6)
	l := &lab{t: t, path: "/run/netns/" + name, mark: "NETNSD_LAB=" + name}
	l.tmp = l.dir() // first, so that it goes last
	dev := l.dir()
	sh(t, "ip netns add "+name)
	t.Cleanup(func() { sh(t, "ip netns del "+name) })
	t.Cleanup(l.nothingLeft)
	sh(t, fmt.Sprintf(`ip -n %[1]s link set lo up
ip -n %[1]s addr add %[2]s/32 dev lo
ip -n %[1]s addr add %[3]s/128 dev lo nodad
ip -n %[1]s tuntap add dev silent mode tun
ip -n %[1]s link set silent up
ip -n %[1]s route add %[4]s dev silent
ip -n %[1]s route add %[5]s dev silent
ip -n %[1]s addr add fd79::ffff/128 dev silent nodad
ip -n %[1]s addr add 10.79.255.255/32 dev silent
ip -n %[1]s route add unreachable %[6]s
ip -n %[1]s route add unreachable %[7]s
for i in $(seq 500); do ip -n %[1]s -6 route show table local | grep -q '^local %[3]s ' && break; sleep 0.01; done`, name, server4, server6, silent4, silent6, unreachable4, unreachable6))
	l.node = filepath.Join(dev, "tun")
	sh(t, "mknod "+l.node+" c 10 200; chmod 0666 "+l.node)
	return l
}

// dir is a directory that every user can use.
func (l *lab) dir() string {
	dir, err := os.MkdirTemp("", "netnsd-lab")
	if err == nil {
		err = os.Chmod(dir, 0o777)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func sh(t *testing.T, script string) string {
	t.Helper()
	out, err := exec.Command("sh", "-ec", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// nothingLeft is the leak check: when a test has ended, nothing that it started
// runs, and netnsd has left no file and no device.
func (l *lab) nothingLeft() {
	if !eventually(func() bool { return len(l.processes()) == 0 }) {
		l.t.Errorf("left running: %q", l.processes())
	}
	files, err := os.ReadDir(l.tmp)
	if err != nil {
		l.t.Error(err)
	}
	for _, f := range files {
		l.t.Errorf("left in TMPDIR: %s", f.Name())
	}
	links := sh(l.t, "ip -n "+filepath.Base(l.path)+" -br link")
	if n := strings.Count(links, "\n"); n != 2 {
		l.t.Errorf("%d links, 2 were there:\n%s", n, links)
	}
}

// eventually asks until the answer is yes, for what the kernel does in its own
// time and tells nobody: five seconds at most.
func eventually(ok func() bool) bool {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return ok()
}

// processes are those with the lab's mark in their environment.
func (l *lab) processes() []string {
	var all []string
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range environs {
		env, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(env, []byte(l.mark)) {
			continue
		}
		dir := filepath.Dir(file)
		cmdline, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		all = append(all, fmt.Sprintf("%s %q", filepath.Base(dir), strings.ReplaceAll(string(cmdline), "\x00", " ")))
	}
	return all
}

// A user is who runs netnsd.
type user struct {
	name   string
	prefix func(l *lab) []string
}

var (
	root   = user{"root", func(l *lab) []string { return nil }}
	nobody = user{"nobody", func(l *lab) []string {
		return []string{"unshare", "--mount", "--propagation", "private", "sh", "-ec",
			`mount --bind ` + l.node + ` /dev/net/tun; exec setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps -all "$@"`, "sh"}
	}}
	users = []user{root, nobody}
)

// command is a command in the lab, as u.
func (l *lab) command(ctx context.Context, u user, argv ...string) *exec.Cmd {
	all := append([]string{"nsenter", "--net=" + l.path}, u.prefix(l)...)
	all = append(all, argv...)
	cmd := exec.CommandContext(ctx, all[0], all[1:]...)
	cmd.Env = append(os.Environ(), l.mark, "TMPDIR="+l.tmp, "HOME="+l.tmp, "no_proxy=*", "PYTHONDONTWRITEBYTECODE=1")
	cmd.Dir = "/"
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// result is how a command ended.
type result struct {
	stdout, stderr string
	status         int
}

// run is `netnsd run flags -- argv` in the lab, as u.
func (l *lab) run(u user, flags []string, argv ...string) result {
	l.t.Helper()
	return l.exec(u, append(append([]string{"netnsd", "run"}, flags...), append([]string{"--"}, argv...)...)...)
}

func (l *lab) exec(u user, argv ...string) result {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 3*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := l.command(ctx, u, argv...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		l.t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// listen listens in the lab.
func (l *lab) listen(addr string) net.Listener {
	l.t.Helper()
	var ln net.Listener
	err := tun.InNetns(l.path, func() (err error) {
		ln, err = net.Listen("tcp", addr)
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { ln.Close() })
	return ln
}

// serve runs f on each connection to addr.
func (l *lab) serve(addr string, f func(*net.TCPConn)) {
	ln := l.listen(addr)
	go func() { // ends with the listener
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				f(c.(*net.TCPConn))
			}()
		}
	}()
}

// both are host's port on the servers' two addresses.
func both(port int) []string {
	return []string{fmt.Sprintf("%s:%d", server4, port), fmt.Sprintf("[%s]:%d", server6, port)}
}

// web serves size bytes at /file and the sum of what was put at /put.
func (l *lab) web(port int, size int64) (sum string) {
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(new(pattern), size)); err != nil {
		l.t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /file", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		io.Copy(w, io.LimitReader(new(pattern), size))
	})
	mux.HandleFunc("PUT /put", func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		if _, err := io.Copy(h, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "%x", h.Sum(nil))
	})
	for _, addr := range both(port) {
		ln := l.listen(addr)
		s := &http.Server{Handler: mux}
		go s.Serve(ln)
		l.t.Cleanup(func() { s.Close() })
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// echo answers every datagram with itself.
func (l *lab) echo(port int) {
	for _, addr := range both(port) {
		l.answer(addr, func(b []byte) []byte { return b })
	}
}

// answer answers every datagram to addr with what f makes of it.
func (l *lab) answer(addr string, f func([]byte) []byte) {
	l.t.Helper()
	var pc net.PacketConn
	err := tun.InNetns(l.path, func() (err error) {
		pc, err = net.ListenPacket("udp", addr)
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { pc.Close() })
	go func() { // ends with the socket
		buf := make([]byte, 65535)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			pc.WriteTo(f(buf[:n]), from)
		}
	}()
}

// dns serves the zone lab.test, in which every name under web is the servers, as
// is example.com.
func (l *lab) dns(port int) (server string) {
	server = fmt.Sprintf("%s:%d", server4, port)
	l.answer(server, answerQuery)
	return server
}

func answerQuery(query []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 {
		return nil
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	q := m.Questions[0]
	h := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60}
	switch {
	case !strings.HasSuffix(q.Name.String(), "web.lab.test.") && q.Name.String() != "example.com.":
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AResource{A: netip.MustParseAddr(server4).As4()}}}
	case q.Type == dnsmessage.TypeAAAA:
		m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(server6).As16()}}}
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}

// answerWith gives every name the address a, and none of the other family.
func answerWith(query []byte, a netip.Addr) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 {
		return nil
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60}, Body: &dnsmessage.AResource{A: a.As4()}}}
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}
