package tuntest

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/netnsd/netnsd/tun"
	"github.com/netnsd/netnsd/tun/internal/latest"
)

// ebadfd is unix.EBADFD ("file descriptor in bad state"), which package syscall lacks outside Linux.
const ebadfd = syscall.Errno(77)

// Config describes both ends of a Pipe. The zero value is one queue of plain IP packets with MTU 1500.
type Config struct {
	MTU       int    // bytes; default 1500
	HeaderLen int    // 0 or 10; the header crosses as it is
	Offloads  uint32 // tun.Offload bits that the ends claim; needs a header
	TAP       bool   // what TAP() says; the Pipe does not look into packets
	Queues    int    // default 1; queue q of one end leads to queue q of the other
	Depth     int    // packets that a queue holds before a writer sees EAGAIN; default 256
}

// Pipe returns the two ends of a cable: what is written to one is read from the other, in order, whole. Both start up.
//
// Its channels are made here, so a test in a testing/synctest bubble makes its Pipe there and then waits in fake time.
func Pipe(cfg Config) (a, b *PipeDevice) {
	if cfg.MTU == 0 {
		cfg.MTU = 1500
	}
	cfg.Queues = max(cfg.Queues, 1)
	if cfg.Depth == 0 {
		cfg.Depth = 256
	}
	a, b = newEnd(cfg), newEnd(cfg)
	a.peer, b.peer = b, a
	return a, b
}

// PipeDevice is one end of a Pipe. It keeps the contract of tun.Device; beyond that a test may cut and change it.
type PipeDevice struct {
	cfg   Config
	peer  *PipeDevice
	state *latest.Value[tun.State]
	in    []*ring // what the peer has written

	lost atomic.Uint64
	idle []func() // by queue, nil: nobody wants to know
}

func newEnd(cfg Config) *PipeDevice {
	d := &PipeDevice{cfg: cfg, state: latest.New(tun.State{Up: true, MTU: cfg.MTU}), idle: make([]func(), cfg.Queues)}
	for range cfg.Queues {
		d.in = append(d.in, newRing(cfg.Depth))
	}
	return d
}

func (d *PipeDevice) Queues() int      { return d.cfg.Queues }
func (d *PipeDevice) HeaderLen() int   { return d.cfg.HeaderLen }
func (d *PipeDevice) Offloads() uint32 { return d.cfg.Offloads }
func (d *PipeDevice) TAP() bool        { return d.cfg.TAP }
func (d *PipeDevice) MTU() int         { return d.now().MTU }

// State is that of tun.Device.
func (d *PipeDevice) State() (tun.State, <-chan struct{}) { return d.state.Get() }

func (d *PipeDevice) now() tun.State {
	s, _ := d.state.Get()
	return s
}

// SetUp takes this end up or down. Down, its WritePacket says EIO, and what the peer writes is lost, as in a kernel.
func (d *PipeDevice) SetUp(up bool) error {
	d.state.Update(func(s *tun.State) {
		if s.Err != nil {
			return
		}
		if s.Up && !up {
			s.Downs++
		}
		s.Up = up
	})
	for _, r := range d.in {
		r.signalRoom()
	}
	return nil
}

// SetMTU changes what MTU and State say; the Pipe itself carries any length.
func (d *PipeDevice) SetMTU(mtu int) {
	d.state.Update(func(s *tun.State) { s.MTU = mtu })
}

// Vanish is the deletion of the device: all its calls say EBADFD. What the peer writes is lost.
func (d *PipeDevice) Vanish() error {
	d.end(tun.ErrGone)
	return nil
}

// Lost counts packets that the peer wrote while this end was down or gone.
func (d *PipeDevice) Lost() uint64 { return d.lost.Load() }

// Close ends this end. Readers, writers and waiters get tun.ErrClosed.
func (d *PipeDevice) Close() error {
	d.end(tun.ErrClosed)
	return nil
}

func (d *PipeDevice) end(cause error) {
	d.state.Update(func(s *tun.State) {
		if s.Err != tun.ErrClosed {
			s.Err, s.Up = cause, false
		}
	})
	for _, r := range d.in {
		r.clear()
	}
}

// err is what the data path says at the end of the device.
func (d *PipeDevice) err(s tun.State) error {
	if s.Err == tun.ErrGone {
		return ebadfd
	}
	return s.Err
}

// OnIdle has idle called before a reader of queue q waits; see tun.Device.
func (d *PipeDevice) OnIdle(q int, idle func()) { d.idle[q] = idle }

// ReadPacket waits for a packet; see tun.Device.
func (d *PipeDevice) ReadPacket(q int, bufs [][]byte) (int, error) {
	r := d.in[q]
	if !r.reading.CompareAndSwap(false, true) {
		return 0, syscall.EBUSY
	}
	defer r.reading.Store(false)
	if !fits(bufs) {
		return 0, syscall.EINVAL
	}
	for {
		s, changed := d.state.Get()
		if s.Err != nil {
			return 0, d.err(s)
		}
		if n, ok := r.pop(bufs); ok {
			return n, nil
		}
		if idle := d.idle[q]; idle != nil {
			idle()
		}
		select {
		case <-r.filled:
		case <-changed:
		}
	}
}

// WritePacket never waits; see tun.Device.
func (d *PipeDevice) WritePacket(q int, bufs [][]byte) (int, error) {
	if !fits(bufs) {
		return 0, syscall.EINVAL
	}
	switch s := d.now(); {
	case s.Err != nil:
		return 0, d.err(s)
	case !s.Up:
		return 0, syscall.EIO
	}
	n := size(bufs)
	if n <= d.cfg.HeaderLen {
		return 0, syscall.EINVAL
	}
	if !d.peer.now().Up {
		d.peer.lost.Add(1)
		return n, nil
	}
	if !d.peer.in[q].push(bufs) {
		return 0, syscall.EAGAIN
	}
	return n, nil
}

// WaitWritable parks until a WritePacket can succeed; see tun.Device.
func (d *PipeDevice) WaitWritable(q int, deadline time.Time) error {
	var timeout <-chan time.Time
	if !deadline.IsZero() {
		t := time.NewTimer(time.Until(deadline))
		defer t.Stop()
		timeout = t.C
	}
	for {
		s, changed := d.state.Get()
		full, room := d.peer.in[q].full()
		switch {
		case s.Err != nil:
			return d.err(s)
		case s.Up && (!full || !d.peer.now().Up):
			return nil
		}
		select {
		case <-room:
		case <-changed:
		case <-timeout:
			return os.ErrDeadlineExceeded
		}
	}
}

// fits is what readv takes: something, but not more than 32 buffers.
func fits(bufs [][]byte) bool {
	used := 0
	for _, b := range bufs {
		if len(b) > 0 {
			used++
		}
	}
	return used > 0 && used <= 32
}

func size(bufs [][]byte) (n int) {
	for _, b := range bufs {
		n += len(b)
	}
	return n
}

// ring is a bounded queue of packets. Slots are used again, so that a warm Pipe does not allocate.
type ring struct {
	reading atomic.Bool
	filled  chan struct{} // of 1: there may be a packet

	mu    sync.Mutex
	slots [][]byte
	head  int // of the oldest
	count int
	room  chan struct{} // closed and replaced when room was made, if somebody asked
	asked bool
}

func newRing(depth int) *ring {
	return &ring{filled: make(chan struct{}, 1), slots: make([][]byte, depth), room: make(chan struct{})}
}

func (r *ring) push(bufs [][]byte) bool {
	r.mu.Lock()
	if r.count == len(r.slots) {
		r.mu.Unlock()
		return false
	}
	slot := &r.slots[(r.head+r.count)%len(r.slots)]
	*slot = (*slot)[:0]
	for _, b := range bufs {
		*slot = append(*slot, b...)
	}
	r.count++
	r.mu.Unlock()
	select {
	case r.filled <- struct{}{}:
	default:
	}
	return true
}

func (r *ring) pop(bufs [][]byte) (n int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count == 0 {
		return 0, false
	}
	rest := r.slots[r.head]
	for _, b := range bufs {
		c := copy(b, rest)
		n, rest = n+c, rest[c:]
	}
	r.head = (r.head + 1) % len(r.slots)
	r.count--
	r.signalLocked()
	return n, true
}

func (r *ring) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count = 0
	r.signalLocked()
}

func (r *ring) full() (bool, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = true
	return r.count == len(r.slots), r.room
}

// signalRoom lets those who wait for room look again.
func (r *ring) signalRoom() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.signalLocked()
}

func (r *ring) signalLocked() {
	if r.asked {
		close(r.room)
		r.room, r.asked = make(chan struct{}), false
	}
}
