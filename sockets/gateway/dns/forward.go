package dns

import (
	"context"
	"crypto/rand"
	"encoding/binary"

	"golang.org/x/net/dns/dnsmessage"
)

// flight is a question that servers are being asked.
type flight struct {
	done chan struct{} // closed when what follows is set
	msg  []byte
	err  error
	left bool // who asked has gone, so the error says nothing
}

// share asks the servers, unless somebody does already.
func (r *Resolver) share(ctx context.Context, k key, name string) ([]byte, error) {
	for {
		r.mu.Lock()
		f, flies := r.flights[k]
		if !flies {
			f = &flight{done: make(chan struct{})}
			r.flights[k] = f
		}
		r.mu.Unlock()
		if !flies {
			r.lead(ctx, f, k, name)
			return f.msg, f.err
		}
		r.Shared.Add(1)
		select {
		case <-f.done:
			if !f.left {
				return f.msg, f.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (r *Resolver) lead(ctx context.Context, f *flight, k key, name string) {
	defer func() {
		r.mu.Lock()
		delete(r.flights, k)
		r.mu.Unlock()
		close(f.done)
	}()
	f.err = errNoAnswer
	f.msg, f.err = r.forward(ctx, k, name)
	f.left = f.err != nil && ctx.Err() != nil
}

// forward asks the servers in turn. A failure that one of them has answered with is
// the answer if no other has a better one.
func (r *Resolver) forward(ctx context.Context, k key, name string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	all, state := r.serversOf(name)
	if len(all) == 0 {
		return nil, errNobody
	}
	var failure []byte
	failed := make(map[*server]bool)
	for range rounds {
		for _, s := range inTurn(all, r.cfg.Now()) {
			if failed[s] {
				continue
			}
			msg, code, err := r.ask(ctx, s, k)
			switch {
			case err != nil:
				r.cfg.Log.Debug("no answer", "server", s, "name", name, "error", err)
			case helpless(code):
				failed[s] = true
				if code <= maskRCode && word(msg, 4) == 1 {
					failure = msg
				}
			default:
				r.remember(k, msg, state)
				return msg, nil
			}
			if ctx.Err() != nil {
				return answerOr(failure)
			}
		}
	}
	return answerOr(failure)
}

func answerOr(failure []byte) ([]byte, error) {
	if failure == nil {
		return nil, errNoAnswer
	}
	return failure, nil
}

// helpless answers are those after which the next server is asked, as by the C
// library.
func helpless(code dnsmessage.RCode) bool {
	switch code {
	case dnsmessage.RCodeFormatError, dnsmessage.RCodeServerFailure, dnsmessage.RCodeNotImplemented, dnsmessage.RCodeRefused:
		return true
	}
	return code > maskRCode
}

func (r *Resolver) ask(ctx context.Context, s *server, k key) ([]byte, dnsmessage.RCode, error) {
	once, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	r.Asked.Add(1)
	began := r.cfg.Now()
	s.asked(began)
	msg, code, err := s.ask(once, k)
	if err != nil {
		r.Silent.Add(1)
	}
	if err == nil || ctx.Err() == nil { // who is not waited for has not been silent
		s.heard(err == nil, began, r.cfg.Now())
	}
	return msg, code, err
}

// serversOf are those to ask for a name, and the state of the network in which they
// are.
func (r *Resolver) serversOf(name string) (all []*server, state int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, u := range r.zones.of(name, r.cfg.Upstreams) {
		if u != System {
			all = append(all, r.serverLocked(u))
			continue
		}
		for _, u := range r.system {
			all = append(all, r.serverLocked(u))
		}
	}
	return all, r.state
}

func (r *Resolver) serverLocked(u Upstream) *server {
	s := r.servers[u]
	if s == nil {
		s = newServer(u, r.cfg.RootCAs)
		r.servers[u] = s
	}
	return s
}

// remember keeps what was asked in the present state of the network.
func (r *Resolver) remember(k key, msg []byte, state int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if state == r.state {
		r.cache.put(k, msg, r.cfg.Now())
	}
}

func randomID() int {
	var b [2]byte
	rand.Read(b[:])
	return int(binary.BigEndian.Uint16(b[:]))
}
