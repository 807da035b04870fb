package tun

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/netnsd/netnsd/tun/internal/latest"
)

// Device is an open TUN or TAP. Make it with Open or Adopt and Close it.
type Device struct {
	name     string
	tap      bool
	hdrLen   int
	offloads uint32
	queues   []*queue

	state *latest.Value[State]
	mtu   atomic.Int64 // State.MTU, without its lock

	link  *Link // nil where netlink in the namespace of the device is out of reach
	index int   // of Config.Follow

	// The goroutines that follow device and namespace live by ctx and are awaited by wg.
	ctx       context.Context
	stop      context.CancelFunc
	wg        sync.WaitGroup
	closeOnce sync.Once
	closed    atomic.Bool

	// Without netlink (fdOnly) the data path is what sees the link go down: fdDown keeps that to once, sawDown wakes awaitUp.
	fdOnly  atomic.Bool
	fdDown  atomic.Bool
	sawDown chan struct{} // of 1
}

// Name of the interface when it was opened or adopted.
func (d *Device) Name() string { return d.name }

// Queues is the number of queues.
func (d *Device) Queues() int { return len(d.queues) }

// MTU of the link in bytes, the Ethernet header of a TAP not counted. It follows changes made by others.
func (d *Device) MTU() int { return int(d.mtu.Load()) }

// HeaderLen is the number of bytes of struct virtio_net_hdr before each packet, in both directions: 0 or 10. Its fields
// are little-endian.
func (d *Device) HeaderLen() int { return d.hdrLen }

// Offloads are the Offload bits that the kernel has granted; 0 without a header.
func (d *Device) Offloads() uint32 { return d.offloads }

// TAP reports whether packets are Ethernet frames.
func (d *Device) TAP() bool { return d.tap }

// State returns what is known of the device and a channel that is closed when that has changed.
func (d *Device) State() (State, <-chan struct{}) { return d.state.Get() }

// Link configures the interface by netlink in its own namespace. The error wraps ErrNoNetlink for an adopted device whose
// namespace this process may not enter. The Link lives as long as the Device.
func (d *Device) Link() (*Link, error) {
	if d.link == nil {
		return nil, noLink(d.name)
	}
	return d.link, nil
}

// SyscallConn gives access to the descriptor of queue q, to pass it to another process. Reading and writing are not to be
// done through it.
func (d *Device) SyscallConn(q int) syscall.RawConn { return d.queues[q].rc }

// ReadWriter is the plain face of queue q that users of songgao/water know: one packet per call, in one buffer, both
// directions blocking, errors as os.File gives them. With DriverWater it is the *water.Interface itself. It is what the
// baseline of bench is built on; use it instead of ReadPacket, not beside it.
func (d *Device) ReadWriter(q int) io.ReadWriter { return d.queues[q].plain }

// ReadPacket waits for a packet on queue q, its header first, and scatters it over bufs, at most 32. It returns the number of
// bytes; what does not fit is cut off silently, so offer HeaderLen + 14 (TAP) + 65535 with offloads, + MTU without.
//
// One goroutine at a time per queue, another gets EBUSY. Errors: EBADFD when the device was deleted, ErrClosed after
// Close, EINVAL for no or too many buffers. A link that is down is no error: nothing arrives.
func (d *Device) ReadPacket(q int, bufs [][]byte) (int, error) {
	n, errno, err := d.queues[q].read(bufs)
	switch {
	case err != nil:
		return 0, d.pollerError()
	case errno == 0:
		return n, nil
	}
	return 0, d.note(errno)
}

// OnIdle has idle called on the goroutine that reads queue q whenever nothing is there, before it waits. It is set before the
// first ReadPacket of that queue.
func (d *Device) OnIdle(q int, idle func()) { d.queues[q].idle = idle }

// pollerError says why the netpoller refused: it was closed, or epoll reports EPOLLERR and nothing else, which a TUN does
// from the moment its device is being unregistered.
func (d *Device) pollerError() error {
	if d.closed.Load() {
		return ErrClosed
	}
	return d.note(syscall.EBADFD)
}

// WritePacket writes one packet, header first, gathered from bufs, at most 32, with one system call. It never waits, and any
// number of goroutines may call it.
//
// Errors are bare syscall.Errno, so they cost nothing: EIO the link is down (WaitWritable tells when it is up), EAGAIN the
// send buffer is full (same), EBADFD the device was deleted, EINVAL the kernel does not take this packet (header or version
// nibble wrong), ENOMEM and ENOBUFS it has no memory. ErrClosed after Close. Nothing is written partly.
func (d *Device) WritePacket(q int, bufs [][]byte) (int, error) {
	n, errno, err := d.queues[q].write(bufs)
	switch {
	case err != nil:
		return 0, ErrClosed
	case errno == 0:
		return n, nil
	}
	return 0, d.note(errno)
}

// WaitWritable parks until a WritePacket on queue q can succeed: the link is up and there is room. The zero deadline is none.
// Errors: os.ErrDeadlineExceeded, EBADFD when the device was deleted, ErrClosed.
func (d *Device) WaitWritable(q int, deadline time.Time) error {
	err := d.queues[q].waitWritable(deadline)
	if errors.Is(err, syscall.EBADFD) {
		d.note(syscall.EBADFD)
	}
	return err
}

// note draws conclusions about the device from an errno of the data path, and returns the errno. Errno below 256 become an
// error without allocation.
func (d *Device) note(errno syscall.Errno) error {
	switch errno {
	case syscall.EBADFD:
		d.update(func(s *State) {
			if s.Err == nil {
				s.Err, s.Up = ErrGone, false
			}
		})
	case syscall.EIO:
		if d.fdOnly.Load() && d.fdDown.CompareAndSwap(false, true) {
			select {
			case d.sawDown <- struct{}{}:
			default:
			}
		}
	}
	return errno
}

// update edits the state and keeps what follows from it.
func (d *Device) update(f func(*State)) {
	d.state.Update(func(s *State) {
		old := *s
		f(s)
		if old.Up && !s.Up && s.Err == nil {
			s.Downs++
		}
		d.mtu.Store(int64(s.MTU))
	})
}

// Close wakes readers and waiters, ends the goroutines of the device and waits for all of them. A device that is not
// persistent is deleted by it, which takes the kernel 15 to 50 ms. Later calls wait for the first and return nil.
func (d *Device) Close() (err error) {
	d.closeOnce.Do(func() { err = d.close() })
	return err
}

func (d *Device) close() error {
	d.closed.Store(true)
	d.stop()
	var errs []error
	for _, q := range d.queues {
		errs = append(errs, q.plain.Close()) // waits for who is inside a call on it
	}
	d.wg.Wait()
	if d.link != nil {
		errs = append(errs, d.link.Close())
	}
	d.update(func(s *State) { s.Err, s.Up = ErrClosed, false })
	return errors.Join(errs...)
}
