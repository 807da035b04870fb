//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/explain"
	"github.com/netnsd/netnsd/tun"
)

// asked is a daemon behind its socket.
type asked struct {
	*Daemon
	t    *testing.T
	file string
	path string
}

func ask(t *testing.T, text string) *asked {
	t.Helper()
	dir, err := os.MkdirTemp("", "netnsd") // short, as sun_path is
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	a := &asked{t: t, file: filepath.Join(dir, "netnsd.yaml"), path: filepath.Join(dir, "sock")}
	a.write("version: 1\n" + catalog + text)
	if a.Daemon, err = New(Config{File: a.file, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Opener: opening(t)}, parse(t, catalog+text)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := control.Listen(control.Config{Path: a.path})
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(a.Daemon)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func (a *asked) write(text string) {
	a.t.Helper()
	if err := os.WriteFile(a.file, []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// send asks from the network namespace at netns; "" is the daemon's.
func (a *asked) send(netns, method, path, contentType, body string) (status int, text string) {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, "http://netnsd"+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (c net.Conn, err error) {
		if netns == "" {
			return net.Dial("unix", a.path)
		}
		err = tun.InNetns(netns, func() error {
			c, err = net.Dial("unix", a.path)
			return err
		})
		return c, err
	}}
	answer, err := tr.RoundTrip(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

// Each thing that can be asked of a daemon that serves, in each way that is wrong: the
// status that is documented, and a daemon that is as it was.
func TestRefusedChangesNothing(t *testing.T) {
	need(t)
	inside, other := netns(t), netns(t)
	_, port := held(t)
	d := ask(t, fmt.Sprintf("attachments: [{name: web, netns: {name: %s}, publish: [{listen: %q}]}]\n", inside, free(t).Listen))
	published := d.config("web")
	pipe := filepath.Join(t.TempDir(), "pipe") // nobody writes to it
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	talks(t, "/run/netns/"+inside, echo(t))
	const jsonType = "application/json"
	attach := func(more string) string {
		return fmt.Sprintf(`{"name":"db","netns":{"name":%q}%s}`, other, more)
	}
	requests := []struct{ method, path, body, unknown string }{
		{"GET", "/v1/status", "", ""},
		{"GET", "/v1/flows", "", "/v1/flows?attachment=none"},
		{"DELETE", "/v1/flows/1", "", "/v1/flows/4711"},
		{"POST", "/v1/explain", `{"attachment":"web","protocol":"tcp","destination":"192.0.2.1:80"}`, ""},
		{"POST", "/v1/reload", "", ""},
		{"POST", "/v1/attachments", attach(""), ""},
		{"DELETE", "/v1/attachments/web", "", "/v1/attachments/none"},
		{"POST", "/v1/attachments/web/published", `{"listen":"127.0.0.1:1"}`, "/v1/attachments/none/published"},
		{"DELETE", "/v1/attachments/web/published/" + published, "", "/v1/attachments/web/published/tcp/127.0.0.1:1"},
		{"GET", "/v1/metrics", "", ""},
	}
	before, snapshot := d.state(), d.catalog.Snapshot()
	refused := func(what string, want int, netns, method, path, contentType, body string) {
		t.Helper()
		status, text := d.send(netns, method, path, contentType, body)
		if status != want || !strings.Contains(text, `"detail":`) {
			t.Errorf("%s: %s %s: %d, want %d: %s", what, method, path, status, want, text)
		}
		if now := d.state(); !reflect.DeepEqual(now, before) {
			t.Fatalf("%s: %s %s has changed\n%+v to\n%+v", what, method, path, before, now)
		}
	}
	for _, r := range requests {
		for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			if m != r.method {
				refused("wrong method", 405, "", m, r.path, jsonType, r.body)
			}
		}
		refused("no permission", 403, "/run/netns/"+inside, r.method, r.path, jsonType, r.body)
		refused("no permission", 403, "/run/netns/"+other, r.method, r.path, jsonType, r.body)
		refused("unknown parameter", 400, "", r.method, r.path+"?force=1", jsonType, r.body)
		refused("huge body", 413, "", r.method, r.path, jsonType, r.body+strings.Repeat(" ", control.MaxBody+1))
		if r.unknown != "" {
			refused("unknown id", 404, "", r.method, r.unknown, jsonType, r.body)
		}
		if r.body == "" {
			refused("a body", 400, "", r.method, r.path, jsonType, "{}")
			continue
		}
		refused("content type", 415, "", r.method, r.path, "application/yaml", r.body)
		first := r.body[:strings.Index(r.body, ",")+1] // a key and its value, if there are two
		for _, body := range []string{"", "{", "[]", "web", r.body + "x", r.body + r.body, strings.ToUpper(r.body), strings.Replace(r.body, "{", `{"x":1,`, 1), first + strings.TrimPrefix(r.body, "{") + "}"} {
			refused("wrong JSON "+body, 400, "", r.method, r.path, jsonType, body)
		}
	}
	for _, c := range []struct {
		what       string
		status     int
		path, body string
	}{
		{"attachment", 404, "/v1/explain", `{"attachment":"none","protocol":"tcp","destination":"192.0.2.1:80"}`},
		{"protocol", 422, "/v1/explain", `{"attachment":"web","protocol":"sctp","destination":"192.0.2.1:80"}`},
		{"name taken", 409, "/v1/attachments", strings.Replace(attach(""), "db", "web", 1)},
		{"namespace served", 422, "/v1/attachments", strings.Replace(attach(""), other, inside, 1)},
		{"no namespace", 422, "/v1/attachments", `{"name":"db","netns":{"name":"netnsd-is-not-there"}}`},
		{"our own namespace", 422, "/v1/attachments", `{"name":"db","netns":{"path":"/proc/self/ns/net"}}`},
		{"no namespace but a file", 422, "/v1/attachments", `{"name":"db","netns":{"path":"/etc/passwd"}}`},
		{"no namespace but a pipe", 422, "/v1/attachments", fmt.Sprintf(`{"name":"db","netns":{"path":%q}}`, pipe)},
		{"no namespace but another", 422, "/v1/attachments", `{"name":"db","netns":{"path":"/proc/self/ns/mnt"}}`},
		{"no process", 422, "/v1/attachments", `{"name":"db","netns":{"pid":2147483647}}`},
		{"no descriptor", 422, "/v1/attachments", `{"name":"db","netns":{"fd":3}}`},
		{"no chain", 422, "/v1/attachments", attach(`,"chain":"none"`)},
		{"port published", 422, "/v1/attachments", attach(fmt.Sprintf(`,"publish":[{"listen":%q}]`, strings.TrimPrefix(published, "tcp/")))},
		{"port held", 409, "/v1/attachments", attach(fmt.Sprintf(`,"publish":[{"listen":%q}]`, port.Listen))},
		{"not an address of ours", 422, "/v1/attachments", attach(`,"publish":[{"listen":"192.0.2.77:1"}]`)},
		{"port published", 409, "/v1/attachments/web/published", fmt.Sprintf(`{"listen":%q}`, strings.TrimPrefix(published, "tcp/"))},
		{"port held", 409, "/v1/attachments/web/published", fmt.Sprintf(`{"listen":%q}`, port.Listen)},
		{"not inside", 422, "/v1/attachments/web/published", `{"listen":"127.0.0.1:1","to":"192.0.2.1:1"}`},
	} {
		refused(c.what, c.status, "", "POST", c.path, jsonType, c.body)
	}
	if left := devices(t, "/run/netns/"+other); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if !reflect.DeepEqual(d.catalog.Snapshot().Select, snapshot.Select) {
		t.Error("the catalog has changed")
	}
	for what, text := range map[string]string{"broken": "version: 1\nnonsense: 1\n", "empty": ""} {
		d.write(text)
		if status, answer := d.send("", "POST", "/v1/reload", "", ""); status != 422 {
			t.Errorf("%s file: %d %s", what, status, answer)
		}
		now := d.state()
		if now.Problem == "" {
			t.Errorf("%s: nothing is said of it", what)
		}
		if now.Problem = ""; !reflect.DeepEqual(now, before) {
			t.Errorf("%s: %+v", what, now)
		}
	}
}

// config is the ID of the one port that the attachment has.
func (a *asked) config(name string) string {
	a.t.Helper()
	s := only(a.t, a.Daemon)
	if s.Name != name || len(s.Published) != 1 {
		a.t.Fatalf("%+v", s)
	}
	return s.Published[0]
}

// state is the status, without what goes on by itself.
func (a *asked) state() control.Status {
	s := a.Status(a.t.Context())
	s.Attachments = slices.Clone(s.Attachments)
	return s
}

// Who asks and goes away has asked: the change is whole all the same.
func TestAskerGoes(t *testing.T) {
	need(t)
	d := ask(t, "")
	c, err := net.Dial("unix", d.path)
	if err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf(`{"name":"a","netns":{"name":%q}}`, netns(t))
	fmt.Fprintf(c, "POST /v1/attachments HTTP/1.1\r\nHost: netnsd\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	c.Close()
	await(t, "it is attached", func() bool {
		s := d.Status(t.Context())
		return len(s.Attachments) == 1 && s.Attachments[0].State == control.StateUp
	})
	if err := d.Detach(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

// All that can be asked at once: nobody waits for ever, what is refused is refused for a
// reason, and in the end all is as the file has it.
func TestAtOnce(t *testing.T) {
	need(t)
	inside, other := netns(t), netns(t)
	port := free(t)
	d := ask(t, fmt.Sprintf("attachments: [{name: a, netns: {name: %s}}]\n", inside))
	addr := echo(t)
	const rounds = 5
	var wg sync.WaitGroup
	allowed := func(err error) {
		t.Helper()
		if err != nil && !errors.Is(err, control.ErrExists) && !errors.Is(err, control.ErrNotFound) && !errors.Is(err, control.ErrInvalid) {
			t.Error(err)
		}
	}
	for _, change := range []func(){
		func() {
			allowed(d.Attach(t.Context(), config.Attachment{Name: "b", Settings: d.Defaults(), Netns: config.Netns{Name: other}, Chain: "open"}))
		},
		func() { allowed(d.Detach(t.Context(), "b")) },
		func() { allowed(d.Detach(t.Context(), "a")) },
		func() { _, err := d.Reload(t.Context(), control.ReloadQuery{}); allowed(err) },
		func() { allowed(d.Publish(t.Context(), "a", port)) },
		func() { allowed(d.Unpublish(t.Context(), "a", port.ID())) },
		func() { // a flow that may be cut off at any time
			_ = tun.InNetns("/run/netns/"+inside, func() error {
				c, err := net.DialTimeout("tcp", addr, time.Second)
				if err == nil {
					c.Write([]byte("hello"))
					c.Close()
				}
				return err
			})
		},
	} {
		wg.Go(func() {
			for range rounds {
				change()
			}
		})
	}
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for asks := true; asks; {
			d.Status(t.Context())
			flows, err := d.Flows(t.Context(), "")
			allowed(err)
			for _, f := range flows {
				allowed(d.Kill(t.Context(), f.ID))
			}
			_, err = d.Explain(t.Context(), "a", explain.Query{Protocol: "tcp", Addr: netip.MustParseAddr("192.0.2.1"), Port: 1})
			allowed(err)
			if status, text := d.send("", "GET", "/v1/metrics", "", ""); status != 200 {
				t.Error(status, text)
			}
			select {
			case <-done:
				asks = false
			default:
			}
		}
	})
	wg.Wait()
	close(done)
	watching.Wait()
	allowed(d.Detach(t.Context(), "b"))
	if _, err := d.Reload(t.Context(), control.ReloadQuery{}); err != nil {
		t.Error(err)
	}
	if s := only(t, d.Daemon); s.Name != "a" || s.State != control.StateUp || s.Problem != "" {
		t.Errorf("%+v", s)
	}
	talks(t, "/run/netns/"+inside, addr)
	if left := devices(t, "/run/netns/"+other); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
