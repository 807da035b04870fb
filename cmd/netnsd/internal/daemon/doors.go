//go:build linux

package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

// doors are where the daemon can be asked: the control socket, and where
// Prometheus comes if there is such a place.
type doors struct {
	control *control.Server
	metrics net.Listener // nil: none
	server  *http.Server // of metrics; nil before serve
	done    chan error
}

// Bounds of whoever reaches daemon.metrics, who could else take all our descriptors.
const (
	maxScrapes = 32 // connections
	headerTime = 5 * time.Second
)

// openDoors listens: what cannot be listened on keeps the daemon from starting,
// before anything is attached.
func openDoors(c config.Daemon, log *slog.Logger) (w *doors, err error) {
	w = &doors{done: make(chan error, 1)}
	if w.control, err = control.Listen(control.Config{Path: c.Socket, Group: c.SocketGroup, Log: log}); err != nil {
		return nil, err
	}
	if c.Metrics == "" {
		return w, nil
	}
	if w.metrics, err = net.Listen("tcp", c.Metrics); err != nil {
		return nil, errors.Join(fmt.Errorf("daemon.metrics: %w", err), w.close())
	}
	w.metrics = netutil.LimitListener(w.metrics, maxScrapes)
	return w, nil
}

func (w *doors) serve(d *Daemon) {
	w.control.Serve(d)
	if w.metrics == nil {
		return
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", d.Metrics())
	w.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: headerTime, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
	go func() { w.done <- w.server.Serve(w.metrics) }() // ended by close
}

// close may be called again.
func (w *doors) close() (err error) {
	if w.control != nil {
		err = w.control.Close()
		w.control = nil
	}
	switch {
	case w.server != nil:
		err = errors.Join(err, w.server.Close())
		if e := <-w.done; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	case w.metrics != nil:
		err = errors.Join(err, w.metrics.Close())
	}
	w.server, w.metrics = nil, nil
	return err
}
