package kit

import "sync"

// ring is a bounded queue of bytes. It holds a buffer only while it holds
// bytes, so that an idle connection costs none.
type ring struct {
	pool  *sync.Pool // of *[]byte
	buf   *[]byte
	first int
	n     int
	lent  bool // somebody reads head: the buffer must not go back to the pool
}

// full reports that no byte more fits.
func (r *ring) full() bool { return r.buf != nil && r.n == len(*r.buf) }

// write takes what fits of bufs, in order.
func (r *ring) write(bufs [][]byte) int {
	n := 0
	for _, b := range bufs {
		for len(b) > 0 && !r.full() {
			c := copy(r.tail(), b)
			r.n += c
			n, b = n+c, b[c:]
		}
	}
	return n
}

// tail is the first stretch of free room.
func (r *ring) tail() []byte {
	if r.buf == nil {
		r.buf, r.first = r.pool.Get().(*[]byte), 0
	}
	b := *r.buf
	end := r.first + r.n
	if end < len(b) {
		return b[end:]
	}
	return b[end-len(b) : r.first]
}

// lend is the first stretch of what is held, to be read without a lock while
// more may be written, until it is returned.
func (r *ring) lend() []byte {
	b := r.stretch(0)
	r.lent = len(b) > 0
	return b
}

// restore drops n of the bytes lent, unless the ring was cleared meanwhile.
func (r *ring) restore(n int) {
	if r.lent {
		r.lent = false
		r.drop(n)
	}
}

// stretch is what lies together from offset on.
func (r *ring) stretch(offset int) []byte {
	if offset >= r.n {
		return nil
	}
	b := *r.buf
	start, left := r.first+offset, r.n-offset
	if start >= len(b) {
		start -= len(b)
	}
	return b[start:min(start+left, len(b))]
}

// read copies what is held into bufs and keeps it.
func (r *ring) read(bufs [][]byte) int {
	n := 0
	for _, b := range bufs {
		for len(b) > 0 && n < r.n {
			c := copy(b, r.stretch(n))
			n, b = n+c, b[c:]
		}
	}
	return n
}

// drop forgets the first n bytes.
func (r *ring) drop(n int) {
	if r.n -= n; r.n == 0 {
		r.clear()
		return
	}
	if r.first += n; r.first >= len(*r.buf) {
		r.first -= len(*r.buf)
	}
}

// clear forgets everything and gives the buffer back.
func (r *ring) clear() {
	if r.buf != nil && !r.lent {
		r.pool.Put(r.buf)
	}
	r.buf, r.first, r.n, r.lent = nil, 0, 0, false
}
