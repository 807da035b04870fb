//go:build linux

package control

import (
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
)

// A handler does one thing; what it returns becomes the body, nil is none. A status of
// 0 is 200, or 204 without a body.
type handler func(r *http.Request, body []byte) (status int, answer any, err error)

// A method is how a path is asked.
type method struct {
	do    handler
	body  bool     // it takes one, as application/json
	query []string // it takes these
}

// routes are all that the control API knows; api.txt has them for people.
func (a api) routes() map[string]map[string]method {
	return map[string]map[string]method{
		"/v1/status":                       {"GET": {do: a.status}},
		"/v1/flows":                        {"GET": {do: a.flows, query: []string{"attachment"}}},
		"/v1/flows/{id}":                   {"DELETE": {do: a.kill}},
		"/v1/chains":                       {"GET": {do: a.chains, query: []string{"attachment"}}},
		"/v1/explain":                      {"POST": {do: a.explain, body: true}},
		"/v1/reload":                       {"POST": {do: a.reload, query: []string{"old", "drain", "keep_denied"}}},
		"/v1/attachments":                  {"POST": {do: a.attach, body: true}},
		"/v1/attachments/{name}":           {"DELETE": {do: a.detach}},
		"/v1/attachments/{name}/published": {"POST": {do: a.publish, body: true}},
		"/v1/attachments/{name}/published/{id...}": {"DELETE": {do: a.unpublish}},
	}
}

func newHandler(d Daemon, log *slog.Logger) http.Handler {
	a := api{d, log}
	mux := http.NewServeMux()
	for pattern, methods := range a.routes() {
		mux.Handle(pattern, a.route(methods))
	}
	mux.Handle("/v1/metrics", a.metrics())
	mux.HandleFunc("/", unknown)
	return permitted(asWritten(mux))
}

func unknown(w http.ResponseWriter, r *http.Request) {
	newProblem(http.StatusNotFound, "%s is not part of the control API; it begins with /v1/status", r.URL.Path).write(w)
}

// asWritten knows no other spelling of a path: a mux would send who asks for
// /v1//status elsewhere, which for a DELETE is nowhere.
func asWritten(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.EscapedPath(); r.RequestURI == "*" || p != path.Clean("/"+p) {
			unknown(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// permitted answers peers that are not served, whatever they ask.
func permitted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := connOf(r.Context()).refused; err != nil {
			w.Header().Set("Connection", "close")
			newProblem(http.StatusForbidden, "%v", err).write(w)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// route does what one path does, by method.
func (a api) route(methods map[string]method) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, answer, err := a.answer(w, r, methods)
		by := connOf(r.Context()).peer
		if err != nil {
			p := problem(err)
			level := slog.LevelDebug
			if p.Status == http.StatusInternalServerError {
				level = slog.LevelError
			}
			a.log.Log(r.Context(), level, "control", "method", r.Method, "path", r.URL.Path, "uid", by.uid, "pid", by.pid, "status", p.Status, "error", err)
			p.write(w)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			a.log.Info("control", "method", r.Method, "path", r.URL.Path, "uid", by.uid, "pid", by.pid)
		}
		switch {
		case answer == nil:
			w.WriteHeader(max(status, http.StatusNoContent))
		default:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(max(status, http.StatusOK))
			_ = json.NewEncoder(w).Encode(answer)
		}
	})
}

func (a api) answer(w http.ResponseWriter, r *http.Request, methods map[string]method) (int, any, error) {
	name := r.Method
	if name == http.MethodHead {
		name = http.MethodGet
	}
	m, ok := methods[name]
	if !ok {
		return 0, nil, notAllowed(w, r, slices.Sorted(maps.Keys(methods)))
	}
	for key := range r.URL.Query() {
		if !slices.Contains(m.query, key) {
			return 0, nil, newProblem(http.StatusBadRequest, "unknown parameter %q", key)
		}
	}
	body, err := m.read(w, r)
	if err != nil {
		return 0, nil, err
	}
	return m.do(r, body)
}

func notAllowed(w http.ResponseWriter, r *http.Request, methods []string) error {
	if slices.Contains(methods, http.MethodGet) {
		methods = append(methods, http.MethodHead)
	}
	allow := strings.Join(methods, ", ")
	w.Header().Set("Allow", allow)
	return newProblem(http.StatusMethodNotAllowed, "%s takes %s, not %s", r.URL.Path, allow, r.Method)
}

// read is the body, whole.
func (m method) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if m.body {
		if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
			return nil, newProblem(http.StatusUnsupportedMediaType, "the body has to be application/json, not %q", r.Header.Get("Content-Type"))
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if tooLong(err) {
		return nil, newProblem(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", MaxBody)
	}
	if err != nil {
		return nil, newProblem(http.StatusBadRequest, "the body cannot be read: %v", err)
	}
	if !m.body && len(body) > 0 {
		return nil, newProblem(http.StatusBadRequest, "%s %s takes no body", r.Method, r.URL.Path)
	}
	return body, nil
}
