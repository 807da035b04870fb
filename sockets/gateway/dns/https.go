package dns

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

const dnsMessage = "application/dns-message"

// web asks by HTTPS (RFC 8484). Neither proxies of the environment nor redirections
// are followed: who is asked is said by the configuration.
type web struct {
	url    string
	client http.Client
}

func newWeb(u Upstream, t *tls.Config) *web {
	return &web{url: u.url(), client: http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "tcp", u.addr())
			},
			TLSClientConfig: t, ForceAttemptHTTP2: true, DisableCompression: true,
			MaxConnsPerHost: maxStreams, MaxIdleConnsPerHost: idleStreams, IdleConnTimeout: streamIdle,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (w *web) ask(ctx context.Context, q *outgoing) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(q.packed))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", dnsMessage)
	r.Header.Set("Accept", dnsMessage)
	r.Header["User-Agent"] = nil // says nothing
	answer, err := w.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("by HTTPS: %s", answer.Status)
	}
	if t := answer.Header.Get("Content-Type"); t != dnsMessage {
		return nil, fmt.Errorf("by HTTPS: content type %q, want %s", t, dnsMessage)
	}
	b, err := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
	if err != nil {
		return nil, err
	}
	if err := q.fits(b); err != nil {
		return nil, fmt.Errorf("by HTTPS: %w", err)
	}
	// What a cache on the way has kept is that much older (RFC 8484, 5.1).
	if old, err := strconv.ParseUint(answer.Header.Get("Age"), 10, 31); err == nil {
		age(b, uint32(old))
	}
	return b, nil
}

func (w *web) close() { w.client.CloseIdleConnections() }
