package dns

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// How long one server may take, and all of them: what the program's own resolver
// does by default (resolv.conf(5): timeout 5, attempts 2), less, so that ours gives
// up first and says SERVFAIL.
const (
	serverTimeout = 2 * time.Second
	queryTimeout  = 4500 * time.Millisecond
	rounds        = 2
)

// A server that was silent n times in a row is asked after the others for
// firstRest·2ⁿ⁻¹, at most.
const (
	firstRest = time.Second
	mostRest  = 30 * time.Second
)

// server is an Upstream with what is known and kept of it.
type server struct {
	Upstream
	streams *streams // of udp (for what is larger), tcp, tls
	web     *web     // of https

	mu     sync.Mutex
	silent int       // times in a row
	noted  time.Time // when it was so the last time
	rests  time.Time // until then
}

func newServer(u Upstream, roots *x509.CertPool) *server {
	t := &tls.Config{
		ServerName: u.server, RootCAs: roots, MinVersion: tls.VersionTLS12,
		ClientSessionCache: tls.NewLRUClientSessionCache(1),
	}
	s := &server{Upstream: u}
	if u.scheme == "https" {
		s.web = newWeb(u, t)
		return s
	}
	s.streams = newStreams(dialer(u, t))
	return s
}

func (s *server) close() {
	if s.web != nil {
		s.web.close()
		return
	}
	s.streams.close()
}

// ask returns the answer without OPT, and its whole code. One who does not know EDNS
// is asked without (RFC 6891, 6.2.2).
func (s *server) ask(ctx context.Context, k key) ([]byte, dnsmessage.RCode, error) {
	for edns := true; ; edns = false {
		q := k.packed(s.id(), edns)
		b, err := s.exchange(ctx, q)
		if err != nil {
			return nil, 0, err
		}
		answer, code, knows, err := plain(b, q)
		if err != nil {
			return nil, 0, err
		}
		if edns && !knows && (code == dnsmessage.RCodeFormatError || code == dnsmessage.RCodeNotImplemented) {
			continue
		}
		return answer, code, nil
	}
}

// id is not to be guessed (RFC 5452, 4.3); of HTTPS it is 0, for the sake of caches
// (RFC 8484, 4.1).
func (s *server) id() int {
	if s.web != nil {
		return 0
	}
	return randomID()
}

func (s *server) exchange(ctx context.Context, q *outgoing) ([]byte, error) {
	switch {
	case s.web != nil:
		return s.web.ask(ctx, q)
	case s.scheme != "":
		return s.streams.ask(ctx, q)
	}
	b, err := askUDP(ctx, s.addr(), q)
	if err != nil || flags(b)&flagTC == 0 {
		return b, err
	}
	if whole, err := s.streams.ask(ctx, q); err == nil {
		return whole, nil
	}
	return b, nil // the program may do better with what there is
}

// askUDP asks from a socket of its own: its port is one that the kernel has drawn
// (RFC 5452, 4.5, RFC 6056), and as it is connected only the server is heard. What
// does not fit the query is not ours and is read over (RFC 5452, 9.1).
func askUDP(ctx context.Context, addr string, q *outgoing) ([]byte, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp", addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	if _, err := c.Write(q.packed); err != nil {
		return nil, err
	}
	room := largest.Get().(*[1 << 16]byte)
	defer largest.Put(room)
	for {
		n, err := c.Read(room[:])
		if err != nil {
			return nil, err
		}
		if q.fits(room[:n]) == nil {
			return bytes.Clone(room[:n]), nil
		}
	}
}

// largest are buffers for whatever may come by UDP: to make one for each query is a
// sixth of what an answer takes.
var largest = sync.Pool{New: func() any { return new([1 << 16]byte) }}

// asked notes that a server is asked. Of one that was silent one query finds out
// whether it still is, and others ask it last meanwhile.
func (s *server) asked(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.silent > 0 && !now.Before(s.rests) {
		s.rests = now.Add(serverTimeout)
	}
}

// heard notes whether a server has answered to what it was asked at a time. All that
// were in flight when it fell silent are once.
func (s *server) heard(ok bool, asked, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case ok:
		s.silent, s.rests = 0, time.Time{}
		return
	case s.silent > 0 && !s.noted.Before(asked):
		return
	}
	s.noted = now
	s.silent = min(s.silent+1, 10)
	s.rests = now.Add(min(firstRest<<(s.silent-1), mostRest))
}

// inTurn are servers as they stand, those that rest last, the first to be back first.
func inTurn(all []*server, now time.Time) []*server {
	type turn struct {
		s     *server
		rests time.Time
	}
	turns := make([]turn, len(all))
	for i, s := range all {
		s.mu.Lock()
		turns[i] = turn{s, s.rests}
		s.mu.Unlock()
		if !now.Before(turns[i].rests) {
			turns[i].rests = time.Time{}
		}
	}
	slices.SortStableFunc(turns, func(a, b turn) int { return cmp.Compare(nanos(a.rests), nanos(b.rests)) })
	out := make([]*server, len(all))
	for i, t := range turns {
		out[i] = t.s
	}
	return out
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
