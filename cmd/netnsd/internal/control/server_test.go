//go:build linux

package control_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/explain"
)

// daemon is a scripted one: it writes down what it is told to change, and fails
// with err.
type daemon struct {
	mu    sync.Mutex
	calls []string
	err   error
}

func (d *daemon) change(format string, args ...any) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.calls = append(d.calls, fmt.Sprintf(format, args...))
	}
	return d.err
}

func (d *daemon) changes() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.calls)
}

func (d *daemon) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err, d.calls = err, nil
}

func (d *daemon) Status(context.Context) control.Status {
	return control.Status{Version: "v1", PID: 7, Attachments: []control.Attachment{{Name: "web", State: control.StateUp}}}
}

func (d *daemon) Flows(_ context.Context, attachment string) ([]control.Flow, error) {
	if attachment != "" && attachment != "web" {
		return nil, fmt.Errorf("attachment %s: %w", attachment, control.ErrNotFound)
	}
	return []control.Flow{{ID: 1, Attachment: "web", Proto: "tcp", UID: -1}}, nil
}

func (d *daemon) Kill(_ context.Context, id uint64) error {
	if id != 1 {
		return fmt.Errorf("flow %d: %w", id, control.ErrNotFound)
	}
	return d.change("kill %d", id)
}

func (d *daemon) Chains(_ context.Context, attachment string) ([]control.Chain, error) {
	if attachment != "" && attachment != "web" {
		return nil, fmt.Errorf("attachment %s: %w", attachment, control.ErrNotFound)
	}
	return []control.Chain{{Attachment: "web", Name: "only", Base: "host"}}, nil
}

func (d *daemon) Explain(_ context.Context, attachment string, q explain.Query) (explain.Answer, error) {
	if attachment != "web" {
		return explain.Answer{}, fmt.Errorf("attachment %s: %w", attachment, control.ErrNotFound)
	}
	if q.Given.UID != -1 {
		return explain.Answer{}, fmt.Errorf("uid %d, which nobody gave", q.Given.UID)
	}
	return explain.Answer{Query: q.String(), Allowed: true}, nil
}

func (d *daemon) Reload(_ context.Context, q control.ReloadQuery) (control.Reload, error) {
	if r := q.Over(config.Reload{Old: "as the file says"}); r.Old != "as the file says" || r.Drain != 0 || r.KeepDenied {
		return control.Reload{Generation: 2}, d.change("reload %s %v %v", r.Old, r.Drain, r.KeepDenied)
	}
	return control.Reload{Generation: 2}, d.change("reload")
}

func (d *daemon) Defaults() config.Settings {
	c, err := config.Parse("n.yaml", []byte("version: 1\n"))
	if err != nil {
		panic(err)
	}
	return c.Defaults
}

func (d *daemon) Attach(_ context.Context, a config.Attachment) error {
	if a.Netns.File != nil {
		defer a.Netns.File.Close()
		st, err := a.Netns.File.Stat()
		if err != nil {
			return err
		}
		own, err := os.Stat("/proc/self/ns/net")
		if err != nil {
			return err
		}
		return d.change("attach %s by descriptor, own %v", a.Name, os.SameFile(st, own))
	}
	return d.change("attach %s to %s, mtu %d", a.Name, a.Netns, a.Interface.MTU)
}

func (d *daemon) Detach(_ context.Context, name string) error {
	if name != "web" {
		return fmt.Errorf("attachment %s: %w", name, control.ErrNotFound)
	}
	return d.change("detach %s", name)
}

func (d *daemon) Publish(_ context.Context, attachment string, p config.Publish) error {
	if attachment != "web" {
		return fmt.Errorf("attachment %s: %w", attachment, control.ErrNotFound)
	}
	return d.change("publish %s to %s", p.ID(), p.To)
}

func (d *daemon) Unpublish(_ context.Context, attachment, id string) error {
	if attachment != "web" || id != "tcp/127.0.0.1:80" {
		return fmt.Errorf("%s of %s: %w", id, attachment, control.ErrNotFound)
	}
	return d.change("unpublish %s", id)
}

func (d *daemon) Metrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "netnsd_up 1\n") })
}

// A change is logged with who has asked for it.
func TestChangesAreLogged(t *testing.T) {
	path := filepath.Join(folder(t), "netnsd.sock")
	var log bytes.Buffer
	s, err := control.Listen(control.Config{Path: path, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(new(daemon))
	c := control.Client{Path: path}
	if err := errors.Join(second(c.Status(t.Context())), c.Detach(t.Context(), "web"), s.Close()); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("method=DELETE path=/v1/attachments/web uid=%d pid=%d", os.Getuid(), os.Getpid())
	if text := log.String(); !strings.Contains(text, want) || strings.Count(text, "\n") != 1 {
		t.Errorf("%s\nlacks %s", text, want)
	}
}

// serve is a daemon behind a socket.
func serve(t *testing.T, how ...func(*control.Server)) (*daemon, string) {
	t.Helper()
	path := filepath.Join(folder(t), "netnsd", "netnsd.sock")
	s, err := control.Listen(control.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range how {
		f(s)
	}
	d := new(daemon)
	s.Serve(d)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, path
}

// folder has a short name, as sun_path is short.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "control")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// documented are the statuses that api.txt has for what goes wrong.
var documented = func() (all []int) {
	for _, m := range regexp.MustCompile(`(?m)^  (\d{3})  `).FindAllStringSubmatch(control.API, -1) {
		n, _ := strconv.Atoi(m[1])
		all = append(all, n)
	}
	return all
}()

// What can be asked is what is written down, no more and no less; so is what is
// answered, and the examples are right.
func TestAPI(t *testing.T) {
	var written []string
	for _, m := range regexp.MustCompile(`(?m)^  ([A-Z]+ /[^\s?]+)$`).FindAllStringSubmatch(control.API, -1) {
		written = append(written, m[1])
	}
	routes := control.Routes()
	for i, r := range routes {
		r = strings.NewReplacer("{name}", "NAME", "{id}", "ID", "{id...}", "ID").Replace(r)
		if routes[i] = r; !slices.Contains(written, r) {
			t.Errorf("%s is not written down", r)
		}
	}
	for _, w := range written {
		if !slices.Contains(routes, w) {
			t.Errorf("%s is written down, and is not there", w)
		}
	}
	for _, v := range []any{control.Status{}, control.Attachment{}, control.Flow{}, control.Reload{}, control.Problem{}, control.Fault{}, control.Published{},
		control.Query{}, explain.Given{}, explain.Hello{}, explain.Answer{}, config.Attachment{}, config.Settings{}, config.Publish{}} {
		for f := range reflect.TypeOf(v).Fields() {
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if key != "" && !regexp.MustCompile(`\b`+key+`\b`).MatchString(control.API) {
				t.Errorf("%T: %s is not written down", v, key)
			}
		}
	}
	d, path := serve(t)
	examples := regexp.MustCompile(`(?m)^  POST (\S+)\n +(\{.*\})$`).FindAllStringSubmatch(control.API, -1)
	for _, m := range examples {
		a := send(t, path, "POST", strings.Replace(m[1], "NAME", "web", 1), asJSON, strings.NewReader(m[2]))
		if a.status >= 300 {
			t.Errorf("%s %s: %+v", m[1], m[2], a)
		}
	}
	if len(examples) != 3 || len(d.changes()) != 2 || len(documented) != 10 {
		t.Errorf("%q; %q; %v", examples, d.changes(), documented)
	}
}

// What is no request at all is refused by the server of HTTP, and changes nothing.
func TestNoRequest(t *testing.T) {
	d, path := serve(t)
	for text, status := range map[string]int{
		"hello\r\n\r\n":                               400,
		"POST /v1/reload HTTP/1.1\r\n\r\n":            400, // no Host
		"POST /v1/reload HTTP/3.0\r\nHost: n\r\n\r\n": 505,
		"POST /v1/reload HTTP/1.1\r\nHost: n\r\nX: " + strings.Repeat("x", 32<<10) + "\r\n\r\n":                    431,
		"POST /v1/reload HTTP/1.1\r\nHost: n\r\nTransfer-Encoding: gzip\r\n\r\n":                                   501,
		"POST /v1/reload HTTP/1.1\r\nHost: n\r\nContent-Length: -1\r\n\r\n":                                        400,
		"POST /v1/reload HTTP/1.1\r\nHost: n\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n":                           400,
		"OPTIONS * HTTP/1.1\r\nHost: n\r\n\r\n":                                                                    404,
		"CONNECT /v1/reload HTTP/1.1\r\nHost: n\r\n\r\n":                                                           405,
		"POST http://n/../v1/reload HTTP/1.1\r\nHost: n\r\n\r\n":                                                   404,
		"POST /v1/attachments HTTP/1.1\r\nHost: n\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{": 400, // and no more
	} {
		c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		// What is too long is answered before it is read, and then there is nobody to write to.
		_, _ = io.WriteString(c, text)
		_ = c.CloseWrite()
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || r.StatusCode != status {
			t.Errorf("%.80q: %v, %v; want %d", text, r, err, status)
		}
		c.Close()
	}
	if c := d.changes(); len(c) > 0 {
		t.Errorf("changed: %q", c)
	}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func send(t *testing.T, path, method, url, contentType string, body io.Reader) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://netnsd"+url, body)
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	resp, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// isProblem checks that the answer says of itself what it is.
func (a answer) isProblem(t *testing.T) control.Problem {
	t.Helper()
	var p control.Problem
	d := json.NewDecoder(strings.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil || p.Status != a.status || p.Detail == "" || p.Title == "" || a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("not a problem: %v: %+v", err, a)
	}
	return p
}

const (
	asJSON  = "application/json"
	attach  = `{"name":"db","netns":{"name":"db"},"interface":{"mtu":9000}}`
	publish = `{"listen":"127.0.0.1:80","to":"8080"}`
	query   = `{"attachment":"web","protocol":"tcp","destination":"192.0.2.1:443"}`
)

// Each endpoint as it is meant to be used.
func TestEndpoints(t *testing.T) {
	for _, c := range []struct {
		method, url, body string
		status            int
		says, changes     string
	}{
		{"GET", "/v1/status", "", 200, `"name":"web"`, ""},
		{"HEAD", "/v1/status", "", 200, "", ""},
		{"GET", "/v1/flows", "", 200, `[{"id":1,`, ""},
		{"GET", "/v1/flows?attachment=web", "", 200, `"uid":-1`, ""},
		{"DELETE", "/v1/flows/1", "", 204, "", "kill 1"},
		{"POST", "/v1/explain", query, 200, `"query":"tcp 192.0.2.1:443"`, ""},
		{"POST", "/v1/explain", strings.Replace(query, "}", `,"given":{"names":["a.example"],"hello":{"server_name":"b.example"}}}`, 1), 200, `as a.example asking for \"b.example\"`, ""},
		{"POST", "/v1/reload", "", 200, `"generation":2`, "reload"},
		{"POST", "/v1/reload?old=drain&drain=1m&keep_denied=true", "", 200, `"generation":2`, "reload drain 1m0s true"},
		{"POST", "/v1/reload?old=never", "", 400, "pin, drain and reset", ""},
		{"POST", "/v1/reload?drain=soon", "", 400, "drain", ""},
		{"POST", "/v1/reload?keep_denied=perhaps", "", 400, "neither true nor false", ""},
		{"GET", "/v1/chains", "", 200, `"name":"only"`, ""},
		{"GET", "/v1/chains?attachment=web", "", 200, `"base":"host"`, ""},
		{"POST", "/v1/attachments", attach, 201, `"mtu":9000`, "attach db to db, mtu 9000"},
		{"DELETE", "/v1/attachments/web", "", 204, "", "detach web"},
		{"POST", "/v1/attachments/web/published", publish, 201, `{"id":"tcp/127.0.0.1:80"}`, "publish tcp/127.0.0.1:80 to 8080"},
		{"DELETE", "/v1/attachments/web/published/tcp/127.0.0.1:80", "", 204, "", "unpublish tcp/127.0.0.1:80"},
		{"DELETE", "/v1/attachments/web/published/tcp%2F127.0.0.1:80", "", 204, "", "unpublish tcp/127.0.0.1:80"},
		{"GET", "/v1/metrics", "", 200, "netnsd_up 1", ""},
	} {
		t.Run(strings.ReplaceAll(c.method+c.url, "/", "_"), func(t *testing.T) {
			d, path := serve(t)
			contentType := ""
			if c.body != "" {
				contentType = asJSON + "; charset=utf-8"
			}
			a := send(t, path, c.method, c.url, contentType, strings.NewReader(c.body))
			if a.status != c.status || !strings.Contains(a.body, c.says) {
				t.Errorf("%+v, want %d and %s", a, c.status, c.says)
			}
			if got := strings.Join(d.changes(), ", "); got != c.changes {
				t.Errorf("changed: %q, want %q", got, c.changes)
			}
		})
	}
}

// endpoint is one for the wrong things that can be done to each.
type endpoint struct {
	url, method string
	body        string   // as it should be; "" = takes none
	allow       string   // of a wrong method
	unknown     []string // the same with ids that there are none of
}

var endpoints = []endpoint{
	{"/v1/status", "GET", "", "GET, HEAD", nil},
	{"/v1/flows", "GET", "", "GET, HEAD", []string{"/v1/flows?attachment=none"}},
	{"/v1/flows/1", "DELETE", "", "DELETE", []string{"/v1/flows/2", "/v1/flows/x", "/v1/flows/-1", "/v1/flows/99999999999999999999"}},
	{"/v1/chains", "GET", "", "GET, HEAD", []string{"/v1/chains?attachment=none"}},
	{"/v1/explain", "POST", query, "POST", nil},
	{"/v1/reload", "POST", "", "POST", nil},
	{"/v1/attachments", "POST", attach, "POST", nil},
	{"/v1/attachments/web", "DELETE", "", "DELETE", []string{"/v1/attachments/none", "/v1/attachments/%2e%2e%2fweb"}},
	{"/v1/attachments/web/published", "POST", publish, "POST", []string{"/v1/attachments/none/published"}},
	{"/v1/attachments/web/published/tcp/127.0.0.1:80", "DELETE", "", "DELETE",
		[]string{"/v1/attachments/web/published/tcp/127.0.0.1:81", "/v1/attachments/none/published/tcp/127.0.0.1:80"}},
	{"/v1/metrics", "GET", "", "GET, HEAD", nil},
}

// Each endpoint, each wrong thing: the status that is documented, an answer that says
// why, and nothing is changed.
func TestWrong(t *testing.T) {
	d, path := serve(t)
	huge := `{"name":"` + strings.Repeat("a", control.MaxBody) + `"}`
	for _, e := range endpoints {
		refuses := func(what string, status int, method, url, contentType, body string) control.Problem {
			t.Helper()
			a := send(t, path, method, url, contentType, strings.NewReader(body))
			if a.status != status || !slices.Contains(documented, status) {
				t.Errorf("%s %s with %s: %d, want %d", method, url, what, a.status, status)
			}
			if status == http.StatusMethodNotAllowed && a.header.Get("Allow") != e.allow {
				t.Errorf("%s allows %q, want %q", url, a.header.Get("Allow"), e.allow)
			}
			return a.isProblem(t)
		}
		for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"} {
			if m != e.method {
				refuses("a wrong method", 405, m, e.url, "", "")
			}
		}
		for _, url := range e.unknown {
			contentType := ""
			if e.body != "" {
				contentType = asJSON
			}
			refuses("an unknown id", 404, e.method, url, contentType, e.body)
		}
		refuses("an unknown parameter", 400, e.method, e.url+"?x=1", asJSON, e.body)
		refuses("a huge body", 413, e.method, e.url, asJSON, huge)
		if e.body == "" {
			refuses("a body", 400, e.method, e.url, asJSON, "{}")
			continue
		}
		refuses("another content type", 415, e.method, e.url, "text/yaml", e.body)
		refuses("no content type", 415, e.method, e.url, "", e.body)
		for what, body := range map[string]string{
			"no JSON": "hello", "no body": "", "half of it": e.body[:len(e.body)/2], "twice": e.body + e.body,
			"a list": "[]", "an unknown key": strings.Replace(e.body, "{", `{"wrong":1,`, 1),
			"a wrong type": `{"name":7,"listen":7,"attachment":7}`, "another case of a key that is none": `{"wrong":1}`,
		} {
			p := refuses(what, 400, e.method, e.url, asJSON, body)
			if len(p.Errors) != 1 || p.Errors[0].Line != 1 || p.Errors[0].Column == 0 {
				t.Errorf("%s with %s does not say where: %+v", e.url, what, p)
			}
		}
	}
	for _, c := range []struct{ url, body, says string }{
		{"/v1/explain", `{"attachment":"web","protocol":"sctp","destination":"192.0.2.1:1"}`, "not a protocol"},
		{"/v1/explain", `{"attachment":"web","protocol":"tcp","destination":"192.0.2.1"}`, "which port"},
		{"/v1/explain", `{"attachment":"web","protocol":"udp","destination":"192.0.2.1:1","given":{"hello":{}}}`, "of tcp alone"},
		{"/v1/attachments", `{}`, "name"},
		{"/v1/attachments", `{"name":"a","netns":{}}`, "one of name, path"},
		{"/v1/attachments", `{"name":"a","netns":{"path":"relative"}}`, "begin with /"},
		{"/v1/attachments", `{"name":"a","netns":{"fd":3}}`, "descriptor"},
		{"/v1/attachments", `{"name":"a","netns":{"name":"a"},"interface":{"mtu":1}}`, "1280"},
		{"/v1/attachments", `{"name":"a","netns":{"name":"a"},"publish":[{"listen":"127.0.0.1:80","to":"192.0.2.1:80"}]}`, "not inside"},
		{"/v1/attachments/web/published", `{}`, "listen"},
		{"/v1/attachments/web/published", `{"listen":"80"}`, "of which address"},
		{"/v1/attachments/web/published", `{"listen":"127.0.0.1:80","proto":"sctp"}`, "tcp, udp"},
	} {
		a := send(t, path, "POST", c.url, asJSON, strings.NewReader(c.body))
		if p := a.isProblem(t); a.status != 422 || !strings.Contains(p.Detail, c.says) {
			t.Errorf("%s %s: %d, %+v; want 422 and %q", c.url, c.body, a.status, p, c.says)
		}
	}
	for _, url := range []string{"/", "/v1", "/v2/status", "/v1/status/", "/v1/nothing", "/v1/attachments/web/other",
		"//v1/status", "/v1//status", "/v1/./status", "/v1/x/../status", "/v1/attachments/../status", "/../../v1/status"} {
		if a := send(t, path, "GET", url, "", nil); a.status != 404 {
			t.Errorf("%s: %d, want 404", url, a.status)
		} else {
			a.isProblem(t)
		}
	}
	if c := d.changes(); len(c) > 0 {
		t.Errorf("changed: %q", c)
	}
}

// A body without a length is bounded as well.
func TestEndlessBody(t *testing.T) {
	d, path := serve(t)
	endless := io.MultiReader(strings.NewReader(`{"name":"`), io.LimitReader(letters{}, 8*control.MaxBody))
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://netnsd/v1/attachments", endless)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", asJSON)
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	// The server answers and closes while we still write, so the answer may be lost;
	// that it comes to 413 is TestWrong's.
	if resp, err := tr.RoundTrip(r); err == nil {
		resp.Body.Close()
		if resp.StatusCode != 413 {
			t.Errorf("%s, want 413", resp.Status)
		}
	}
	if c := d.changes(); len(c) > 0 {
		t.Errorf("changed: %q", c)
	}
}

type letters struct{}

func (letters) Read(b []byte) (int, error) { return copy(b, bytes.Repeat([]byte("a"), len(b))), nil }

// What a daemon refuses has its status, and comes back to the client as what it was.
func TestDaemonErrors(t *testing.T) {
	d, path := serve(t)
	c := control.Client{Path: path}
	broken := config.Errors{{Path: "daemon.drain"}}
	broken[0].File, broken[0].Line, broken[0].Column, broken[0].Reason, broken[0].Excerpt = "n.yaml", 3, 9, "is no time", "3 | x\n  | ^"
	for _, e := range []struct {
		err    error
		status int
		is     error
	}{
		{control.ErrNotFound, 404, control.ErrNotFound},
		{fmt.Errorf("db: %w", control.ErrExists), 409, control.ErrExists},
		{control.ErrInvalid, 422, control.ErrInvalid},
		{control.ErrEnding, 503, control.ErrEnding},
		{broken, 422, control.ErrInvalid},
		{errors.New("the disk is full"), 500, nil},
	} {
		d.fail(e.err)
		for name, err := range map[string]error{
			"reload": second(c.Reload(t.Context(), control.ReloadQuery{})), "detach": c.Detach(t.Context(), "web"), "kill": c.Kill(t.Context(), 1),
			"attach":  second(c.Attach(t.Context(), json.RawMessage(attach), nil)),
			"publish": second(c.Publish(t.Context(), "web", config.Publish{Listen: ports(t, "127.0.0.1:80")})),
		} {
			p, ok := errors.AsType[*control.Problem](err)
			if !ok || p.Status != e.status || p.Detail != e.err.Error() || e.is != nil && !errors.Is(err, e.is) {
				t.Errorf("%s, %v: %#v", name, e.err, err)
				continue
			}
			want := []control.Fault{{Path: "daemon.drain", File: "n.yaml", Line: 3, Column: 9, Reason: "is no time", Excerpt: "3 | x\n  | ^"}}
			if e.err.Error() == broken.Error() && !reflect.DeepEqual(p.Errors, want) {
				t.Errorf("%s: %+v", name, p.Errors)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

func ports(t *testing.T, s string) (e config.Endpoints) {
	t.Helper()
	if err := e.UnmarshalText([]byte(s)); err != nil {
		t.Fatal(err)
	}
	return e
}
