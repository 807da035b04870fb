//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netnsd/netnsd/tun"
)

// patience is how long a test waits for what is bound to happen.
const patience = time.Minute

// served is a daemon in a lab.
type served struct {
	l        *lab
	dir      string
	file     string // its configuration
	socket   string
	settings string
	within   []string // a command that executes what follows it
	cmd      *exec.Cmd
	ended    chan struct{}

	mu    sync.Mutex
	lines []string      // of its log
	more  chan struct{} // closed with the next line
}

// inner is a namespace for a daemon to serve.
func (l *lab) inner() (name string) {
	l.t.Helper()
	name = fmt.Sprintf("netnsd-in-%d-%d", os.Getpid(), time.Now().UnixNano()%1e9)
	sh(l.t, "ip netns add "+name)
	l.t.Cleanup(func() { exec.Command("ip", "netns", "del", name).Run() })
	return name
}

// netnsd starts a daemon with this configuration, in which DIR is a folder of its
// own, and waits until it says that it is ready.
func (l *lab) netnsd(config string) *served {
	l.t.Helper()
	return l.netnsdWith("drain: 20s", config)
}

// netnsdWith has settings of the daemon itself.
func (l *lab) netnsdWith(settings, config string) *served {
	l.t.Helper()
	return l.netnsdIn(nil, settings, config)
}

// netnsdIn is started by within.
func (l *lab) netnsdIn(within []string, settings, config string) *served {
	l.t.Helper()
	dir := l.dir()
	if err := os.Chmod(dir, 0o755); err != nil {
		l.t.Fatal(err)
	}
	d := &served{l: l, dir: dir, file: filepath.Join(dir, "netnsd.yaml"), socket: filepath.Join(dir, "sock"), settings: settings, within: within}
	d.write(config)
	l.t.Cleanup(d.kill)
	d.start()
	return d
}

func (d *served) write(config string) {
	d.l.t.Helper()
	text := "version: 1\ndaemon: {socket: DIR/sock, " + d.settings + "}\n" + config
	if err := os.WriteFile(d.file, []byte(strings.ReplaceAll(text, "DIR", d.dir)), 0o600); err != nil {
		d.l.t.Fatal(err)
	}
}

// start starts it and returns how long it took to be ready.
func (d *served) start() time.Duration {
	d.l.t.Helper()
	ready, tell, err := os.Pipe()
	if err != nil {
		d.l.t.Fatal(err)
	}
	defer ready.Close()
	d.cmd = d.l.command(d.l.t.Context(), root, append(d.within, "netnsd", "daemon", "-c", d.file, "--ready-fd", "3")...)
	d.cmd.ExtraFiles = []*os.File{tell}
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		d.l.t.Fatal(err)
	}
	d.ended, d.more, d.lines = make(chan struct{}), make(chan struct{}), nil
	began := time.Now()
	err = d.cmd.Start()
	tell.Close()
	if err != nil {
		d.l.t.Fatal(err)
	}
	go d.read(stderr, d.ended)
	if b, err := io.ReadAll(ready); string(b) != "\n" {
		d.l.t.Fatalf("not ready: %q, %v\n%s", b, err, d.log())
	}
	return time.Since(began)
}

func (d *served) read(r io.Reader, ended chan struct{}) {
	defer close(ended)
	for lines := bufio.NewScanner(r); lines.Scan(); {
		d.mu.Lock()
		d.lines = append(d.lines, lines.Text())
		close(d.more)
		d.more = make(chan struct{})
		d.mu.Unlock()
	}
}

func (d *served) log() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.lines, "\n")
}

// mark is for await: what was logged before is not looked at.
func (d *served) mark() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.lines)
}

// await waits for a line after mark that contains all of parts; next is the mark
// behind it.
func (d *served) await(mark int, parts ...string) (line string, next int) {
	d.l.t.Helper()
	late := time.After(patience)
	for {
		d.mu.Lock()
		lines, more := d.lines[mark:], d.more
		d.mu.Unlock()
		for _, line := range lines {
			mark++
			if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) }) {
				return line, mark
			}
		}
		select {
		case <-more:
		case <-late:
			d.l.t.Fatalf("no line with %q:\n%s", parts, d.log())
		}
	}
}

// reload puts config in force, or has it refused.
func (d *served) reload(config string) string {
	d.l.t.Helper()
	d.write(config)
	mark := d.mark()
	d.signal(syscall.SIGHUP)
	line, _ := d.await(mark, "reload")
	return line
}

func (d *served) signal(s syscall.Signal) {
	d.l.t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.l.t.Fatal(err)
	}
}

// wait waits for its end and returns the exit status.
func (d *served) wait() int {
	<-d.ended
	d.cmd.Wait()
	return d.cmd.ProcessState.ExitCode()
}

// stop ends it as systemd does, and looks what it leaves.
func (d *served) stop() {
	d.l.t.Helper()
	d.signal(syscall.SIGTERM)
	if status := d.wait(); status != 0 {
		d.l.t.Errorf("status %d\n%s", status, d.log())
	}
	if _, err := os.Lstat(d.socket); !os.IsNotExist(err) {
		d.l.t.Error("left: ", d.socket, err)
	}
	if strings.Contains(d.log(), "DATA RACE") {
		d.l.t.Error(d.log())
	}
}

func (d *served) kill() {
	if d.cmd != nil && d.cmd.ProcessState == nil {
		d.cmd.Process.Kill()
		d.wait()
	}
	if d.l.t.Failed() {
		d.l.t.Log(d.log())
	}
}

// in runs a command inside, and returns its output and exit status.
func (l *lab) in(netns string, argv ...string) (string, int) {
	l.t.Helper()
	cmd := exec.CommandContext(l.t.Context(), "ip", append([]string{"netns", "exec", netns}, argv...)...)
	cmd.Env = append(os.Environ(), l.mark, "no_proxy=*")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); cmd.ProcessState == nil {
		l.t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// ask asks the control socket, from where the daemon runs, and decodes the answer
// into v.
func (d *served) ask(path string, v any) string {
	d.l.t.Helper()
	var body []byte
	err := tun.InNetns(d.l.path, func() error {
		c, err := net.Dial("unix", d.socket)
		if err != nil {
			return err
		}
		defer c.Close()
		r, _ := http.NewRequest("GET", "http://netnsd"+path, nil)
		r.Close = true
		if err := r.Write(c); err != nil {
			return err
		}
		a, err := http.ReadResponse(bufio.NewReader(c), r)
		if err != nil {
			return err
		}
		body, err = io.ReadAll(a.Body)
		return err
	})
	if err == nil && v != nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil {
		d.l.t.Fatalf("%s: %v\n%s", path, err, body)
	}
	return string(body)
}

// links are the interfaces inside but lo.
func links(t *testing.T, netns string) string {
	t.Helper()
	var all []string
	for line := range strings.Lines(sh(t, "ip -n "+netns+" -br link")) {
		if name := strings.Fields(line)[0]; name != "lo" {
			all = append(all, name)
		}
	}
	return strings.Join(all, " ")
}

// A load is programs inside that fetch over and over, each time anew.
type load struct {
	stop chan struct{}
	wg   sync.WaitGroup

	mu     sync.Mutex
	done   int
	errors []error
	more   chan struct{}
}

// fetching begins n programs inside netns that fetch from addr, each fetch in most
// at the longest.
func fetching(netns, addr string, n int, most time.Duration) *load {
	w := &load{stop: make(chan struct{}), more: make(chan struct{})}
	for range n {
		w.wg.Go(func() {
			for {
				select {
				case <-w.stop:
					return
				default:
				}
				w.note(fetchWithin(netns, addr, most))
			}
		})
	}
	return w
}

func (w *load) note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done++; err != nil {
		w.errors = append(w.errors, err)
	}
	close(w.more)
	w.more = make(chan struct{})
}

// fetched waits until n more have ended.
func (w *load) fetched(t *testing.T, n int) {
	t.Helper()
	late := time.After(patience)
	w.mu.Lock()
	until := w.done + n
	w.mu.Unlock()
	for {
		w.mu.Lock()
		done, more := w.done, w.more
		w.mu.Unlock()
		if done >= until {
			return
		}
		select {
		case <-more:
		case <-late:
			t.Fatalf("%d fetches of %d", done, until)
		}
	}
}

// end ends it and says what failed.
func (w *load) end(t *testing.T) {
	t.Helper()
	close(w.stop)
	w.wg.Wait()
	t.Logf("%d fetches", w.done)
	if len(w.errors) > 0 {
		t.Errorf("%d of %d fetches failed; the first: %v", len(w.errors), w.done, w.errors[0])
	}
}

// dialIn connects from inside.
func dialIn(netns, addr string, most time.Duration) (c net.Conn, err error) {
	err = tun.InNetns("/run/netns/"+netns, func() error {
		c, err = net.DialTimeout("tcp", addr, most)
		return err
	})
	if err == nil {
		c.SetDeadline(time.Now().Add(most))
	}
	return c, err
}

// fetchIn fetches /file, whole.
func fetchIn(netns, addr string) error { return fetchWithin(netns, addr, patience) }

func fetchWithin(netns, addr string, most time.Duration) error {
	c, err := dialIn(netns, addr, most)
	if err != nil {
		return err
	}
	defer c.Close()
	r, _ := http.NewRequest("GET", "http://"+addr+"/file", nil)
	r.Close = true
	if err := r.Write(c); err != nil {
		return err
	}
	a, err := http.ReadResponse(bufio.NewReader(c), r)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	n, err := io.Copy(io.Discard, a.Body)
	if err == nil && n != a.ContentLength {
		err = fmt.Errorf("%d bytes of %d", n, a.ContentLength)
	}
	return err
}
