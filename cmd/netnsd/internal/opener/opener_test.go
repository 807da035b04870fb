//go:build linux

package opener_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/opener"
)

// The test binary plays the program's parts: argv[0] says which.
func TestMain(m *testing.M) {
	switch os.Args[0] {
	case opener.Name:
		os.Exit(opener.Main(os.Args[1:]))
	case "opener-test-parent":
		os.Exit(parent())
	}
	os.Exit(m.Run())
}

// capable skips a test where namespaces and /dev/net/tun are not to be had; CI has them.
func capable(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err == nil {
		f.Close()
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip("needs /dev/net/tun: ", err)
}

func request(argv ...string) opener.Request {
	program, err := opener.Lookup(argv[0], os.Getenv("PATH"))
	if err != nil {
		program = argv[0]
	}
	return opener.Request{
		Program: program, Device: "tun0", MTU: 1500,
		Addrs:      []netip.Prefix{netip.MustParsePrefix("10.0.2.100/24"), netip.MustParsePrefix("fd00::64/64")},
		Gateways:   []netip.Addr{netip.MustParseAddr("10.0.2.2"), netip.MustParseAddr("fd00::2")},
		ResolvConf: "nameserver 10.0.2.3\n",
	}
}

// inside runs a program behind the opener, with a device that nobody reads, and
// returns what it wrote and how it ended.
func inside(t *testing.T, argv ...string) (string, unix.WaitStatus) {
	t.Helper()
	capable(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	stdout := os.Stdout
	os.Stdout = out
	defer func() { os.Stdout = stdout }()

	c, err := opener.Start(request(argv...), argv)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	setup, fds, err := c.Setup()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds.TUN)
	defer unix.Close(fds.Diag)
	for _, w := range setup.Warnings {
		t.Log("warning:", w)
	}
	if err := c.Exec(); err != nil {
		t.Fatal(err)
	}
	status, err := c.Wait()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text), status
}

func TestProgramFindsItsNetwork(t *testing.T) {
	out, status := inside(t, "sh", "-c", `ip -br addr; ip route; ip -6 route show default; cat /etc/resolv.conf; echo uid=$(id -u); exit 7`)
	if status.ExitStatus() != 7 {
		t.Errorf("status %v", status)
	}
	for _, want := range []string{
		"10.0.2.100/24", "fd00::64/64", "default via 10.0.2.2 dev tun0", "default via fd00::2 dev tun0",
		"nameserver 10.0.2.3", "127.0.0.1/8", fmt.Sprintf("uid=%d", os.Getuid()),
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestProgramHasNoRights(t *testing.T) {
	leak, err := os.Open("/dev/null") // as if inherited: not close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer leak.Close()
	if _, err := unix.FcntlInt(leak.Fd(), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
	out, _ := inside(t, "sh", "-c", `grep -E '^(Cap|NoNewPrivs)' /proc/self/status; ls -l /proc/$$/fd; ip link set tun0 down 2>&1`)
	for _, want := range []string{"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
		"CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Operation not permitted"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	bounding, _, _ := strings.Cut(after(out, "CapBnd:\t"), "\n")
	if n, err := strconv.ParseUint(bounding, 16, 64); err != nil || n&^(1<<unix.CAP_NET_RAW|1<<unix.CAP_NET_ADMIN|1<<unix.CAP_NET_BIND_SERVICE) != 0 {
		t.Errorf("bounding set %s (%v)", bounding, err)
	}
	for line := range strings.Lines(out) {
		if name, to, ok := strings.Cut(line, " -> "); ok {
			fields := strings.Fields(name)
			if fd, _ := strconv.Atoi(fields[len(fields)-1]); fd > 2 {
				t.Errorf("the program has descriptor %d: %s", fd, to)
			}
		}
	}
}

// A file with capabilities runs, without them: the bounding set is what the
// kernel looks at, no_new_privs what it grants.
func TestFileCapabilitiesGiveNothing(t *testing.T) {
	capable(t)
	file := filepath.Join(t.TempDir(), "cat")
	for _, argv := range [][]string{{"cp", "/bin/cat", file}, {"setcap", "cap_net_raw,cap_net_admin=ep", file}} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%v: %v %s", argv, err, out)
			}
			t.Skipf("%v: %v %s", argv, err, out)
		}
	}
	out, status := inside(t, file, "/proc/self/status")
	if status.ExitStatus() != 0 || !strings.Contains(out, "CapEff:\t0000000000000000") || !strings.Contains(out, "CapPrm:\t0000000000000000") {
		t.Errorf("%v\n%s", status, out)
	}
}

func after(s, mark string) string {
	_, s, _ = strings.Cut(s, mark)
	return s
}

func TestProgramThatCannotBeExecuted(t *testing.T) {
	capable(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, c := range []struct {
		content string
		want    error
	}{
		{"#!/no/such/interpreter\n", fs.ErrNotExist},
		{"\x7fELF broken", syscall.ENOEXEC},
	} {
		file := filepath.Join(t.TempDir(), "program")
		if err := os.WriteFile(file, []byte(c.content), 0o755); err != nil {
			t.Fatal(err)
		}
		child, err := opener.Start(request(file), []string{file})
		if err != nil {
			t.Fatal(err)
		}
		_, fds, err := child.Setup()
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fds.TUN)
		unix.Close(fds.Diag)
		if err := child.Exec(); !errors.Is(err, c.want) {
			t.Errorf("%q: %v, want %v", c.content, err, c.want)
		}
		if status, err := child.Wait(); err != nil || status.ExitStatus() != opener.ExitStatus {
			t.Errorf("%q: status %v, %v", c.content, status, err)
		}
		child.Close()
	}
}

// Who hangs up before "go" has run nothing.
func TestNothingRunsWithoutGo(t *testing.T) {
	capable(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	mark := filepath.Join(t.TempDir(), "mark")
	argv := []string{"touch", mark}
	c, err := opener.Start(request(argv...), argv)
	if err != nil {
		t.Fatal(err)
	}
	_, fds, err := c.Setup()
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fds.TUN)
	unix.Close(fds.Diag)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the program ran")
	}
}

func TestSetupFailureNamesStep(t *testing.T) {
	capable(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r := request("true")
	r.Device = "a-name-that-is-too-long"
	c, err := opener.Start(r, []string{"true"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _, err = c.Setup()
	var e *opener.Error
	if !errors.As(err, &e) || e.Step != "device" || !strings.Contains(e.Text, "longer than 15 bytes") {
		t.Errorf("%v", err)
	}
}

// parent is a data plane that is killed: it starts a program and says its pid.
func parent() int {
	runtime.LockOSThread()
	argv := []string{"sleep", "1000"}
	c, err := opener.Start(request(argv...), argv)
	if err == nil {
		_, _, err = c.Setup()
	}
	if err == nil {
		err = c.Exec()
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(c.PID)
	c.Wait()
	return 0
}

func TestProgramDiesWithUs(t *testing.T) {
	capable(t)
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"opener-test-parent"}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("%q", line)
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	cmd.Process.Kill()
	cmd.Wait()
	poll := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, 10_000)
	for err == unix.EINTR {
		n, err = unix.Poll(poll, 10_000)
	}
	if n != 1 {
		t.Errorf("the program lives on after its parent: %v", err)
		unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
	}
}

func TestLookup(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"good": 0o755, "plain": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "sub", "good"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	path := "/no/such/dir:" + filepath.Join(dir, "sub") + ":" + dir
	for _, c := range []struct {
		name, path, want string
		err              error
	}{
		{"good", path, filepath.Join(dir, "good"), nil},
		{"./good", "", "./good", nil},
		{"good", "", "", fs.ErrNotExist},
		{"good", ":", "./good", nil},
		{"plain", path, "", fs.ErrPermission},
		{"./plain", path, "./plain", fs.ErrPermission},
		{"./sub", path, "./sub", fs.ErrPermission},
		{"absent", path, "", fs.ErrNotExist},
		{"./absent", path, "./absent", fs.ErrNotExist},
		{"", path, "", fs.ErrNotExist},
	} {
		got, err := opener.Lookup(c.name, c.path)
		if got != c.want || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
			t.Errorf("Lookup(%q, %q) = %q, %v; want %q, %v", c.name, c.path, got, err, c.want, c.err)
		}
	}
}
