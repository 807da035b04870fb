package host

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// After EWOULDBLOCK room is told of, also if it comes between the system call and
// our noting that there was none.
func TestFullSendIsWoken(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	p, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		c.(*net.TCPConn).SetReadBuffer(16 << 10)
		io.Copy(io.Discard, c)
	}()
	defer func() { l.Close(); <-drained }()
	ep, e := (&Host{poller: p}).openStream(wsa.AF_INET, wsa.IPPROTO_TCP)
	if e != 0 {
		t.Fatal(e)
	}
	s := ep.(*stream)
	defer s.Close(true)
	unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 8<<10)
	bell := make(chan struct{}, 1)
	s.Watch(func(hint wsa.Events) {
		if hint&wsa.FD_WRITE != 0 {
			select {
			case bell <- struct{}{}:
			default:
			}
		}
	})
	s.Connect(provider.AddrFrom(l.Addr().(*net.TCPAddr).AddrPort()))
	for s.phase() != base.Connected {
		runtime.Gosched()
	}
	m := &provider.Msg{Buffers: [][]byte{make([]byte, 16<<10)}}
	for blocked := 0; blocked < 2000; {
		switch _, e := s.Send(m); e {
		case 0:
			continue
		case wsa.EWOULDBLOCK:
			blocked++
		default:
			t.Fatal(e)
		}
		select {
		case <-bell:
		case <-time.After(5 * time.Second):
			t.Fatalf("no FD_WRITE for 5 s after EWOULDBLOCK number %d; State.Writable is %v", blocked, s.State().Writable)
		}
	}
}
