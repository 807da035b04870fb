package host_test

import (
	"encoding/binary"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/wsa"
)

func (e *end) urgent(flags wsa.MsgFlags) (string, wsa.Errno) {
	buf := make([]byte, 1)
	n, errno := e.Recv(&provider.Msg{Buffers: [][]byte{nil, buf}, Flags: wsa.MSG_OOB | flags})
	return string(buf[:n]), errno
}

func (e *end) sendUrgent(text string) {
	e.t.Helper()
	if n, errno := e.Send(&provider.Msg{Buffers: [][]byte{[]byte(text)}, Flags: wsa.MSG_OOB}); n != len(text) || errno != 0 {
		e.t.Fatalf("Send of urgent data: %d, %s", n, errno.Name())
	}
}

func waits(s base.State) bool { return s.Urgent }

// TestUrgentAnyTime: MSG_OOB finds the byte however far the rest was received, a
// receive never spans the mark, and of two urgent bytes the later one counts (6.5).
func TestUrgentAnyTime(t *testing.T) {
	bothFamilies(t, func(t *testing.T, af int32) {
		h := newHost(t, host.Config{})
		a, b := pair(t, h, af)
		a.send([]byte("ab"))
		a.sendUrgent("c!")
		a.send([]byte("de"))
		b.until("urgent", waits)
		buf := make([]byte, 10)
		n, _, _ := b.recv(buf)
		equal(t, "before the mark", string(buf[:n]), "abc")
		b.readable()
		b.want("de") // the kernel has forgotten the byte by now
		if s := b.State(); !s.Urgent || s.Readable {
			t.Errorf("%+v", s)
		}
		text, errno := b.urgent(wsa.MSG_PEEK)
		equal(t, "peek "+errno.Name(), text, "!")
		text, errno = b.urgent(0)
		equal(t, "urgent "+errno.Name(), text, "!")
		equal(t, "waits", b.State().Urgent, false)
		_, errno = b.urgent(0)
		equal(t, "MSG_OOB twice", errno, wsa.EWOULDBLOCK)

		a.sendUrgent("1")
		b.until("urgent", waits)
		a.sendUrgent("2")
		for text != "2" {
			b.until("urgent", waits)
			text, _ = b.urgent(0)
		}
	})
}

// TestUrgentUnannounced: a receive that epoll has announced nothing to does not lose
// the byte: here the Host's goroutine is held up.
func TestUrgentUnannounced(t *testing.T) {
	h := newHost(t, host.Config{})
	a, b := pair(t, h, wsa.AF_INET)
	held, release := make(chan struct{}), make(chan struct{})
	ep, errno := h.Open(wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP)
	must(t, "Open", errno)
	defer ep.Close(true)
	var once sync.Once
	ep.Watch(func(wsa.Events) { once.Do(func() { close(held); <-release }) })
	must(t, "Bind", ep.Bind(loopback(wsa.AF_INET, 0)))
	name := local(t, ep)
	u := openUDP(t, h, wsa.AF_INET)
	_, errno = u.Send(&provider.Msg{Buffers: [][]byte{{1}}, Addr: name})
	must(t, "Send", errno)
	<-held
	defer close(release)

	a.send([]byte("a"))
	a.sendUrgent("!")
	a.send([]byte("b"))
	fd, _ := b.Endpoint.(base.Handler).SysHandle()
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}
	for fds[0].Revents&unix.POLLPRI == 0 { // the kernel is asked, not the Host
		if _, err := unix.Poll(fds, 1000); err != nil && err != unix.EINTR {
			t.Fatal(err)
		}
	}
	buf, got := make([]byte, 10), ""
	for got != "ab" {
		n, errno := b.Recv(&provider.Msg{Buffers: [][]byte{buf}})
		if errno != 0 && errno != wsa.EWOULDBLOCK {
			t.Fatalf("Recv: %s", errno.Name())
		}
		got += string(buf[:n])
	}
	text, errno := b.urgent(0)
	equal(t, "urgent "+errno.Name(), text, "!")
}

// TestUrgentInline: in line it takes three reads to pass it (6.5), and what was kept
// out of line before is data.
func TestUrgentInline(t *testing.T) {
	h := newHost(t, host.Config{})
	a, b := pair(t, h, wsa.AF_INET)
	a.send([]byte("ab"))
	a.sendUrgent("!")
	a.send([]byte("cd"))
	b.until("urgent", waits)
	must(t, "SO_OOBINLINE", b.SetOption(wsa.SOL_SOCKET, wsa.SO_OOBINLINE, 1))
	equal(t, "waits", b.State().Urgent, false)
	_, errno := b.urgent(0)
	equal(t, "MSG_OOB", errno, wsa.EINVAL)
	got := ""
	buf := make([]byte, 10)
	for reads := 1; got != "ab!cd"; reads++ {
		b.readable()
		n, _, _ := b.recv(buf)
		got += string(buf[:n])
		if reads == 1 && got != "ab" {
			t.Fatalf("the first read spans the mark: %q", got)
		}
	}
}

// TestBaseUrgent is 12.4 through the provider interface.
func TestBaseUrgent(t *testing.T) {
	c := newSockets(t, wsa.IPPROTO_TCP)
	if c.Info.ServiceFlags1&wsa.XP1_EXPEDITED_DATA == 0 {
		t.Fatal("XP1_EXPEDITED_DATA is not claimed")
	}
	a, b := c.connection()
	mark := func() uint32 {
		out := make([]byte, 4)
		_, errno := c.Table.WSPIoctl(b.Socket, &provider.IoctlRequest{Code: wsa.SIOCATMARK, Out: out})
		must(t, "SIOCATMARK", errno)
		return binary.LittleEndian.Uint32(out)
	}
	recv := func(flags wsa.MsgFlags) (string, wsa.Errno) {
		buf := make([]byte, 10)
		n, errno := c.Table.WSPRecv(b.Socket, &provider.Msg{Buffers: [][]byte{buf}, Flags: flags})
		return string(buf[:n]), errno
	}
	equal(t, "SIOCATMARK before", mark(), 1)
	send := func() {
		_, errno := c.Table.WSPSend(a.Socket, &provider.Msg{Buffers: [][]byte{[]byte("!")}, Flags: wsa.MSG_OOB})
		must(t, "WSPSend", errno)
	}

	send() // "1 byte MSG_OOB arrived, OOBINLINE off"
	b.until(wsa.FD_OOB)
	equal(t, "FD_READ", c.Table.Ready(b.Socket, wsa.FD_READ|wsa.FD_OOB).Events, wsa.FD_OOB)
	equal(t, "SIOCATMARK", mark(), 0)
	text, errno := recv(wsa.MSG_OOB)
	equal(t, "MSG_OOB "+errno.Name(), text, "!")
	equal(t, "SIOCATMARK after", mark(), 1)
	equal(t, "nothing left", c.Table.Ready(b.Socket, wsa.FD_READ|wsa.FD_OOB).Events, 0)
	_, errno = recv(0)
	equal(t, "normal receive", errno, wsa.EWOULDBLOCK)

	must(t, "SO_OOBINLINE", c.Table.WSPSetSockOpt(b.Socket, wsa.SOL_SOCKET, wsa.SO_OOBINLINE, []byte{1, 0, 0, 0}))
	send() // "OOBINLINE on, OOB byte arrived"
	equal(t, "FD_READ alone", b.until(wsa.FD_READ|wsa.FD_OOB).Events, wsa.FD_READ)
	_, errno = recv(wsa.MSG_OOB)
	equal(t, "MSG_OOB in line", errno, wsa.EINVAL)
	text, errno = recv(0)
	equal(t, "plain receive "+errno.Name(), text, "!")
}
