package sockets

import (
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// handles is the session's one handle space. A number is never given out twice,
// so a handle that outlived its socket finds nothing, not somebody else's.
type handles struct {
	mu     sync.Mutex
	last   *atomic.Uint64
	max    int
	closed bool
	open   map[uint64]*provider.Socket
	more   map[uint64]bool           // those that are further descriptors of a socket
	away   map[*provider.Socket]bool // those that another session keeps
	in     uint64                    // bytes of sockets that are closed
	out    uint64
}

// add gives s a number: its own, or that of one more descriptor, under which its
// traffic is not counted again.
func (h *handles) add(s *provider.Socket, more bool) (uint64, wsa.Errno) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return 0, wsa.NOTINITIALISED
	case len(h.open) >= h.max:
		return 0, wsa.EMFILE
	}
	if h.open == nil {
		h.open, h.more = make(map[uint64]*provider.Socket), make(map[uint64]bool)
	}
	n := h.last.Add(1)
	h.open[n] = s
	if more {
		h.more[n] = true
	}
	return n, 0
}

func (h *handles) remove(handle uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.open[handle]; s != nil {
		h.in += s.Traffic.BytesIn.Load()
		h.out += s.Traffic.BytesOut.Load()
		delete(h.open, handle)
		delete(h.away, s)
	}
}

// keptBy says whose care s is in: another session's, or this one's again.
func (h *handles) keptBy(s *provider.Socket, another bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !another, h.open[s.Handle()] != s: // closed meanwhile
		delete(h.away, s)
	case h.away == nil:
		h.away = map[*provider.Socket]bool{s: true}
	default:
		h.away[s] = true
	}
}

// parted are the chains that another session keeps a socket of.
func (h *handles) parted() (chains []*provider.Chain) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.away {
		chains = append(chains, s.Chain())
	}
	return chains
}

// mine are the sockets under their own numbers that no other session keeps.
func (h *handles) mine() (all []*provider.Socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for n, s := range h.open {
		if !h.more[n] && !h.away[s] {
			all = append(all, s)
		}
	}
	return all
}

// drop takes back the number of one more descriptor.
func (h *handles) drop(handle uint64) {
	h.mu.Lock()
	delete(h.open, handle)
	delete(h.more, handle)
	h.mu.Unlock()
}

// traffic is what all sockets have moved, those that are closed too.
func (h *handles) traffic() (in, out uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	in, out = h.in, h.out
	for n, s := range h.open {
		if h.more[n] {
			continue
		}
		in += s.Traffic.BytesIn.Load()
		out += s.Traffic.BytesOut.Load()
	}
	return in, out
}

func (h *handles) close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
}

func (h *handles) all() iter.Seq[*provider.Socket] {
	return func(yield func(*provider.Socket) bool) {
		h.mu.Lock()
		now := slices.Collect(maps.Values(h.open))
		h.mu.Unlock()
		for _, s := range now {
			if !yield(s) {
				return
			}
		}
	}
}

// host is the session as its chains see it.
type host struct{ *Session }

var _ provider.Host = host{}

func (h host) CreateHandle(s *provider.Socket) (uint64, wsa.Errno) { return h.handles.add(s, false) }

func (h host) CloseHandle(s *provider.Socket) { h.handles.remove(s.Handle()) }

func (h host) Reported(r *provider.Report) {
	if r.Kind == provider.Panicked {
		h.panics.Add(1)
	}
	h.log.Error("a layer failed", "kind", r.Kind, "layer", r.Layer, "op", r.Op, "chain", r.Chain, "version", r.Version,
		"value", r.Value, "stack", string(r.Stack))
	if h.cfg.OnReport != nil {
		h.cfg.OnReport(r)
	}
}
