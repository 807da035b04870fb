package host

import (
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxVector is UIO_MAXIOV: what readv and sendmsg take at once.
const maxVector = 1024

// message is what one sendmsg or recvmsg needs, 16 KiB, from a pool: none per
// endpoint (50 000 idle ones would hold 800 MB) and none made per call.
type message struct {
	header  unix.Msghdr
	name    sockaddr
	vector  [maxVector]unix.Iovec
	used    int
	control [32]uint64 // aligned for cmsghdr
	ip      [60]byte   // an IPv4 header, options and all, that is taken off
	flat    []byte     // a whole ICMP message
}

var messages = sync.Pool{New: func() any { return new(message) }}

func getMessage() *message { return messages.Get().(*message) }

// release gives m back. Buffers must not be kept: neither by us (law 6), nor
// from the collector.
func (m *message) release() {
	clear(m.vector[:m.used])
	m.used = 0
	m.header = unix.Msghdr{}
	messages.Put(m)
}

// add appends b to the vector; false if it is full.
func (m *message) add(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if m.used == maxVector {
		return false
	}
	m.vector[m.used].Base = unsafe.SliceData(b)
	m.vector[m.used].SetLen(len(b))
	m.used++
	return true
}

// packet is room for the largest IP packet.
func (m *message) packet() []byte {
	if cap(m.flat) < maxIP {
		m.flat = make([]byte, maxIP)
	}
	return m.flat[:maxIP]
}

// addAll appends the buffers; false if there are more than fit.
func (m *message) addAll(buffers [][]byte) bool {
	for _, b := range buffers {
		if !m.add(b) {
			return false
		}
	}
	return true
}

// prepare fills the header for a call. Name and control are used if named says
// so and control is not 0 bytes long.
func (m *message) prepare(named bool, control int) {
	m.header = unix.Msghdr{}
	if m.used > 0 {
		m.header.Iov = &m.vector[0]
		m.header.SetIovlen(m.used)
	}
	if named && m.name.length > 0 {
		m.header.Name = (*byte)(unsafe.Pointer(&m.name.raw))
		m.header.Namelen = m.name.length
	}
	if control > 0 {
		m.header.Control = (*byte)(unsafe.Pointer(&m.control[0]))
		m.header.SetControllen(control)
	}
}

// controlBytes is the room for ancillary data.
func (m *message) controlBytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(&m.control[0])), len(m.control)*8)
}

// send is sendmsg(2) on what prepare left. MSG_NOSIGNAL: a reset is an errno,
// not SIGPIPE.
func (m *message) send(fd, flags int) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&m.header)), uintptr(flags|unix.MSG_NOSIGNAL))
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// receive is recvmsg(2) on what prepare left; name.length becomes what came.
func (m *message) receive(fd, flags int) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&m.header)), uintptr(flags))
		if errno == unix.EINTR {
			continue
		}
		m.name.length = m.header.Namelen
		return int(n), errno
	}
}

// The common case of a stream is one buffer: no message, no vector.

func sendBytes(fd int, b []byte, flags int) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			uintptr(flags|unix.MSG_NOSIGNAL), 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

func receiveBytes(fd int, b []byte, flags int) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			uintptr(flags), 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// bytesQueued is SIOCINQ, 0 if it fails.
func bytesQueued(fd int) int {
	var n int32
	if _, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCINQ, uintptr(unsafe.Pointer(&n))); errno != 0 {
		return 0
	}
	return int(n)
}

// countBytes is how much a receive of a stream would get at most: with MSG_TRUNC
// TCP copies nothing (tcp(7)).
func countBytes(fd int) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), 0, 1<<30, unix.MSG_PEEK|unix.MSG_TRUNC, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// setAddress is bind(2) or connect(2), getAddress getsockname(2) or getpeername(2).
func setAddress(trap uintptr, fd int, s *sockaddr) syscall.Errno {
	_, _, errno := unix.Syscall(trap, uintptr(fd), uintptr(unsafe.Pointer(&s.raw)), uintptr(s.length))
	return errno
}

func getAddress(trap uintptr, fd int, s *sockaddr) syscall.Errno {
	s.room()
	_, _, errno := unix.Syscall(trap, uintptr(fd), uintptr(unsafe.Pointer(&s.raw)), uintptr(unsafe.Pointer(&s.length)))
	return errno
}

// acceptAddress is accept4(2): a new descriptor and who is at its other end.
func acceptAddress(fd int, s *sockaddr) (int, syscall.Errno) {
	for {
		s.room()
		n, _, errno := unix.Syscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&s.raw)), uintptr(unsafe.Pointer(&s.length)),
			unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// errnoOf is the number in an error of package unix.
func errnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	if e, ok := err.(syscall.Errno); ok {
		return e
	}
	return syscall.EINVAL
}

// bytes is the length of the vector.
func (m *message) bytes() int {
	n := 0
	for i := range m.vector[:m.used] {
		n += int(m.vector[i].Len)
	}
	return n
}
