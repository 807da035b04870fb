package host

import (
	"bytes"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// resetStream is a connection that its peer has reset, and that the poller does
// not know, so that the test decides who takes SO_ERROR.
func resetStream(t *testing.T) *stream {
	t.Helper()
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(l)
	if err := unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(l, 1); err != nil {
		t.Fatal(err)
	}
	to, err := unix.Getsockname(l)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(fd, to); err != nil {
		t.Fatal(err)
	}
	peer, _, err := unix.Accept(l)
	if err != nil {
		t.Fatal(err)
	}
	unix.SetsockoptLinger(peer, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(peer)
	fds := []unix.PollFd{{Fd: int32(fd)}}
	if n, err := unix.Poll(fds, 10_000); n != 1 || err != nil || fds[0].Revents&unix.POLLERR == 0 {
		t.Fatalf("no reset: %d, %v, %#x", n, err, fds[0].Revents)
	}
	unix.SetNonblock(fd, true)
	s := new(Host).newStream(fd, wsa.AF_INET)
	s.life.Store(uint32(base.Connected))
	t.Cleanup(func() { s.Close(true) })
	return s
}

func (s *stream) stealError(t *testing.T) {
	t.Helper()
	v, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil || v != int(unix.ECONNRESET) {
		t.Fatalf("SO_ERROR: %d, %v", v, err)
	}
}

// TestStolenError: a Send has taken the error from the kernel and not latched it
// yet. The kernel then shows Recv an end of stream, which this is not.
func TestStolenError(t *testing.T) {
	s := resetStream(t)
	s.stealError(t)
	n, e := s.Recv(&provider.Msg{Buffers: [][]byte{make([]byte, 1)}})
	if n != 0 || e != wsa.ECONNRESET {
		t.Fatalf("Recv: %d, %s", n, e.Name())
	}
	if st := s.State(); st.Phase != base.Dead || st.Err != wsa.ECONNRESET {
		t.Fatalf("state %+v", st)
	}
}

// TestErrorBeingLatched: the poller has it in hand, and Recv waits for it.
func TestErrorBeingLatched(t *testing.T) {
	s := resetStream(t)
	s.reading.Lock()
	s.stealError(t)
	got := make(chan wsa.Errno, 1)
	go func() {
		_, e := s.Recv(&provider.Msg{Buffers: [][]byte{make([]byte, 1)}})
		got <- e
	}()
	stacks := make([]byte, 1<<20)
	for waits := false; !waits; {
		select {
		case e := <-got:
			t.Fatalf("Recv did not wait: %s", e.Name())
		default:
			stacks = stacks[:runtime.Stack(stacks[:cap(stacks)], true)]
			waits = bytes.Contains(stacks, []byte("sync.Mutex.Lock")) && bytes.Contains(stacks, []byte("takeError"))
		}
	}
	s.die(wsa.ETIMEDOUT) // told from what Recv would make up
	s.reading.Unlock()
	if e := <-got; e != wsa.ETIMEDOUT {
		t.Fatalf("Recv: %s", e.Name())
	}
}

type sourceFunc func(uint32)

func (f sourceFunc) deliver(events uint32) { f(events) }
func (f sourceFunc) down()                 {}

// TestStaleEvent: an event that was fetched before its endpoint closed does not
// reach who has the slot now.
func TestStaleEvent(t *testing.T) {
	p, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	none := sourceFunc(func(uint32) {})
	first, err := p.add(pipe[0], 0, none)
	if err != nil {
		t.Fatal(err)
	}
	p.remove(pipe[0], first)
	p.remove(pipe[0], first) // again: nothing
	second, err := p.add(pipe[0], 0, none)
	if err != nil {
		t.Fatal(err)
	}
	if first.slot != second.slot {
		t.Fatalf("slots %d and %d: nothing to test", first.slot, second.slot)
	}
	ready := make([]source, 2)
	p.find([]unix.EpollEvent{first.event(1), second.event(1)}, ready)
	if ready[0] != nil || ready[1] == nil {
		t.Fatalf("found %v", ready)
	}
	p.remove(pipe[0], second)
	if _, err := p.add(-1, 0, none); err == nil {
		t.Fatal("added nothing")
	}
}
