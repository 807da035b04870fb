package tun_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/tun"
	"github.com/netnsd/netnsd/tun/tuntest"
)

// runAdopter is the data plane of TestAdoptWithoutPrivilege: a process without any right in another namespace, which gets TUN
// descriptors by SCM_RIGHTS on descriptor 3, sends back what arrives, and tells on standard output what it sees.
func runAdopter() int {
	fds, err := receive(3, 2)
	if err != nil {
		fmt.Println("receive:", err)
		return 1
	}
	d, err := tun.Adopt(fds, tun.Config{MTU: 1400})
	if err != nil {
		fmt.Println("adopt:", err)
		return 1
	}
	_, err = d.Link()
	fmt.Println("uid", os.Getuid(), d.Name(), d.Queues(), d.HeaderLen(), d.Offloads(), d.TAP(), d.MTU(), errors.Is(err, tun.ErrNoNetlink))
	for q := range d.Queues() {
		go func() { // ends with the process
			for echo(d, q) == nil {
			}
		}()
	}
	for {
		s, changed := d.State()
		fmt.Println("state", s.Up, s.Downs, s.Err)
		if s.Err != nil {
			d.Close()
			return 0
		}
		<-changed
	}
}

// echo returns one packet to where it came from. Swapping addresses and ports leaves the checksum, finished or not, valid.
func echo(d *tun.Device, q int) error {
	buf := make([]byte, 70000)
	n, err := d.ReadPacket(q, [][]byte{buf})
	if err != nil {
		return err
	}
	p := buf[d.HeaderLen():n]
	if len(p) < 28 || p[0]>>4 != 4 || p[9] != 17 {
		return nil
	}
	swap(p[12:16], p[16:20])
	swap(p[20:22], p[22:24])
	for {
		_, err := d.WritePacket(q, [][]byte{buf[:n]})
		if !errors.Is(err, syscall.EIO) {
			return err
		}
		if err := d.WaitWritable(q, time.Time{}); err != nil {
			return err
		}
	}
}

func swap(a, b []byte) {
	for i := range a {
		a[i], b[i] = b[i], a[i]
	}
}

func receive(socket, count int) ([]int, error) {
	oob := make([]byte, unix.CmsgSpace(4*count))
	_, n, _, _, err := unix.Recvmsg(socket, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, err
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return nil, err
	}
	return unix.ParseUnixRights(&msgs[0])
}

func TestAdoptWithoutPrivilege(t *testing.T) {
	ns := tuntest.NetNS(t)
	opened := open(t, tun.Config{Netns: ns, Name: "pass0", Queues: 2})
	setUp(t, opened)

	ours, theirs := socketpair(t)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), asAdopter+"=1")
	cmd.ExtraFiles = []*os.File{theirs}
	// No Pdeathsig: it is sent when the thread ends that started the process, and InNetns ends threads.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	ended := make(chan error, 1)
	lines := make(chan string, 64)
	go func() { // ends with the process
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
		ended <- cmd.Wait()
	}()
	t.Cleanup(func() { cmd.Process.Kill() })
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-lines:
			if got != want {
				t.Fatalf("the adopter says %q, want %q", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("the adopter does not say %q", want)
		}
	}

	rights := unix.UnixRights(dupQueue(t, opened, 0), dupQueue(t, opened, 1))
	must(t, unix.Sendmsg(int(ours.Fd()), []byte{0}, rights, nil, 0))
	must(t, opened.Close()) // the device lives on by the adopter's descriptors alone
	expect(fmt.Sprintf("uid 65534 pass0 2 10 %d false 1400 true", opened.Offloads()))
	expect("state true 0 <nil>")

	s := listen(t, ns, "10.9.0.1:4001")
	dst := netip.MustParseAddrPort("10.9.0.2:4002")
	roundTrip(t, s, dst)

	// Down is seen by the first write that fails, up by poll. Nothing can be sent to the device while it is down, so a packet
	// has to be in it beforehand: stop the adopter meanwhile.
	must(t, cmd.Process.Signal(syscall.SIGSTOP))
	awaitStopped(t, cmd.Process.Pid)
	_, err = s.WriteToUDPAddrPort([]byte("held"), dst)
	must(t, err)
	ip(t, ns, "link", "set", "pass0", "down")
	must(t, cmd.Process.Signal(syscall.SIGCONT))
	expect("state false 1 <nil>")
	ip(t, ns, "link", "set", "pass0", "up")
	expect("state true 1 <nil>")
	buf := make([]byte, 100)
	must(t, s.SetReadDeadline(time.Now().Add(patience)))
	if n, err := s.Read(buf); err != nil || string(buf[:n]) != "held" {
		t.Errorf("after the flap: %q, %v", buf[:n], err)
	}

	ip(t, ns, "link", "del", "pass0")
	expect("state false 1 " + tun.ErrGone.Error())
	must(t, within(t, "end of the adopter", ended))
}

func roundTrip(t *testing.T, s *net.UDPConn, dst netip.AddrPort) {
	t.Helper()
	_, err := s.WriteToUDPAddrPort([]byte("hello"), dst)
	must(t, err)
	must(t, s.SetReadDeadline(time.Now().Add(patience)))
	buf := make([]byte, 100)
	n, from, err := s.ReadFromUDPAddrPort(buf)
	if err != nil || string(buf[:n]) != "hello" || from.Addr().Unmap() != dst.Addr() {
		t.Fatalf("round trip: %q from %v, %v", buf[:n], from, err)
	}
}

// awaitStopped waits until the process is in state T.
func awaitStopped(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		must(t, err)
		if _, after, ok := strings.Cut(string(stat), ") "); ok && after[0] == 'T' {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the adopter does not stop")
		}
	}
}

func socketpair(t *testing.T) (a, b *os.File) {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	a, b = os.NewFile(uintptr(p[0]), "ours"), os.NewFile(uintptr(p[1]), "theirs")
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func dupQueue(t *testing.T, d *tun.Device, q int) (fd int) {
	t.Helper()
	var err error
	must(t, d.SyscallConn(q).Control(func(p uintptr) { fd, err = unix.FcntlInt(p, unix.F_DUPFD_CLOEXEC, 0) }))
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// With privilege an adopted device is followed and configured like an opened one.
func TestAdoptWithPrivilege(t *testing.T) {
	ns := tuntest.NetNS(t)
	opened := open(t, tun.Config{Netns: ns})
	fd, err := unix.FcntlInt(uintptr(dup(t, opened)), unix.F_DUPFD_CLOEXEC, 0)
	must(t, err)
	must(t, opened.Close())
	must(t, unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, 12)) // as an opener might that serves mergeable buffers
	d, err := tun.Adopt([]int{fd}, tun.Config{Netns: ns})
	must(t, err)
	defer d.Close()
	if d.HeaderLen() != 10 || d.Offloads() != opened.Offloads() || d.Offloads() == 0 {
		t.Errorf("header %d, offloads %#x", d.HeaderLen(), d.Offloads())
	}
	setUp(t, d)
	pingPong(t, ns, d)
	must(t, link(t, d).SetMTU(1300))
	await(t, d, "MTU 1300", func(s tun.State) bool { return s.MTU == 1300 })
	must(t, tuntest.DeleteNetNS(ns))
	await(t, d, "namespace gone", func(s tun.State) bool { return s.NetnsGone })
}
