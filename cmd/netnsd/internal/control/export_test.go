//go:build linux

package control

import (
	"log/slog"
	"net/http"
	"time"
)

// Patient keeps connections that say nothing, so that no time-out helps a test, until
// Close, which does not wait for them.
func (s *Server) Patient() { s.patience, s.idle, s.farewell = time.Hour, time.Hour, time.Millisecond }

// Routes are METHOD PATH of all that can be asked.
func Routes() (all []string) {
	for path, methods := range (api{}).routes() {
		for m := range methods {
			all = append(all, m+" "+path)
		}
	}
	return append(all, "GET /v1/metrics")
}

// Handler is what serves d's socket, for a peer that may use it.
func Handler(d Daemon) http.Handler {
	h := newHandler(d, slog.New(slog.DiscardHandler))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(withConn(r.Context(), new(conn))))
	})
}
