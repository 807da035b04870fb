//go:build linux

package control_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

func TestModes(t *testing.T) {
	_, path := serve(t)
	for p, want := range map[string]fs.FileMode{path: fs.ModeSocket | 0o660, filepath.Dir(path): fs.ModeDir | 0o755} {
		if st, err := os.Stat(p); err != nil || st.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", p, st.Mode(), err, want)
		}
	}
	if all, err := os.ReadDir(filepath.Dir(path)); err != nil || len(all) != 1 {
		t.Errorf("in the folder are %v, %v", all, err)
	}
}

// The socket of a killed daemon is replaced, one that is served is not, and what is no
// socket is left alone.
func TestInPlace(t *testing.T) {
	path := filepath.Join(folder(t), "netnsd.sock")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := control.Listen(control.Config{Path: path}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("beside another: %v", err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()

	s, err := control.Listen(control.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(new(daemon))
	if _, err := (control.Client{Path: path}).Status(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := control.Listen(control.Config{Path: path}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("beside ourselves: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := (control.Client{Path: path}).Status(t.Context()); !errors.Is(err, control.ErrNoDaemon) {
		t.Errorf("after Close: %v", err)
	}

	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := control.Listen(control.Config{Path: path}); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("in place of a file: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "mine" {
		t.Errorf("the file: %q, %v", text, err)
	}
}

// Of daemons that start at once, one has the socket.
func TestTogether(t *testing.T) {
	path := filepath.Join(folder(t), "netnsd.sock")
	var mu sync.Mutex
	var have []*control.Server
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := control.Listen(control.Config{Path: path})
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				have = append(have, s)
			} else if !errors.Is(err, syscall.EADDRINUSE) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(have) != 1 {
		t.Errorf("%d have it", len(have))
	}
	for _, s := range have {
		s.Close()
	}
}

// A socket that is not ours any more is not removed.
func TestCloseLeavesAnother(t *testing.T) {
	path := filepath.Join(folder(t), "netnsd.sock")
	s, err := control.Listen(control.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := control.Listen(control.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
}

// A server that has as many connections as it takes, and one more waiting, closes.
func TestCloseWhenFull(t *testing.T) {
	var all []net.Conn
	t.Cleanup(func() { // after the server, which is closed by a cleanup of serve
		for i, c := range all {
			c.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("connection %d outlives the server", i)
			}
			c.Close()
		}
	})
	_, path := serve(t, (*control.Server).Patient)
	for range 70 {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	// When the last that is taken is served the next is waiting, or about to.
	last := all[63]
	if _, err := io.WriteString(last, "GET /v1/status HTTP/1.1\r\nHost: netnsd\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := http.ReadResponse(bufio.NewReader(last), nil); err != nil {
		t.Fatal(err)
	}
}

func TestFolders(t *testing.T) {
	dir := folder(t)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		filepath.Join(dir, "netnsd.sock"):                    "chmod go-w",
		filepath.Join(dir, "no", "such", "netnsd.sock"):      "no such file",
		"/dev/null/netnsd.sock":                              "not a folder",
		filepath.Join(dir, strings.Repeat("a", 200), "sock"): "too long",
	} {
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		s, err := control.Listen(control.Config{Path: path})
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40s: %v, want %q", path, err, says)
		}
	}
	if _, err := control.Listen(control.Config{Path: filepath.Join(dir, "s"), Group: "no-such-group"}); err == nil || !strings.Contains(err.Error(), "no-such-group") {
		t.Errorf("a group that is none: %v", err)
	}
}

// A daemon that ends while it is asked is told from one that has never been there.
func TestHungUp(t *testing.T) {
	path := filepath.Join(folder(t), "netnsd.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			http.ReadRequest(bufio.NewReader(c))
			c.Close()
		}
	}()
	_, err = control.Client{Path: path}.Status(t.Context())
	if err == nil || errors.Is(err, control.ErrNoDaemon) || !strings.Contains(err.Error(), "hung up") {
		t.Error(err)
	}
	l.Close()
	<-done
}

// Who can read the folder of the socket can lock it, and keeps nobody from anything.
func TestFolderIsLocked(t *testing.T) {
	path := filepath.Join(folder(t), "netnsd.sock")
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		s, err := control.Listen(control.Config{Path: path})
		if err == nil {
			err = s.Close()
		}
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("whoever has locked the folder keeps the daemon from starting")
		d.Close()
		<-done
	}
	if all, err := os.ReadDir(filepath.Dir(path)); err != nil || len(all) > 0 {
		t.Errorf("left: %v, %v", all, err)
	}
}

// Nor does somebody else's file in the lock's place, as it can be in a folder like /tmp.
func TestLockOfAnother(t *testing.T) {
	needRoot(t)
	path := filepath.Join(folder(t), "netnsd.sock")
	if err := os.WriteFile(path+".lock", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path+".lock", 65534, -1); err != nil {
		t.Fatal(err)
	}
	s, err := control.Listen(control.Config{Path: path})
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "belongs to user 65534") {
		t.Error(err)
	}
}

// slow is a daemon of which a reload takes until it is let go.
type slow struct {
	daemon
	began, end chan struct{}
}

func (d *slow) Reload(context.Context, control.ReloadQuery) (control.Reload, error) {
	close(d.began)
	<-d.end
	return control.Reload{}, d.change("reload")
}

// A request that runs when the server closes comes to its end, and its answer arrives.
func TestCloseWaits(t *testing.T) {
	path := filepath.Join(folder(t), "netnsd.sock")
	s, err := control.Listen(control.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	d := &slow{began: make(chan struct{}), end: make(chan struct{})}
	s.Serve(d)
	asked := make(chan error)
	go func() { asked <- second(control.Client{Path: path}.Reload(t.Context(), control.ReloadQuery{})) }()
	<-d.began
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	for { // the socket goes first
		if _, err := os.Lstat(path); err != nil {
			break
		}
		runtime.Gosched()
	}
	close(d.end)
	if err := <-asked; err != nil {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if c := d.changes(); len(c) != 1 {
		t.Errorf("changed: %q", c)
	}
}
