package gateway_test

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/sockets/gateway"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/tun"
)

// control runs f on the descriptor of c.
func control(t *testing.T, c syscall.Conn, f func(fd int) error) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		raw.Control(func(fd uintptr) { err = f(int(fd)) })
	}
	if err != nil {
		t.Fatal(err)
	}
}

// mark has c send with tos, and tell the tos of what it receives.
func mark(t *testing.T, c *net.UDPConn, v6 bool, tos int) {
	t.Helper()
	level, set, tell := unix.IPPROTO_IP, unix.IP_TOS, unix.IP_RECVTOS
	if v6 {
		level, set, tell = unix.IPPROTO_IPV6, unix.IPV6_TCLASS, unix.IPV6_RECVTCLASS
	}
	control(t, c, func(fd int) error {
		return errors.Join(unix.SetsockoptInt(fd, level, set, tos), unix.SetsockoptInt(fd, level, tell, 1))
	})
}

// marks receives n datagrams and says with which tos they came.
func marks(t *testing.T, c *net.UDPConn, n int) (all []int, from netip.AddrPort) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(30 * time.Second))
	buf, oob := make([]byte, 65536), make([]byte, 128)
	for range n {
		_, k, _, a, err := c.ReadMsgUDPAddrPort(buf, oob)
		if err != nil {
			t.Fatalf("after %v: %v", all, err)
		}
		messages, err := unix.ParseSocketControlMessage(oob[:k])
		if err != nil || len(messages) != 1 {
			t.Fatalf("control messages %v, %v", messages, err)
		}
		from = a
		all = append(all, int(messages[0].Data[0]))
	}
	return all, from
}

// DSCP and ECN of a datagram go on both ways: the ordinary way, the short cut, in
// trains, and in fragments.
func TestMarksGoOn(t *testing.T) {
	x := newLodge(t, tun.Config{}, gateway.Limits{})
	for _, door := range doors {
		program, server := x.hall(t, door)
		mark(t, server, door.Is6(), 0)
		var from netip.AddrPort
		both := func(c *net.UDPConn, other *net.UDPConn, send func([]byte) error) {
			t.Helper()
			for _, tos := range []int{0xb8 | 2, 0xb8 | 3, 0, 0x28 | 1} { // EF with ECT(0) and CE; none; AF11 with ECT(1)
				mark(t, c, door.Is6(), tos)
				var want []int
				for _, size := range []int{10, 10, 10, 3000, 0} {
					if err := send(make([]byte, size)); err != nil {
						t.Fatal(err)
					}
					want = append(want, tos)
				}
				got, at := marks(t, other, len(want))
				if !slices.Equal(got, want) {
					t.Errorf("%v: sent with %#x, came with %#x", door, want, got)
				}
				from = at
			}
		}
		both(program, server, func(b []byte) error { _, err := program.Write(b); return err })
		guest := from
		both(server, program, func(b []byte) error { _, err := server.WriteToUDPAddrPort(b, guest); return err })
	}
}

// The DSCP of a connection is the program's, towards the host too; ECN is each side's
// own. And each side is asked whether it is there.
func TestStreamSettings(t *testing.T) {
	x := newLodge(t, tun.Config{}, gateway.Limits{KeepAlive: time.Minute})
	for _, door := range doors {
		l, err := net.Listen("tcp", loopbackOf(door))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		level, name := unix.IPPROTO_IP, unix.IP_TOS
		if door.Is6() {
			level, name = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
		}
		d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
			c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, name, 0x28) })
			return err
		}}
		program, server := x.dialFrom(t, &d, door, l)
		want := map[[2]int]int{
			{level, name}:                             0x28,
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE}:      1,
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}:     60,
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL}:    7,
			{unix.IPPROTO_TCP, unix.TCP_KEEPCNT}:      4,
			{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT}: 0,
		}
		for o, v := range want {
			if got := x.hostOption(t, server.RemoteAddr().String(), o[0], o[1]); got != v {
				t.Errorf("%v: option %v of the host's socket is %d, want %d", door, o, got, v)
			}
		}
		program.Close()
	}
}

func loopbackOf(door netip.Addr) string {
	if door.Is6() {
		return "[::1]:0"
	}
	return "127.0.0.1:0"
}

// dialFrom connects from the namespace to l, which stands on the host's loopback.
func (x *lodge) dialFrom(t *testing.T, d *net.Dialer, door netip.Addr, l net.Listener) (program, server *net.TCPConn) {
	t.Helper()
	to := netip.AddrPortFrom(door, l.Addr().(*net.TCPAddr).AddrPort().Port())
	if err := tun.InNetns(x.netns, func() error {
		c, err := d.Dial("tcp", to.String())
		if err == nil {
			program = c.(*net.TCPConn)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	l.(*net.TCPListener).SetDeadline(time.Now().Add(30 * time.Second))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return program, c.(*net.TCPConn)
}

// hostOption is an option of the socket of this process that is bound to local.
func (x *lodge) hostOption(t *testing.T, local string, level, name int) int {
	t.Helper()
	for fd := range 1024 {
		sa, err := unix.Getsockname(fd)
		if err != nil || text(sa) != local {
			continue
		}
		v, err := unix.GetsockoptInt(fd, level, name)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	t.Fatalf("no socket at %s", local)
	return 0
}

func text(sa unix.Sockaddr) string {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)).String()
	}
	return ""
}

// vanish closes c so that nobody hears of it (TCP_REPAIR): its machine has died.
func vanish(t *testing.T, c *net.TCPConn) {
	t.Helper()
	control(t, c, func(fd int) error { return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_REPAIR, 1) })
	c.Close()
}

// When one side of an idle connection is gone, the other hears of it.
func TestDeadSideEndsTheOther(t *testing.T) {
	x := newLodge(t, tun.Config{}, gateway.Limits{KeepAlive: time.Second})
	left := map[string]*net.TCPConn{}
	for _, door := range doors {
		l, err := net.Listen("tcp", loopbackOf(door))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		program, server := x.dialFrom(t, new(net.Dialer), door, l)
		vanish(t, program)
		left[door.String()+", program"] = server
		program, server = x.dialFrom(t, new(net.Dialer), door, l)
		vanish(t, server)
		left[door.String()+", server"] = program
	}
	for gone, c := range left {
		c.SetReadDeadline(time.Now().Add(60 * time.Second))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s is gone, the other side hears %v", gone, err)
		}
	}
}

// A port that the program has closed is closed on the host as well: whoever answers
// to it is refused.
func TestClosedPortIsRefused(t *testing.T) {
	x := newLodge(t, tun.Config{}, gateway.Limits{})
	for _, door := range doors {
		program, server := x.hall(t, door)
		if _, err := program.Write([]byte("question")); err != nil {
			t.Fatal(err)
		}
		_, from := receiveOne(t, server)
		program.Close()
		before := x.gateway.UDPRefused.Load()
		if _, err := server.WriteToUDPAddrPort([]byte("answer"), from); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the refusal", func() bool { return x.gateway.UDPRefused.Load() == before+1 })
		c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(from))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		eventually(t, "port unreachable", func() bool {
			_, err := c.Write([]byte("answer"))
			return errors.Is(err, syscall.ECONNREFUSED)
		})
	}
}

func receiveOne(t *testing.T, c *net.UDPConn) (b []byte, from netip.AddrPort) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(30 * time.Second))
	b = make([]byte, 65536)
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n], from
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// Discovery ends at the gateway and is counted by its name.
func TestDiscoveryIsCounted(t *testing.T) {
	x := newLodgeOf(t, tun.Config{}, gateway.Config{Networks: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/24")}})
	link := x.link(t)
	for _, c := range []struct {
		to      string
		counter stack.Counter
	}{
		{"224.0.0.251:5353", stack.RxDropMDNS}, {"[ff02::fb]:5353", stack.RxDropMDNS},
		{"239.255.255.250:1900", stack.RxDropSSDP}, {"[ff02::c]:1900", stack.RxDropSSDP},
		{"224.0.0.252:5355", stack.RxDropLLMNR}, {"[ff02::1:3]:5355", stack.RxDropLLMNR},
		{"239.1.2.3:9", stack.RxDropMulticast}, {"255.255.255.255:67", stack.RxDropBroadcast},
	} {
		before := x.nic.Counters()[c.counter]
		x.sendOn(t, link, netip.MustParseAddrPort(c.to))
		eventually(t, c.to+" counted as "+c.counter.String(), func() bool { return x.nic.Counters()[c.counter] == before+1 })
	}
	x.sendOn(t, link, netip.MustParseAddrPort("10.9.0.255:137"))
	eventually(t, "the link's broadcast", func() bool { return x.gateway.UDPBroadcast.Load() == 1 })
	if n := x.gateway.UDPSent.Load() + x.gateway.UDPDenied.Load(); n != 0 {
		t.Errorf("%d datagrams to groups went on", n)
	}
}

// link is the number of the device in the namespace.
func (x *lodge) link(t *testing.T) (index int) {
	t.Helper()
	if err := tun.InNetns(x.netns, func() error {
		all, err := net.Interfaces()
		for _, i := range all {
			if i.Flags&net.FlagLoopback == 0 {
				index = i.Index
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return index
}

// sendOn sends a datagram from the namespace, to a group over the given link.
func (x *lodge) sendOn(t *testing.T, link int, to netip.AddrPort) {
	t.Helper()
	if err := tun.InNetns(x.netns, func() error {
		family, sa := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: int(to.Port())})
		if to.Addr().Is6() {
			family, sa = unix.AF_INET6, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16(), ZoneId: uint32(link)}
		} else {
			sa.(*unix.SockaddrInet4).Addr = to.Addr().As4()
		}
		fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if family == unix.AF_INET {
			err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1),
				unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, link))
		}
		return errors.Join(err, unix.Sendto(fd, []byte("anybody?"), 0, sa))
	}); err != nil {
		t.Fatalf("%v: %v", to, err)
	}
}

// What is kept of datagrams whose other fragments never come is bounded, and those
// that are whole get through afterwards.
func TestFirstFragmentsAreBounded(t *testing.T) {
	x := newLodge(t, tun.Config{}, gateway.Limits{})
	const n, size, most = 24000, 20 + 172*8, 16 << 20
	fd := -1
	if err := tun.InNetns(x.netns, func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	before := heap()
	packet := make([]byte, size)
	packet[0], packet[6], packet[8], packet[9] = 0x45, 0x20, 64, unix.IPPROTO_UDP // MF
	copy(packet[12:], []byte{10, 9, 0, 77})                                       // not the one below, whose identifiers may be these
	copy(packet[16:], []byte{10, 9, 0, 1})
	received := x.nic.Counters()[stack.RxPackets]
	for i := range n {
		binary.BigEndian.PutUint16(packet[4:], uint16(i+1))
		if err := unix.Sendto(fd, packet, 0, &unix.SockaddrInet4{Addr: [4]byte{10, 9, 0, 1}}); err != nil && err != unix.ENOBUFS {
			t.Fatal(err)
		}
		for i%256 == 0 && x.nic.Counters()[stack.RxPackets]-received+512 < uint64(i) {
			time.Sleep(time.Millisecond) // the queue of the device is short, and this is about what comes
		}
	}
	if came := x.nic.Counters()[stack.RxPackets] - received; came < n/2 {
		t.Fatalf("%d of %d fragments came", came, n)
	}
	grown := int64(heap()) - int64(before)
	t.Logf("%d fragments, %d KiB, have left %d KiB", n, n*size>>10, grown>>10)
	if grown > most {
		t.Errorf("%d bytes are kept of %d, more than %d", grown, n*size, most)
	}
	program, server := x.hall(t, doors[0])
	eventually(t, "a datagram in fragments", func() bool {
		program.Write(make([]byte, 8000))
		server.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		got, _, err := server.ReadFromUDPAddrPort(make([]byte, 9000))
		return err == nil && got == 8000
	})
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestUDPPerFlow: each destination sees a port of its own and answers to that only.
func TestUDPPerFlow(t *testing.T) {
	for _, perFlow := range []bool{false, true} {
		x := newLodgeOf(t, tun.Config{}, gateway.Config{UDPPerFlow: perFlow})
		var servers [2]*net.UDPConn
		var seen [2]netip.AddrPort
		var program *net.UDPConn
		if err := tun.InNetns(x.netns, func() (err error) {
			program, err = net.ListenUDP("udp4", nil)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		defer program.Close()
		for i := range servers {
			s, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			to := netip.AddrPortFrom(doors[0], s.LocalAddr().(*net.UDPAddr).AddrPort().Port())
			if _, err := program.WriteToUDPAddrPort([]byte("question"), to); err != nil {
				t.Fatal(err)
			}
			servers[i] = s
			_, seen[i] = receiveOne(t, s)
		}
		if (seen[0] != seen[1]) != perFlow {
			t.Errorf("per flow %v: the servers see %v and %v", perFlow, seen[0], seen[1])
		}
		// The second answers to the port of the first.
		if _, err := servers[1].WriteToUDPAddrPort([]byte("stranger"), seen[0]); err != nil {
			t.Fatal(err)
		}
		if perFlow {
			eventually(t, "the stranger is dropped", func() bool { return x.gateway.UDPUnasked.Load() == 1 })
		} else if b, _ := receiveOne(t, program); string(b) != "stranger" {
			t.Errorf("received %q", b)
		}
		servers[0].WriteToUDPAddrPort([]byte("answer"), seen[0])
		if b, _ := receiveOne(t, program); string(b) != "answer" {
			t.Errorf("per flow %v: received %q", perFlow, b)
		}
	}
}

// Connections beyond Limits.Flows are refused at once and counted; when one has
// ended there is room for another.
func TestFlowsAreBounded(t *testing.T) {
	x := newLodge(t, tun.Config{}, gateway.Limits{Flows: 2})
	l, err := net.Listen("tcp", loopbackOf(doors[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	to := netip.AddrPortFrom(doors[0], l.Addr().(*net.TCPAddr).AddrPort().Port()).String()
	try := func() (c net.Conn, err error) {
		err = tun.InNetns(x.netns, func() (err error) {
			c, err = net.DialTimeout("tcp", to, 30*time.Second)
			return err
		})
		return c, err
	}
	first, server := x.dialFrom(t, new(net.Dialer), doors[0], l)
	x.dialFrom(t, new(net.Dialer), doors[0], l)
	if _, err := try(); !errors.Is(err, syscall.ECONNREFUSED) || x.gateway.TCPLimit.Load() != 1 {
		t.Errorf("one too many: %v, counted %d", err, x.gateway.TCPLimit.Load())
	}
	first.Close()
	server.Close()
	eventually(t, "room again", func() bool {
		c, err := try()
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}
