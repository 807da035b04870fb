package host

import (
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// maxBatch is what sendmmsg and recvmmsg are given at once, maxTrain what the
// kernel takes as one message: UDP_MAX_SEGMENTS, 64 before Linux 6.9.
const (
	maxBatch = 64
	maxTrain = 64
)

// trains are runs of datagrams of one size to one destination, of which the last
// may be shorter. The kernel takes a train as one message (UDP_SEGMENT, udp(7))
// and splits it as late as it can: what arrives is the same, but 64 datagrams
// pass once through its stack (BenchmarkTrains).
//
// It refuses them where a datagram would have to be fragmented, and where a tunnel
// or a device is in the way. Then they go alone from that size on, for good.
type trains struct{ alone atomic.Int32 }

func (t *trains) may(size int) bool {
	alone := int(t.alone.Load())
	return size > 0 && (alone == 0 || size < alone)
}

// refuse notes that a train of datagrams of this size was.
func (t *trains) refuse(size int, errno syscall.Errno) {
	if errno != unix.EINVAL && errno != unix.EMSGSIZE { // neither is about the size
		size = 1
	}
	t.alone.Store(int32(size))
}

// refused reports an errno that may mean "no trains".
func refused(errno syscall.Errno) bool {
	switch errno {
	case unix.EINVAL, unix.EMSGSIZE, unix.EIO, unix.ENOPROTOOPT, unix.EOPNOTSUPP:
		return true
	}
	return false
}

// length is how many of ds make one train, 1 if the first goes alone.
func (t *trains) length(ds []provider.Datagram) int {
	size, total := len(ds[0].Data), len(ds[0].Data)
	if !t.may(size) {
		return 1
	}
	n := 1
	for n < min(len(ds), maxTrain) && len(ds[n-1].Data) == size {
		next := len(ds[n].Data)
		if total += next; next == 0 || next > size || total > maxUDP4 || ds[n].Addr != ds[0].Addr || ds[n].TOS != ds[0].TOS {
			break
		}
		n++
	}
	return n
}

// mmsghdr is struct mmsghdr.
type mmsghdr struct {
	header unix.Msghdr
	length uint32
}

// batch is what one sendmmsg or recvmmsg needs, 9 KiB, from a pool like message.
type batch struct {
	headers  [maxBatch]mmsghdr
	names    [maxBatch]sockaddr
	vectors  [maxBatch]unix.Iovec
	controls [maxBatch][6]uint64 // two cmsghdrs with 4 bytes each, aligned
	first    [maxBatch + 1]int   // of each message: its first datagram
	used     int                 // messages
	full     int                 // vectors
}

var batches = sync.Pool{New: func() any { return new(batch) }}

func getBatch() *batch { return batches.Get().(*batch) }

// release gives b back, without a pointer to anybody's buffers.
func (b *batch) release() {
	clear(b.headers[:b.used])
	clear(b.vectors[:b.full])
	b.used, b.full = 0, 0
	batches.Put(b)
}

// compose makes messages of as many of ds as fit.
func (b *batch) compose(ds []provider.Datagram, d *datagram) {
	b.used, b.full = 0, 0
	ds = ds[:min(len(ds), maxBatch)]
	for i := 0; i < len(ds); {
		n := d.trains.length(ds[i:])
		h := b.message(i, n)
		for _, one := range ds[i : i+n] {
			b.vector(one.Data)
		}
		name := &b.names[b.used]
		if name.set(ds[i].Addr); name.length > 0 {
			h.Name, h.Namelen = (*byte)(unsafe.Pointer(&name.raw)), name.length
		}
		if n > 1 || ds[i].TOS != 0 {
			b.control(h, n, &ds[i], d)
		}
		b.used++
		i += n
	}
	b.first[b.used] = len(ds)
}

// message begins a message of n vectors for the datagram at first.
func (b *batch) message(first, n int) *unix.Msghdr {
	b.first[b.used] = first
	m := &b.headers[b.used]
	*m = mmsghdr{}
	m.header.Iov = &b.vectors[b.full]
	m.header.SetIovlen(n)
	return &m.header
}

func (b *batch) vector(data []byte) {
	b.vectors[b.full].Base = unsafe.SliceData(data)
	b.vectors[b.full].SetLen(len(data))
	b.full++
}

// control makes the message a train of n, if that is more than one, and gives it
// the first one's type of service.
func (b *batch) control(h *unix.Msghdr, n int, first *provider.Datagram, d *datagram) {
	room := b.room(b.used)
	w := controlWriter{rest: room}
	if n > 1 {
		*(*uint16)(unsafe.Pointer(unsafe.SliceData(w.message(unix.SOL_UDP, unix.UDP_SEGMENT, 2)))) = uint16(len(first.Data))
	}
	if first.TOS != 0 {
		w.tos(d.af == wsa.AF_INET6 && !d.mapped(first.Addr), first.TOS)
	}
	h.Control = unsafe.SliceData(room)
	h.SetControllen(len(room) - len(w.rest))
}

// room is for the ancillary data of message i.
func (b *batch) room(i int) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(&b.controls[i])), len(b.controls[i])*8)
}

// send is sendmmsg(2): how many messages left, or why the first did not.
func (b *batch) send(d *datagram) (int, syscall.Errno) {
	if hook := d.host.config.train; hook != nil && b.first[1] > 1 {
		if errno := hook(int(b.vectors[0].Len)); errno != 0 {
			return 0, errno
		}
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(d.fd), uintptr(unsafe.Pointer(&b.headers)), uintptr(b.used),
			unix.MSG_NOSIGNAL, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// receive is recvmmsg(2) into ds, of which at most maxBatch.
func (b *batch) receive(fd int, ds []provider.Datagram) (int, syscall.Errno) {
	b.used, b.full = 0, 0
	for i := range ds {
		h := b.message(i, 1)
		b.vector(ds[i].Data)
		name := &b.names[i]
		name.room()
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&name.raw)), name.length
		room := b.room(i)
		h.Control = unsafe.SliceData(room)
		h.SetControllen(len(room))
		b.used++
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers)), uintptr(b.used), 0, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return 0, errno
		}
		for i := range ds[:n] {
			b.received(i, &ds[i])
		}
		return int(n), 0
	}
}

// received says what came with message i.
func (b *batch) received(i int, d *provider.Datagram) {
	m, name := &b.headers[i], &b.names[i]
	name.length = m.header.Namelen
	d.Addr, d.N = name.get(), int(m.length)
	d.Truncated = m.header.Flags&unix.MSG_TRUNC != 0
	d.TOS = 0
	for rest := b.room(i)[:m.header.Controllen]; len(rest) > 0; {
		c, ok := nextControl(&rest)
		if !ok {
			break
		}
		if c.level == unix.IPPROTO_IP && c.kind == unix.IP_TOS || c.level == unix.IPPROTO_IPV6 && c.kind == unix.IPV6_TCLASS {
			d.TOS = uint8(intOf(c.data))
		}
	}
}
