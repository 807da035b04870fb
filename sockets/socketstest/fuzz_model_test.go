package socketstest_test

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// modelSocket is what is known of a socket, whatever descriptors it has.
type modelSocket struct {
	id         int // in machine.sockets
	family     int32
	typ        int32
	overlapped bool

	// Each is set before the call that may make it true, so that it is never too late
	// to excuse something; over and listening, which accuse, when that call has succeeded.
	closing     atomic.Bool // a descriptor of it is being closed
	mayBreak    atomic.Bool // a call was made that breaks it when it is cancelled (3.7, 3.9)
	nonblocking atomic.Bool // it may have been, once
	reused      atomic.Bool // by TF_REUSE_SOCKET, or may have been: what is known of it is of the past
	urgent      atomic.Bool // urgent data was sent: it is not in the stream
	mayShut     atomic.Bool // SD_SEND was called, or a close: the peer may see the end
	over        atomic.Bool // SD_SEND has succeeded
	listening   atomic.Bool

	mu      sync.Mutex
	sends   []*transfer
	recvs   []*transfer
	ended   bool // a receive has found the end of the stream
	tags    map[uint32]bool
	masks   wsa.Events // all that ever were registered
	mask    wsa.Events // the last one
	masked  touched
	options map[optionKey]*optionValue
	unknown bool // options may be a listener's
	port    *port
	key     uintptr
	maybe   bool // an association is being made, or may have been
}

// touched are the goroutines that have done something, a bit each.
type touched uint8

func (t *touched) by(g int) { *t |= 1 << g }

// alone is whether nobody but g has.
func (t touched) alone(g int) bool { return t == 1<<g }

const everybody touched = 3

type optionKey struct{ level, name int32 }

// optionValue is what an option was set to, if by is one goroutine.
type optionValue struct {
	by    touched
	value []byte // nil: not known
}

func newModelSocket(family, typ int32, overlapped bool) *modelSocket {
	return &modelSocket{family: family, typ: typ, overlapped: overlapped, tags: make(map[uint32]bool), options: make(map[optionKey]*optionValue)}
}

func (k *modelSocket) stream() bool { return k.typ == wsa.SOCK_STREAM }

// accepted is the model of a connection of the listener l.
func (k *modelSocket) accepted() *modelSocket {
	n := newModelSocket(k.family, k.typ, k.overlapped)
	n.nonblocking.Store(k.nonblocking.Load())
	n.inherit(k)
	return n
}

// inherit is what a socket has of its listener: events, options, which were set
// by whomsoever.
func (k *modelSocket) inherit(l *modelSocket) {
	l.mu.Lock()
	masks := l.masks
	l.mu.Unlock()
	k.mu.Lock()
	k.masks |= masks
	k.masked = everybody
	k.unknown = true
	k.mu.Unlock()
}

// port is a completion port, and what is known of it.
type port struct {
	*sockets.CompletionPort
	bounded bool
	closing atomic.Bool
}

// pattern is the content of the send tag.
func pattern(tag uint32, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = patternAt(tag, i)
	}
	return b
}

func patternAt(tag uint32, i int) byte {
	x := (uint64(tag)<<32 | uint64(i)) * 0x9e3779b97f4a7c15
	x ^= x >> 29
	return byte(x * 0xbf58476d1ce4e5b9 >> 56)
}

// content is what is sent next: on a datagram socket it begins with its tag.
func (m *machine) content(k *modelSocket, size int) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tags++
	b := pattern(m.tags, size)
	if !k.stream() {
		if size >= 4 {
			binary.LittleEndian.PutUint32(b, m.tags)
		}
		m.datagrams[m.tags] = size
	}
	return b
}

// gotDatagram judges a datagram: whole is whether it was not cut.
func (m *machine) gotDatagram(k *modelSocket, b []byte, whole, peeked bool) {
	if len(b) < 4 {
		return
	}
	tag := binary.LittleEndian.Uint32(b)
	m.mu.Lock()
	size, known := m.datagrams[tag]
	m.mu.Unlock()
	want := pattern(tag, max(size, 4))
	binary.LittleEndian.PutUint32(want, tag)
	switch {
	case !known:
		m.failf("a datagram of %d bytes that nobody has sent: tag %#x", len(b), tag)
	case whole && len(b) != size, len(b) > size:
		m.failf("a datagram of %d bytes, of which %d were sent", len(b), size)
	case !slices.Equal(b, want[:len(b)]):
		m.failf("a datagram with other bytes than were sent")
	}
	if peeked {
		return
	}
	k.mu.Lock()
	again := k.tags[tag]
	k.tags[tag] = true
	k.mu.Unlock()
	if again {
		m.failf("datagram %d is received twice", tag)
	}
}

// setOptionKnown notes what g has set; e is the answer.
func (k *modelSocket) optionSet(key optionKey, g int, value []byte, e wsa.Errno) {
	k.mu.Lock()
	defer k.mu.Unlock()
	o := k.options[key]
	if o == nil {
		o = new(optionValue)
		k.options[key] = o
	}
	o.by.by(g)
	if o.value = nil; e == 0 {
		o.value = slices.Clone(value)
	}
}

// optionTouched is before the call: what another reads meanwhile is either.
func (k *modelSocket) optionTouched(key optionKey, g int) { k.optionSet(key, g, nil, wsa.EINVAL) }

// optionWanted is what g must read, nil if nobody can know.
func (k *modelSocket) optionWanted(key optionKey, g int) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	if o := k.options[key]; o != nil && o.by.alone(g) && !k.unknown && !k.reused.Load() {
		return o.value
	}
	return nil
}
