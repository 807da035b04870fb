//go:build linux

package control_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

// Whatever is asked, the status is one of those documented, a refusal is a problem
// that says so, and what is refused changes nothing.
func FuzzRequest(f *testing.F) {
	for _, e := range endpoints {
		f.Add(e.method, e.url, asJSON, []byte(e.body))
		f.Add("PUT", e.url, "", []byte("{"))
	}
	f.Add("POST", "/v1/attachments", asJSON, []byte(`{"name":"a","netns":{"fd":3},"network":{"ipv4":"none"},"dns":{"upstreams":["::1"]},"publish":[{"listen":"[::]:1-3"}]}`))
	f.Add("GET", "//v1/../v1/status", "", []byte(nil))
	f.Fuzz(func(t *testing.T, method, url, contentType string, body []byte) {
		r, err := http.NewRequest(method, "http://netnsd/", bytes.NewReader(body))
		if err != nil {
			return
		}
		if r.URL, err = r.URL.Parse(url); err != nil {
			return
		}
		r.Header.Set("Content-Type", contentType)
		d, w := new(daemon), httptest.NewRecorder()
		control.Handler(d).ServeHTTP(w, r)
		a := answer{w.Code, w.Header(), w.Body.String()}
		switch {
		case slices.Contains([]int{200, 201, 204}, a.status):
		case slices.Contains(documented, a.status) && a.status < 500:
			a.isProblem(t)
		default:
			t.Errorf("%s %s: %d %s", method, url, a.status, a.body)
		}
		if c := d.changes(); a.status >= 300 && len(c) > 0 {
			t.Errorf("%s %s: %d, and changed: %q", method, url, a.status, c)
		}
		if a.status == http.StatusOK && r.Method != http.MethodHead && url != "/v1/metrics" && r.URL.Path != "/v1/metrics" && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s: not JSON: %s", method, url, a.body)
		}
	})
}
