package providertest_test

import (
	"encoding/binary"
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// holding is a layer that takes all there is below at each receive and hands it
// on from its own memory: the smallest that law 5 speaks of.
type holding struct{}

type held struct {
	mu  sync.Mutex
	buf []byte
	eof bool
	err wsa.Errno
}

func (*holding) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	slot := provider.NewSlot[held](r)
	socket, accept, join, recv, ready, ioctl := next.WSPSocket, next.WSPAccept, next.WSPJoinLeaf, next.WSPRecv, next.Ready, next.WSPIoctl
	put := func(s *provider.Socket, e wsa.Errno) (*provider.Socket, wsa.Errno) {
		if e == 0 {
			slot.Put(s, new(held))
		}
		return s, e
	}
	pull := func(s *provider.Socket, h *held) {
		tmp := make([]byte, 64)
		m := provider.Msg{Buffers: [][]byte{tmp}}
		for !h.eof && h.err == 0 {
			n, e := recv(s, &m)
			h.buf = append(h.buf, tmp[:n]...)
			switch {
			case e == wsa.EWOULDBLOCK:
				return
			case e != 0:
				h.err = e
			case n == 0:
				h.eof = true
			}
		}
	}
	receive := func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
		h := slot.Of(s)
		h.mu.Lock()
		defer h.mu.Unlock()
		pull(s, h)
		if len(h.buf) == 0 {
			switch {
			case h.err != 0:
				return 0, h.err
			case h.eof:
				return 0, 0
			}
			return 0, wsa.EWOULDBLOCK
		}
		n := 0
		for _, b := range m.Buffers {
			n += copy(b, h.buf[n:])
		}
		if m.Flags&wsa.MSG_PEEK == 0 {
			h.buf = h.buf[n:]
		}
		return n, 0
	}
	state := func(s *provider.Socket, mask wsa.Events) provider.Readiness {
		h := slot.Of(s)
		h.mu.Lock()
		defer h.mu.Unlock()
		pull(s, h)
		r := ready(s, mask)
		r.Queued = len(h.buf)
		r.Events &^= wsa.FD_READ | wsa.FD_CLOSE
		r.Close = 0
		switch {
		case len(h.buf) > 0:
			r.Events |= wsa.FD_READ & mask
		case h.eof || h.err != 0:
			r.Events |= wsa.FD_CLOSE & mask
			r.Close = h.err
		}
		return r
	}
	return provider.ProcTable{
		WSPSocket: func(q *provider.SocketRequest) (*provider.Socket, wsa.Errno) { return put(socket(q)) },
		WSPAccept: func(s *provider.Socket, q *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
			return put(accept(s, q))
		},
		WSPJoinLeaf: join,
		WSPRecv:     receive,
		WSPRecvFrom: receive,
		Ready:       state,
		Watch:       next.Watch,
		WSPIoctl: func(s *provider.Socket, q *provider.IoctlRequest) (int, wsa.Errno) {
			if q.Code != wsa.FIONREAD {
				return ioctl(s, q)
			}
			binary.LittleEndian.PutUint32(q.Out, uint32(state(s, wsa.FD_READ).Queued))
			return 4, 0
		},
	}, 0
}

// decider answers what a test says.
type decider struct {
	answer provider.Verdict
	on     provider.OnFailure
	panics bool
	asked  int
}

func (d *decider) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.Deciding(r, next), 0
}

func (d *decider) Decide(provider.Facts, provider.Op) provider.Verdict {
	d.asked++
	if d.panics {
		panic("cannot decide")
	}
	return d.answer
}

func (d *decider) OnFailure() provider.OnFailure { return d.on }
