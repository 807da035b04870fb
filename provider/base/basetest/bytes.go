package basetest

import (
	"net/netip"

	"github.com/netnsd/netnsd/provider"
)

// scatter copies data into the buffers and returns how much fitted.
func scatter(buffers [][]byte, data []byte) int {
	n := 0
	for _, b := range buffers {
		n += copy(b, data[n:])
	}
	return n
}

func portOf(a provider.Addr, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr(), port)
}

// ring is a bounded byte queue that allocates its memory with the first byte.
type ring struct {
	b          []byte
	start, len int
}

func (r *ring) free(size int) int { return size - r.len }

// write takes what fits.
func (r *ring) write(size int, buffers [][]byte) int {
	n := 0
	for _, b := range buffers {
		for len(b) > 0 && r.len < size {
			if r.b == nil {
				r.b = make([]byte, size)
			}
			end := (r.start + r.len) % size
			c := copy(r.b[end:min(size, end+size-r.len)], b)
			r.len += c
			n += c
			b = b[c:]
		}
	}
	return n
}

// read fills the buffers; peek leaves the bytes where they are.
func (r *ring) read(buffers [][]byte, peek bool) int {
	n := 0
	for _, b := range buffers {
		for len(b) > 0 && n < r.len {
			at := (r.start + n) % len(r.b)
			c := copy(b, r.b[at:min(len(r.b), at+r.len-n)])
			n += c
			b = b[c:]
		}
	}
	if !peek && n > 0 {
		r.start = (r.start + n) % len(r.b)
		r.len -= n
	}
	return n
}

// datagram is one in a queue; its memory is used again.
type datagram struct {
	from, to netip.AddrPort
	data     []byte
}

// datagrams is a bounded queue.
type datagrams struct {
	slots   []datagram
	head, n int
	bytes   int
}

// push drops the datagram if the queue is full.
func (q *datagrams) push(limit int, from, to netip.AddrPort, buffers [][]byte) bool {
	if q.n == limit {
		return false
	}
	if q.slots == nil {
		q.slots = make([]datagram, limit)
	}
	d := &q.slots[(q.head+q.n)%limit]
	d.from, d.to, d.data = from, to, d.data[:0]
	for _, b := range buffers {
		d.data = append(d.data, b...)
	}
	q.n++
	q.bytes += len(d.data)
	return true
}

func (q *datagrams) first() *datagram { return &q.slots[q.head] }

func (q *datagrams) drop() {
	q.bytes -= len(q.first().data)
	q.head = (q.head + 1) % len(q.slots)
	q.n--
}
