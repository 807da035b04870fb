package owner

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// here is a Lookup of the network and the /proc of this machine.
func here(t testing.TB) *Lookup {
	t.Helper()
	d, err := Open()
	if errors.Is(err, errors.ErrUnsupported) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	network, err := NetworkOf("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	l := new(Lookup)
	if err := l.Use(Sources{Diag: d, Processes: NewProc(network), Timeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// inodeOf is that of a socket of ours.
func inodeOf(t testing.TB, c syscall.Conn) (inode uint64) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			var st unix.Stat_t
			if err := unix.Fstat(int(fd), &st); err != nil {
				t.Error(err)
			}
			inode = st.Ino
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return inode
}

func ends(c net.Conn) (local, remote netip.AddrPort) {
	return netip.MustParseAddrPort(c.LocalAddr().String()), netip.MustParseAddrPort(c.RemoteAddr().String())
}

// ours says what is wrong with an answer about a socket of this process.
func ours(t *testing.T, l *Lookup, inodes []uint64, want uint64) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, ok := l.Holder(inodes)
	if !slices.Equal(inodes, []uint64{want}) || !ok || p.PID != os.Getpid() || p.Executable != exe || p.Argv0 != os.Args[0] || p.Started == 0 {
		t.Errorf("inodes %v, want %d; %+v %v", inodes, want, p, ok)
	}
}

func listen(t testing.TB, network, addr string) net.Listener {
	t.Helper()
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func dial(t testing.TB, network, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestKernelTCP(t *testing.T) {
	l := here(t)
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		ln := listen(t, "tcp", addr)
		c := dial(t, "tcp", ln.Addr().String())
		local, remote := ends(c)
		uid, inodes := l.Socket(wsa.IPPROTO_TCP, local, remote)
		if uid != os.Geteuid() {
			t.Errorf("%s: uid %d", addr, uid)
		}
		ours(t, l, inodes, inodeOf(t, c.(syscall.Conn)))
		// The listener's own address leads to no listener.
		if uid, inodes := l.Socket(wsa.IPPROTO_TCP, remote, netip.AddrPortFrom(local.Addr(), 1)); uid != -1 || inodes != nil {
			t.Errorf("%s: a connection that does not exist: uid %d, %v", addr, uid, inodes)
		}
		c.Close() // TIME_WAIT or FIN_WAIT: the kernel says uid 0, inode 0
		if uid, inodes := l.Socket(wsa.IPPROTO_TCP, local, remote); uid != -1 || inodes != nil {
			t.Errorf("%s: closed: uid %d, %v", addr, uid, inodes)
		}
	}
}

// socket6 is an IPv6 socket that speaks IPv4.
func socket6(t *testing.T, typ int, to netip.AddrPort) (fd int, inode uint64) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET6, typ|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		t.Cleanup(func() { unix.Close(fd) })
		err = unix.Connect(fd, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()})
	}
	var st unix.Stat_t
	if err == nil {
		err = unix.Fstat(fd, &st)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd, st.Ino
}

func TestKernelMapped(t *testing.T) {
	l := here(t)
	ln := listen(t, "tcp4", "127.0.0.1:0")
	to := netip.MustParseAddrPort(ln.Addr().String())
	for typ, protocol := range map[int]int32{unix.SOCK_STREAM: wsa.IPPROTO_TCP, unix.SOCK_DGRAM: wsa.IPPROTO_UDP} {
		fd, inode := socket6(t, typ, to)
		name, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		local := netip.AddrPortFrom(to.Addr(), uint16(name.(*unix.SockaddrInet6).Port))
		uid, inodes := l.Socket(protocol, local, to)
		if uid != os.Geteuid() {
			t.Errorf("protocol %d: uid %d", protocol, uid)
		}
		ours(t, l, inodes, inode)
	}
}

func TestKernelUDP(t *testing.T) {
	l := here(t)
	for _, host := range []string{"127.0.0.1", "::1"} {
		to := net.JoinHostPort(host, "9")
		connected := dial(t, "udp", to)
		local, remote := ends(connected)
		_, inodes := l.Socket(wsa.IPPROTO_UDP, local, remote)
		ours(t, l, inodes, inodeOf(t, connected.(syscall.Conn)))

		any, err := net.ListenPacket("udp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer any.Close()
		port := netip.MustParseAddrPort(any.LocalAddr().String()).Port()
		uid, inodes := l.Socket(wsa.IPPROTO_UDP, netip.AddrPortFrom(remote.Addr(), port), remote)
		if uid != os.Geteuid() {
			t.Errorf("%s: uid %d", host, uid)
		}
		ours(t, l, inodes, inodeOf(t, any.(*net.UDPConn)))
		any.Close()
		if uid, inodes := l.Socket(wsa.IPPROTO_UDP, netip.AddrPortFrom(remote.Addr(), port), remote); uid != -1 || inodes != nil {
			t.Errorf("%s: closed: uid %d, %v", host, uid, inodes)
		}
	}
}

// Two sockets at one port: either can have sent.
func TestKernelSharedPort(t *testing.T) {
	l := here(t)
	var all []uint64
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}}
	addr := "127.0.0.1:0"
	for range 2 {
		c, err := lc.ListenPacket(context.Background(), "udp4", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		addr = c.LocalAddr().String()
		all = append(all, inodeOf(t, c.(*net.UDPConn)))
	}
	uid, inodes := l.Socket(wsa.IPPROTO_UDP, netip.MustParseAddrPort(addr), netip.MustParseAddrPort("127.0.0.1:9"))
	slices.Sort(all)
	slices.Sort(inodes)
	if p, ok := l.Holder(inodes); uid != os.Geteuid() || !slices.Equal(all, inodes) || !ok || p.PID != os.Getpid() {
		t.Errorf("uid %d, %v, want %v; %+v", uid, inodes, all, p)
	}
}

// child runs argv, with f as descriptor 3, until its input ends. It has begun when it
// says so.
func child(t *testing.T, f *os.File, as *syscall.Credential, argv ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	cmd.Dir = "/"
	if f != nil {
		cmd.ExtraFiles = []*os.File{f}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); io.Copy(io.Discard, out); cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("%q: %q, %v", argv, line, err)
	}
	return cmd
}

const waits = "echo ready; read end"

// A socket that two processes hold is nobody's in particular.
func TestKernelSharedSocket(t *testing.T) {
	l := here(t)
	ln := listen(t, "tcp4", "127.0.0.1:0")
	c := dial(t, "tcp4", ln.Addr().String())
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	other := child(t, f, nil, "/bin/sh", "-c", waits)
	f.Close()
	local, remote := ends(c)
	uid, inodes := l.Socket(wsa.IPPROTO_TCP, local, remote)
	p, _ := l.Holder(inodes)
	if uid != os.Geteuid() || p.PID != 0 || p.Executable != "" || p.Argv0 != "" {
		t.Errorf("uid %d, %+v", uid, p)
	}
	c.Close() // the child's alone now
	if !l.forgets(inodes, other.Process.Pid) {
		p, ok := l.Holder(inodes)
		t.Errorf("%+v %v, want pid %d", p, ok, other.Process.Pid)
	}
}

// forgets waits for the answer that was kept to become too old.
func (l *Lookup) forgets(inodes []uint64, pid int) bool {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if p, _ := l.Holder(inodes); p.PID == pid {
			return true
		}
	}
	return false
}

// A program that was replaced while it ran.
func TestKernelDeletedExecutable(t *testing.T) {
	l := here(t)
	sh, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(sh)
	file := filepath.Join(t.TempDir(), "shell")
	if err == nil {
		err = os.WriteFile(file, text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	ln := listen(t, "tcp4", "127.0.0.1:0")
	c := dial(t, "tcp4", ln.Addr().String())
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	other := child(t, f, nil, file, "-c", waits)
	f.Close()
	local, remote := ends(c)
	_, inodes := l.Socket(wsa.IPPROTO_TCP, local, remote)
	c.Close()
	if err := errors.Join(os.Remove(file), os.WriteFile(file, nil, 0o755)); err != nil {
		t.Fatal(err)
	}
	p, ok := l.Holder(inodes)
	if p.PID != other.Process.Pid || p.Executable != file || !p.Deleted || !ok {
		t.Errorf("%+v, want pid %d, %s, deleted", p, other.Process.Pid, file)
	}
}

// The uid is that of the socket, whoever asks.
func TestKernelOtherUser(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err == nil {
		bash, err = filepath.EvalSymlinks(bash)
	}
	if os.Geteuid() != 0 || err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root and bash: ", err)
		}
		t.Skip("needs root and bash")
	}
	l := here(t)
	ln := listen(t, "tcp4", "127.0.0.1:0")
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := ln.Accept()
		accepted <- c
	}()
	script := fmt.Sprintf("exec 3<>/dev/tcp/127.0.0.1/%d; %s", ln.Addr().(*net.TCPAddr).Port, waits)
	cmd := child(t, nil, &syscall.Credential{Uid: 12345, Gid: 12345}, bash, "-c", script)
	c := <-accepted
	if c == nil {
		t.Fatal("not connected")
	}
	defer c.Close()
	remote, local := ends(c)
	uid, inodes := l.Socket(wsa.IPPROTO_TCP, local, remote)
	p, ok := l.Holder(inodes)
	if uid != 12345 || !ok || p.PID != cmd.Process.Pid || p.Executable != bash {
		t.Errorf("uid %d, %+v", uid, p)
	}
}

// What is no sock_diag descriptor is refused, and closed.
func TestAdopt(t *testing.T) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Adopt(fd); !errors.Is(err, unix.EPROTOTYPE) {
		t.Errorf("%v", err)
	}
	if _, err := Adopt(fd); !errors.Is(err, unix.EBADF) {
		t.Errorf("it was not closed: %v", err)
	}
	if _, err := NetworkOf("/proc/self/ns/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// BenchmarkLookup is what a layer pays that asks: sock_diag for the uid, a reading of
// /proc for the process, of a machine with some hundred processes.
func BenchmarkLookup(b *testing.B) {
	l := here(b)
	ln := listen(b, "tcp4", "127.0.0.1:0")
	c := dial(b, "tcp4", ln.Addr().String())
	u := dial(b, "udp4", "127.0.0.1:9")
	local, remote := ends(c)
	from, to := ends(u)
	var inodes []uint64
	b.Run("uid of TCP", func(b *testing.B) {
		defer cpu(b)()
		for b.Loop() {
			_, inodes = l.Socket(wsa.IPPROTO_TCP, local, remote)
		}
	})
	b.Run("uid of UDP", func(b *testing.B) {
		defer cpu(b)()
		for b.Loop() {
			l.Socket(wsa.IPPROTO_UDP, from, to)
		}
	})
	names, _ := filepath.Glob("/proc/[0-9]*")
	p := l.sources.Load().Processes.(*Proc)
	b.Run("process in an empty network", func(b *testing.B) {
		away := NewProc(1)
		defer cpu(b)()
		for b.Loop() {
			away.ByInode(context.Background(), inodes[0])
		}
		b.ReportMetric(float64(len(names)), "processes")
	})
	b.Run("process in the host's network", func(b *testing.B) {
		defer cpu(b)()
		for b.Loop() {
			clear(p.known)
			if one, ok := l.Holder(inodes); !ok || one == (provider.Process{}) {
				b.Fatal("nobody")
			}
		}
	})
	b.Run("process again", func(b *testing.B) {
		defer cpu(b)()
		for b.Loop() {
			l.Holder(inodes)
		}
	})
}

// cpu reports the time on a CPU of each turn, which a busy machine does not change.
func cpu(b *testing.B) (end func()) {
	spent := func() int64 {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := spent()
	return func() { b.ReportMetric(float64(spent()-before)/float64(b.N), "cpu-ns/op") }
}
