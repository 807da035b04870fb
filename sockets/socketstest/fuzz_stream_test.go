package socketstest_test

import (
	"fmt"
	"math"
)

// transfer is one send or receive on a stream.
type transfer struct {
	begin  int64 // of the call
	issued int64 // it returned, or the operation took its place; never: not known
	data   []byte
	n      int  // bytes moved
	exact  bool // n is so; else between 0 and len(data)
}

const never = math.MaxInt64

// begin notes a transfer that is being made.
func (m *machine) begin(k *modelSocket, list *[]*transfer, data []byte) *transfer {
	x := &transfer{begin: m.now(), issued: never, data: data}
	k.mu.Lock()
	*list = append(*list, x)
	k.mu.Unlock()
	return x
}

// issue notes that what begins from now on is behind x.
func (m *machine) issue(k *modelSocket, x *transfer) {
	now := m.now()
	k.mu.Lock()
	x.issued = now
	k.mu.Unlock()
}

// settle notes what x has moved. Nothing: it is as if it had not been.
func (m *machine) settle(k *modelSocket, x *transfer, n int, exact bool) {
	k.mu.Lock()
	x.n, x.exact = n, exact
	k.mu.Unlock()
}

// weave looks for an order of sends and receives in which the bytes received are
// those sent. Two transfers have an order if one was issued before the other began.
type weave struct {
	recvs, sends []*transfer
	received     []bool
	sent         []bool
	whole        bool // the end was seen: nothing that was sent may be missing
	budget       int
}

// first reports whether x may be the next of what is left.
func first(all []*transfer, used []bool, x int) bool {
	for i, o := range all {
		if !used[i] && i != x && o.issued < all[x].begin {
			return false
		}
	}
	return true
}

// possible is whether there is such an order; out of budget it is.
func (w *weave) possible() bool {
	w.received, w.sent = make([]bool, len(w.recvs)), make([]bool, len(w.sends))
	return w.receive(nil, 0)
}

// receive goes on with any receive that may be next; cur has been received to off.
func (w *weave) receive(cur *transfer, off int) bool {
	left := false
	for i := range w.recvs {
		if w.received[i] {
			continue
		}
		left = true
		if !first(w.recvs, w.received, i) {
			continue
		}
		w.received[i] = true
		if w.match(w.recvs[i].data[:w.recvs[i].n], cur, off) {
			return true
		}
		w.received[i] = false
	}
	return !left && w.ends(cur, off)
}

// ends is whether what is left to receive may be.
func (w *weave) ends(cur *transfer, off int) bool {
	if !w.whole {
		return true
	}
	if cur != nil && cur.exact && off < cur.n {
		return false
	}
	for i, x := range w.sends {
		if !w.sent[i] && x.exact && x.n > 0 {
			return false
		}
	}
	return true
}

// match takes the bytes of chunk from cur at off, and from what follows it.
func (w *weave) match(chunk []byte, cur *transfer, off int) bool {
	if w.budget--; w.budget < 0 {
		return true
	}
	for len(chunk) > 0 && cur != nil {
		limit := len(cur.data)
		if cur.exact {
			limit = cur.n
		}
		if !cur.exact && w.follow(chunk) { // it may have ended here
			return true
		}
		if off == limit {
			if cur.exact {
				return w.follow(chunk)
			}
			return false
		}
		if cur.data[off] != chunk[0] {
			return false
		}
		chunk, off = chunk[1:], off+1
	}
	if len(chunk) > 0 {
		return w.follow(chunk)
	}
	return w.receive(cur, off)
}

// follow begins with any send that may be next.
func (w *weave) follow(chunk []byte) bool {
	for i := range w.sends {
		if w.sent[i] || !first(w.sends, w.sent, i) {
			continue
		}
		if !w.sends[i].exact || w.sends[i].n > 0 && w.sends[i].data[0] == chunk[0] || w.sends[i].n == 0 {
			w.sent[i] = true
			if w.match(chunk, w.sends[i], 0) {
				return true
			}
			w.sent[i] = false
		}
	}
	return false
}

// checkStreams finds for every socket one whose sends it has received. Nobody moves
// anything any more.
func (m *machine) checkStreams() {
	for _, k := range m.sockets {
		recvs, size, lost := received(k)
		if !k.stream() || size == 0 && !k.ended || lost || k.reused.Load() {
			continue
		}
		found := false
		for _, s := range m.sockets {
			found = found || s.stream() && (s.reused.Load() || s.urgent.Load() || m.wove(k, recvs, s))
		}
		if !found {
			m.failf("socket %d has received %d bytes (the end: %v) that no socket has sent in an order in which it may have:%s",
				k.id, size, k.ended, m.describe(recvs))
		}
	}
}

// received are the receives that have moved something; lost: others may have.
func received(k *modelSocket) (recvs []*transfer, size int, lost bool) {
	for _, x := range k.recvs {
		lost = lost || !x.exact && x.data != nil
		if x.n > 0 && x.exact {
			recvs = append(recvs, x)
			size += x.n
		}
	}
	return recvs, size, lost
}

func (m *machine) wove(k *modelSocket, recvs []*transfer, s *modelSocket) bool {
	var sends []*transfer
	for _, x := range s.sends {
		if !x.exact && len(x.data) > 0 || x.n > 0 {
			sends = append(sends, x)
		}
	}
	if k.ended && !s.mayShut.Load() && !s.closing.Load() {
		return false
	}
	w := weave{recvs: recvs, sends: sends, whole: k.ended, budget: 200_000}
	return w.possible()
}

// describe is for who reads a failure: all sends and these receives.
func (m *machine) describe(recvs []*transfer) string {
	text := ""
	for _, x := range recvs {
		text += fmt.Sprintf("\n\treceived [%d,%d] %d: %x", x.begin, x.issued, x.n, x.data[:min(x.n, 8)])
	}
	for _, s := range m.sockets {
		for _, x := range s.sends {
			text += fmt.Sprintf("\n\tsocket %d sent [%d,%d] %d of %d, %v: %x", s.id, x.begin, x.issued, x.n, len(x.data), x.exact, x.data[:min(len(x.data), 8)])
		}
	}
	return text
}
