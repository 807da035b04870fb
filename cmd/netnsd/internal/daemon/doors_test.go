//go:build linux

package daemon

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
)

// Whoever reaches the metrics holds a bounded part of our descriptors, and keeps nobody
// from ending.
func TestMetricsAreBounded(t *testing.T) {
	need(t)
	dir, err := os.MkdirTemp("", "netnsd")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	d := start(t, "")
	at := free(t).Listen
	w, err := openDoors(config.Daemon{Socket: filepath.Join(dir, "sock"), Metrics: at.String()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w.serve(d)
	var all []net.Conn
	began := time.Now()
	for range maxScrapes + 1 {
		c, err := net.Dial("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		all = append(all, c)
	}
	const get = "GET /metrics HTTP/1.1\r\nHost: n\r\n\r\n"
	last := all[maxScrapes]
	io.WriteString(last, get)
	// Those before it are served, and it is not while they are there.
	io.WriteString(all[maxScrapes-1], get)
	if r, err := http.ReadResponse(bufio.NewReader(all[maxScrapes-1]), nil); err != nil || r.StatusCode != 200 {
		t.Error(r, err)
	}
	last.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	answer := bufio.NewReader(last)
	if _, err := answer.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) && time.Since(began) < headerTime { // after which the first are let go
		t.Error("one too many is served: ", err)
	}
	all[0].Close()
	last.SetReadDeadline(time.Now().Add(patience))
	if r, err := http.ReadResponse(answer, nil); err != nil || r.StatusCode != 200 {
		t.Error(r, err)
	}
	if err := w.close(); err != nil {
		t.Error(err)
	}
}
