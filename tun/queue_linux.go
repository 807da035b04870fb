package tun

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// queue is one descriptor of a device. Reads and writes are raw system calls on it, as perf.md found best: one RawSyscall
// per (super-)segment, and the only wait is Go's netpoller, so a parked reader costs no thread.
type queue struct {
	file  *os.File
	rc    syscall.RawConn
	plain io.ReadWriteCloser // the driver's own face: file, or water's Interface around it

	// Of the one reader. readv is made once: a closure per call would be an allocation per packet.
	reading atomic.Bool
	readIov [maxBufs]unix.Iovec
	readCnt int
	readN   int
	readErr syscall.Errno
	readv   func(fd uintptr) bool
	idle    func() // called before a reader parks; may be nil

	writers sync.Pool // of *writer

	// waiting is held by the one goroutine that is parked for writing: RawConn.Write excludes others without a deadline.
	waiting chan struct{}
	pollErr syscall.Errno
	poll    func(fd uintptr) bool
}

// newQueue takes fd over. The descriptor must be attached: the netpoller refuses one that polls as an error.
func newQueue(file *os.File, plain io.ReadWriteCloser) (*queue, error) {
	rc, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	// os.NewFile falls back to blocking reads where epoll refuses a file. Then nothing would ever wake a reader.
	if err := file.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	q := &queue{file: file, rc: rc, plain: plain, waiting: make(chan struct{}, 1)}
	q.readv = q.doReadv
	q.poll = q.doPoll
	q.writers.New = func() any { return newWriter() }
	return q, nil
}

// setIov fills iov from bufs and returns how many entries it used, -1 if bufs do not fit.
func setIov(iov *[maxBufs]unix.Iovec, bufs [][]byte) int {
	n := 0
	for _, b := range bufs {
		if len(b) == 0 {
			continue
		}
		if n == maxBufs {
			return -1
		}
		iov[n].Base = &b[0]
		iov[n].SetLen(len(b))
		n++
	}
	return n
}

// read returns the errno of the packet, or an error of the poller.
func (q *queue) read(bufs [][]byte) (int, syscall.Errno, error) {
	if !q.reading.CompareAndSwap(false, true) {
		return 0, syscall.EBUSY, nil
	}
	defer q.reading.Store(false)
	if q.readCnt = setIov(&q.readIov, bufs); q.readCnt <= 0 {
		return 0, syscall.EINVAL, nil
	}
	err := q.rc.Read(q.readv)
	clear(q.readIov[:q.readCnt]) // do not keep the caller's memory alive
	return q.readN, q.readErr, err
}

func (q *queue) doReadv(fd uintptr) bool {
	q.readN, q.readErr = rawIO(unix.SYS_READV, fd, &q.readIov, q.readCnt)
	if q.readErr != syscall.EAGAIN {
		return true
	}
	if q.idle != nil {
		q.idle() // a packet that comes meanwhile is not missed: rc.Read has armed the poller before
	}
	return false
}

// rawIO is one readv or writev. RawSyscall: the descriptor never blocks, and handing the P over and back costs more than
// the copy of a small packet.
func rawIO(trap, fd uintptr, iov *[maxBufs]unix.Iovec, cnt int) (int, syscall.Errno) {
	for {
		n, _, e := syscall.RawSyscall(trap, fd, uintptr(unsafe.Pointer(iov)), uintptr(cnt))
		switch e {
		case 0:
			return int(n), 0
		case syscall.EINTR:
		default:
			return 0, e
		}
	}
}

// writer is what one write needs, pooled so that concurrent writers do not allocate.
type writer struct {
	iov    [maxBufs]unix.Iovec
	cnt    int
	n      int
	err    syscall.Errno
	writev func(fd uintptr)
}

func newWriter() *writer {
	w := new(writer)
	w.writev = func(fd uintptr) { w.n, w.err = rawIO(unix.SYS_WRITEV, fd, &w.iov, w.cnt) }
	return w
}

// write is one writev under the descriptor's reference count alone, so writers exclude neither each other nor a goroutine
// that waits for room.
func (q *queue) write(bufs [][]byte) (int, syscall.Errno, error) {
	w := q.writers.Get().(*writer)
	defer q.writers.Put(w)
	if w.cnt = setIov(&w.iov, bufs); w.cnt <= 0 {
		return 0, syscall.EINVAL, nil
	}
	err := q.rc.Control(w.writev)
	clear(w.iov[:w.cnt])
	return w.n, w.err, err
}

// pollSlice bounds each park of waitWritable. Since Linux 5.2 ("tun: wake up waitqueues after IFF_UP is set") a TUN that
// comes up wakes who polled it while it was down, within microseconds; before, nobody is told.
const pollSlice = 200 * time.Millisecond

// waitWritable parks until poll says POLLOUT. A TUN does so while it is up and its send buffer has room: down is "not
// writable", and going up is an edge, but only for who has polled meanwhile (SOCKWQ_ASYNC_NOSPACE is set by poll alone),
// hence the poll before each park rather than trust in the edges of epoll.
func (q *queue) waitWritable(deadline time.Time) error {
	if ok, err := q.writable(); ok || err != nil {
		return err
	}
	if err := q.acquireWait(deadline); err != nil {
		return err
	}
	defer func() { <-q.waiting }()
	for {
		until := time.Now().Add(pollSlice)
		last := !deadline.IsZero() && !deadline.After(until)
		if last {
			until = deadline
		}
		if err := q.file.SetWriteDeadline(until); err != nil {
			return ErrClosed
		}
		err := q.rc.Write(q.poll)
		switch {
		case err == nil && q.pollErr != 0:
			return q.pollErr
		case err == nil:
			return nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return ErrClosed
		case last:
			return os.ErrDeadlineExceeded
		}
	}
}

// acquireWait needs no wake at Close: the holder is woken by it and lets the next one in, who finds the file closed.
func (q *queue) acquireWait(deadline time.Time) error {
	select {
	case q.waiting <- struct{}{}:
		return nil
	default:
	}
	var timeout <-chan time.Time
	if !deadline.IsZero() {
		t := time.NewTimer(time.Until(deadline))
		defer t.Stop()
		timeout = t.C
	}
	select {
	case q.waiting <- struct{}{}:
		return nil
	case <-timeout:
		return os.ErrDeadlineExceeded
	}
}

// writable asks poll without waiting, so that also a deadline in the past gets the truth.
func (q *queue) writable() (ok bool, err error) {
	var errno syscall.Errno
	if q.rc.Control(func(fd uintptr) { ok, errno = pollOut(fd) }) != nil {
		return false, ErrClosed
	}
	if errno != 0 {
		return false, errno
	}
	return ok, nil
}

func (q *queue) doPoll(fd uintptr) (done bool) {
	done, q.pollErr = pollOut(fd)
	return done || q.pollErr != 0
}

// pollOut reports whether fd can be written to; EBADFD if its device was deleted.
func pollOut(fd uintptr) (bool, syscall.Errno) {
	revents, errno := pollNow(fd, unix.POLLOUT)
	switch {
	case errno != 0:
		return false, errno
	case revents&(unix.POLLERR|unix.POLLNVAL) != 0:
		return false, syscall.EBADFD
	}
	return revents&unix.POLLOUT != 0, 0
}

// pollNow asks poll without waiting.
func pollNow(fd uintptr, events int16) (int16, syscall.Errno) {
	p := []unix.PollFd{{Fd: int32(fd), Events: events}}
	for {
		_, err := unix.Poll(p, 0)
		switch err {
		case nil:
			return p[0].Revents, 0
		case syscall.EINTR:
		default:
			return 0, err.(syscall.Errno)
		}
	}
}
