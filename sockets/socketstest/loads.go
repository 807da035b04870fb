package socketstest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// TestLoads runs what programs do over the pair: HTTP, HTTPS and HTTP/2, and
// many connections at a time, everything checked by sha256.
func TestLoads(t *testing.T, mk func(*testing.T) Pair) {
	for _, l := range []struct {
		name          string
		secure, http2 bool
	}{{"HTTP", false, false}, {"TLS", true, false}, {"HTTP2", true, true}} {
		t.Run(l.name, func(t *testing.T) { httpLoad(t, mk(t), l.secure, l.http2) })
	}
	t.Run("Parallel", func(t *testing.T) { parallelLoad(t, mk(t), 64, 1<<20) })
}

// blob is n bytes that no other seed has.
func blob(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	b := make([]byte, n)
	rand.NewChaCha8(key).Read(b)
	return b
}

// httpLoad posts bodies that the server sends back, several at a time.
func httpLoad(t *testing.T, p Pair, secure, http2 bool) {
	l, err := p.Server.Listen(t.Context(), "tcp", net.JoinHostPort(p.Host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Proto", r.Proto)
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Write(b)
	}))
	srv.Listener.Close() // httptest opens one of its own
	srv.Listener = l
	srv.EnableHTTP2 = http2
	scheme := "http"
	if secure {
		scheme = "https"
		srv.StartTLS()
	} else {
		srv.Start()
	}
	defer srv.Close()
	tr := &http.Transport{DialContext: p.Client.DialContext, ForceAttemptHTTP2: http2}
	defer tr.CloseIdleConnections()
	if secure {
		tr.TLSClientConfig = srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		tr.TLSClientConfig.ServerName = "example.com" // a name of httptest's certificate
		tr.TLSClientConfig.NextProtos = nil
	}
	client := &http.Client{Transport: tr, Timeout: time.Minute}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 4 {
				if err := post(client, scheme+"://"+l.Addr().String(), blob(uint64(i*4+j), 100_000), http2); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func post(c *http.Client, url string, body []byte, http2 bool) error {
	r, err := c.Post(url, "application/octet-stream", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer r.Body.Close()
	got, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		return err
	case sha256.Sum256(got) != sha256.Sum256(body):
		return fmt.Errorf("%d bytes came back for %d, or others", len(got), len(body))
	case http2 != (r.Header.Get("Proto") == "HTTP/2.0"):
		return fmt.Errorf("protocol is %s", r.Header.Get("Proto"))
	}
	return nil
}

// parallelLoad echoes size bytes over each of n connections at a time.
func parallelLoad(t *testing.T, p Pair, n, size int) {
	l, err := p.Server.Listen(t.Context(), "tcp", net.JoinHostPort(p.Host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer l.Close()
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				if _, err := io.Copy(c, c); err != nil {
					t.Error(err)
				}
			})
		}
	})
	var clients sync.WaitGroup
	for i := range n {
		clients.Go(func() {
			if err := echo(t, p, l.Addr().String(), blob(uint64(i), size)); err != nil {
				t.Error(err)
			}
		})
	}
	clients.Wait()
}

func echo(t *testing.T, p Pair, addr string, want []byte) error {
	c, err := p.Client.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	wrote := make(chan error, 1)
	go func() {
		_, err := c.Write(want)
		c.(interface{ CloseWrite() error }).CloseWrite()
		wrote <- err
	}()
	got, err := io.ReadAll(c)
	if werr := <-wrote; werr != nil {
		return werr
	}
	if err == nil && sha256.Sum256(got) != sha256.Sum256(want) {
		err = fmt.Errorf("%d bytes came back for %d, or others", len(got), len(want))
	}
	return err
}
