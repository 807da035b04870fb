//go:build linux

package confine_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/confine"
	"github.com/netnsd/netnsd/provider/providertest"
)

// Confinement is for good, so what is tried is tried by a process made for it: this
// binary, with what to try in the environment.
const tryEnv, dirEnv = "CONFINE_TRY", "CONFINE_DIR"

func TestMain(m *testing.M) {
	if try := tries[os.Getenv(tryEnv)]; try != nil {
		try(os.Getenv(dirEnv))
		os.Exit(0)
	}
	providertest.Main(m)
}

var tries = map[string]func(dir string){"calls": calls, "alone": alone, "onlooker": onlooker, "opener": openers, "files": files, "places": places, "threads": threads}

// confined is Self, with all of it applied.
func confined(cfg confine.Config) {
	for _, m := range confine.Self(cfg) {
		if m.Missing != "" {
			fmt.Println("MISSING", m.By, m.Missing)
		}
	}
}

func say(what string, err error) { fmt.Printf("%s: %v\n", what, err) }

// attempt starts a process that tries, and returns what it said.
func attempt(t *testing.T, what string) (said map[string]string, dir string) {
	t.Helper()
	needAll(t)
	dir = t.TempDir()
	for name, text := range map[string]string{"old": "old", "new": "new", "secret": "secret"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), tryEnv+"="+what, dirEnv+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	said = make(map[string]string)
	for line := range strings.Lines(string(out)) {
		name, result, _ := strings.Cut(strings.TrimSpace(line), ": ")
		said[name] = result
	}
	return said, dir
}

// needAll skips where the kernel cannot confine; CI's can.
func needAll(t *testing.T) {
	t.Helper()
	for _, m := range confine.Means(confine.Config{}) {
		if m.Missing == "" {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatal("CI lacks ", m.Missing)
		}
		t.Skip(m.Missing)
	}
}

// calls makes calls of each kind that is denied; arguments are such that one which
// is not fails, too, but otherwise.
func calls(string) {
	confined(confine.Config{})
	for name, nr := range denied {
		_, _, errno := unix.Syscall6(nr, ^uintptr(0), ^uintptr(0), ^uintptr(0), 0, 0, 0)
		say(name, errno)
	}
	run := exec.Command("/bin/true")
	run.Stdin, run.Stdout, run.Stderr = os.Stdin, os.Stdout, os.Stderr // else it opens /dev/null
	say("run", run.Run())
	_, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0)
	say("vsock", err)
	_, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	say("packet", err)
	for name, family := range map[string]int{"inet": unix.AF_INET, "inet6": unix.AF_INET6, "unix": unix.AF_UNIX, "netlink": unix.AF_NETLINK} {
		_, err = unix.Socket(family, unix.SOCK_DGRAM, 0)
		say(name, err)
	}
	_, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	say("pair", err)
	say("type", unix.IoctlSetPointerInt(0, unix.TIOCSTI, 'x'))
	say("select from the terminal", unix.IoctlSetPointerInt(0, unix.TIOCLINUX, 2))
	_, err = unix.IoctlGetTermios(0, unix.TCGETS)
	say("look at the terminal", err)
	say("signal", unix.Kill(os.Getpid(), 0))
	// Threads are still to be had.
	locked, end := make(chan struct{}), make(chan struct{})
	for range 8 {
		go func() {
			runtime.LockOSThread()
			locked <- struct{}{}
			<-end
		}()
	}
	for range 8 {
		<-locked
	}
	close(end)
	say("threads", nil)
}

var denied = map[string]uintptr{
	"execve": unix.SYS_EXECVE, "execveat": unix.SYS_EXECVEAT, "ptrace": unix.SYS_PTRACE, "process_vm_readv": unix.SYS_PROCESS_VM_READV,
	"unshare": unix.SYS_UNSHARE, "setns": unix.SYS_SETNS, "mount": unix.SYS_MOUNT, "umount2": unix.SYS_UMOUNT2, "fsopen": unix.SYS_FSOPEN,
	"bpf": unix.SYS_BPF, "io_uring_setup": unix.SYS_IO_URING_SETUP, "userfaultfd": unix.SYS_USERFAULTFD, "perf_event_open": unix.SYS_PERF_EVENT_OPEN,
	"keyctl": unix.SYS_KEYCTL, "init_module": unix.SYS_INIT_MODULE, "kexec_load": unix.SYS_KEXEC_LOAD, "open_by_handle_at": unix.SYS_OPEN_BY_HANDLE_AT,
	"pidfd_getfd": unix.SYS_PIDFD_GETFD, "setresuid": unix.SYS_SETRESUID, "chroot": unix.SYS_CHROOT, "reboot": unix.SYS_REBOOT, "capset": unix.SYS_CAPSET,
}

func TestCalls(t *testing.T) {
	said, _ := attempt(t, "calls")
	for name := range denied {
		if said[name] != unix.EPERM.Error() {
			t.Errorf("%s: %q, want EPERM", name, said[name])
		}
	}
	for name, want := range map[string]string{
		"run": "operation not permitted", "vsock": "address family not supported", "packet": "address family not supported",
		"inet": "<nil>", "inet6": "<nil>", "unix": "address family not supported", "netlink": "<nil>", "signal": "<nil>", "threads": "<nil>",
		"pair": "operation not permitted", "type": "operation not permitted", "select from the terminal": "operation not permitted", "look at the terminal": "inappropriate ioctl",
	} {
		if !strings.Contains(said[name], want) {
			t.Errorf("%s: %q, want %s", name, said[name], want)
		}
	}
	if why, is := said["MISSING"]; is {
		t.Error(why)
	}
}

// onlooker looks, and tries more.
func onlooker(dir string) {
	for _, m := range confine.Onlooker() {
		if m.Missing != "" {
			fmt.Println("MISSING", m.By, m.Missing)
		}
	}
	_, err := os.ReadFile("/proc/self/status")
	say("look", err)
	_, err = os.Readlink("/proc/self/exe")
	say("look who", err)
	_, err = os.OpenFile(filepath.Join(dir, "old"), os.O_WRONLY, 0)
	say("write", err)
	say("make", os.WriteFile(filepath.Join(dir, "more"), nil, 0o600))
	say("remove", os.Remove(filepath.Join(dir, "old")))
	say("rename", os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "old")))
	signals()
	_, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	say("socket", err)
	_, err = unix.PidfdOpen(os.Getppid(), 0)
	say("pidfd", err)
	say("limits", unix.Prlimit(os.Getppid(), unix.RLIMIT_NOFILE, nil, new(unix.Rlimit)))
	run := exec.Command("/bin/true")
	run.Stdin, run.Stdout, run.Stderr = os.Stdin, os.Stdout, os.Stderr
	say("run", run.Run())
}

// signals tries each way to reach our parent, and our own threads, as the runtime does.
func signals() {
	say("signal", unix.Kill(os.Getppid(), 0))
	say("signal a thread", unix.Tgkill(os.Getppid(), os.Getppid(), 0))
	var info [128]byte
	_, _, errno := unix.Syscall6(unix.SYS_RT_TGSIGQUEUEINFO, uintptr(os.Getppid()), uintptr(os.Getppid()), 0, uintptr(unsafe.Pointer(&info)), 0, 0)
	say("queue to a thread", errno)
	say("own threads", unix.Tgkill(os.Getpid(), os.Getpid(), 0))
}

// alone has nobody to signal.
func alone(string) {
	confined(confine.Config{Alone: true})
	signals()
}

func TestAlone(t *testing.T) {
	said, _ := attempt(t, "alone")
	silent(t, said)
}

func silent(t *testing.T, said map[string]string) {
	t.Helper()
	for _, name := range []string{"signal", "signal a thread", "queue to a thread"} {
		if said[name] != unix.EPERM.Error() {
			t.Errorf("%s: %q, want EPERM", name, said[name])
		}
	}
	if said["own threads"] != "<nil>" {
		t.Errorf("own threads: %q", said["own threads"])
	}
	if why, is := said["MISSING"]; is {
		t.Error(why)
	}
}

func TestOnlooker(t *testing.T) {
	said, dir := attempt(t, "onlooker")
	for _, name := range []string{"look", "look who"} {
		if said[name] != "<nil>" {
			t.Errorf("%s: %q", name, said[name])
		}
	}
	for _, name := range []string{"write", "make", "remove", "rename", "socket", "pidfd", "limits", "run"} {
		if !strings.Contains(said[name], unix.EPERM.Error()) {
			t.Errorf("%s: %q, want EPERM", name, said[name])
		}
	}
	silent(t, said)
	unharmed(t, dir)
}

// openers makes what devices take, and tries more.
func openers(dir string) {
	for _, m := range confine.Opener() {
		if m.Missing != "" {
			fmt.Println("MISSING", m.By, m.Missing)
		}
	}
	runtime.LockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err == nil {
		err = unix.Setns(int(here.Fd()), unix.CLONE_NEWNET)
	}
	say("enter", err)
	_, err = os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	say("device", err)
	_, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
	say("netlink", err)
	_, err = os.OpenFile(filepath.Join(dir, "old"), os.O_WRONLY, 0)
	say("write", err)
	say("make", os.WriteFile(filepath.Join(dir, "more"), nil, 0o600))
	say("truncate", os.Truncate(filepath.Join(dir, "old"), 0))
	say("remove", os.Remove(filepath.Join(dir, "old")))
	say("mount", unix.Mount("none", dir, "tmpfs", 0, ""))
	say("unshare", unix.Unshare(unix.CLONE_NEWNET))
	signals()
	for name, family := range map[string]int{"inet": unix.AF_INET, "unix": unix.AF_UNIX, "packet": unix.AF_PACKET} {
		_, err = unix.Socket(family, unix.SOCK_DGRAM, 0)
		say(name, err)
	}
}

func TestOpener(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, who has capabilities to keep")
	}
	said, dir := attempt(t, "opener")
	for _, name := range []string{"enter", "device", "netlink"} {
		if said[name] != "<nil>" {
			t.Errorf("%s: %q", name, said[name])
		}
	}
	for _, name := range []string{"write", "make", "truncate", "remove", "mount", "unshare"} {
		if !strings.Contains(said[name], unix.EPERM.Error()) {
			t.Errorf("%s: %q, want EPERM", name, said[name])
		}
	}
	for _, name := range []string{"inet", "unix", "packet"} {
		if !strings.Contains(said[name], unix.EAFNOSUPPORT.Error()) {
			t.Errorf("%s: %q, want EAFNOSUPPORT", name, said[name])
		}
	}
	silent(t, said)
	unharmed(t, dir)
}

func unharmed(t *testing.T, dir string) {
	t.Helper()
	if b, err := os.ReadFile(filepath.Join(dir, "old")); err != nil || string(b) != "old" {
		t.Errorf("%q, %v", b, err)
	}
}

// files tries what of the file system is left. What is open stays so.
func files(dir string) {
	open, err := os.OpenFile(filepath.Join(dir, "new"), os.O_RDWR, 0)
	say("open before", err)
	confined(confine.Config{Replace: []string{dir}})
	_, err = open.WriteString("NEW")
	say("write what is open", err)
	say("replace", os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "old")))
	_, err = os.ReadFile(filepath.Join(dir, "secret"))
	say("read", err)
	say("write", os.WriteFile(filepath.Join(dir, "more"), nil, 0o600))
	say("mkdir", os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	_, err = os.ReadFile("/proc/self/status")
	say("proc", err)
	_, err = os.ReadFile("/etc/passwd")
	say("etc", err)
	_, err = os.OpenFile("/etc/passwd", os.O_WRONLY, 0)
	say("write etc", err)
	_, err = os.Open("/dev/null")
	say("device", err)
}

func TestFiles(t *testing.T) {
	said, dir := attempt(t, "files")
	for name, want := range map[string]string{
		"open before": "<nil>", "write what is open": "<nil>", "replace": "<nil>", "etc": "<nil>",
		"read": "permission denied", "write": "permission denied", "mkdir": "permission denied", "proc": "permission denied",
		"write etc": "permission denied", "device": "permission denied",
	} {
		if !strings.Contains(said[name], want) {
			t.Errorf("%s: %q, want %s", name, said[name], want)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "old")); err != nil || string(b) != "NEW" {
		t.Errorf("replaced: %q, %v", b, err)
	}
}

// places tries what Read, Append and Remove leave.
func places(dir string) {
	read, write, remove := filepath.Join(dir, "read"), filepath.Join(dir, "write"), filepath.Join(dir, "remove")
	for _, d := range []string{read, write, remove} {
		if err := errors.Join(os.Mkdir(d, 0o755), os.WriteFile(filepath.Join(d, "f"), []byte("f"), 0o644)); err != nil {
			say("prepare", err)
		}
	}
	confined(confine.Config{Read: []string{read}, Append: []string{write, filepath.Join(dir, "old")}, Remove: []string{remove}})
	appends := func(name string) error {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			f.Close()
		}
		return err
	}
	for _, name := range []string{"read", "write", "remove"} {
		_, err := os.ReadFile(filepath.Join(dir, name, "f"))
		say(name+" reads", err)
		say(name+" appends", appends(name+"/f"))
		say(name+" makes", appends(name+"/g"))
		say(name+" truncates", os.Truncate(filepath.Join(dir, name, "f"), 0))
		say(name+" removes", os.Remove(filepath.Join(dir, name, "f")))
	}
	say("file appends", appends("old"))
	say("its neighbour", appends("new"))
}

func TestPlaces(t *testing.T) {
	said, _ := attempt(t, "places")
	may := map[string]bool{
		"read reads": true, "write appends": true, "write makes": true, "remove removes": true, "file appends": true,
	}
	if len(said) != 3*5+2 {
		t.Errorf("%q", said)
	}
	for what, got := range said {
		if want := may[what]; want != (got == "<nil>") || !want && !strings.Contains(got, unix.EACCES.Error()) {
			t.Errorf("%s: %q", what, got)
		}
	}
}

// threads has some before and makes some after, and waits to be looked at.
func threads(string) {
	locked := make(chan struct{})
	more := func() {
		for range 4 {
			go func() {
				runtime.LockOSThread()
				locked <- struct{}{}
				select {}
			}()
		}
		for range 4 {
			<-locked
		}
	}
	more()
	confined(confine.Config{})
	more()
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// Every thread is confined, also those that were there before, with the
// capabilities that ping may take and no other; and the whole is not traceable.
func TestThreads(t *testing.T) {
	needAll(t)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), tryEnv+"=threads")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatal(line, err)
	}
	all, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", cmd.Process.Pid))
	if err != nil || len(all) < 9 {
		t.Fatal(len(all), " threads: ", err)
	}
	for _, file := range all {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		status := string(b)
		for _, want := range []string{"NoNewPrivs:\t1\n", "Seccomp:\t2\n", "CapInh:\t0000000000000000\n", "CapAmb:\t0000000000000000\n"} {
			if !strings.Contains(status, want) {
				t.Errorf("%s: not %q", file, want)
			}
		}
		if os.Geteuid() == 0 && !strings.Contains(status, "CapBnd:\t0000000000000000\n") {
			t.Errorf("%s: a bounding set is left", file)
		}
		for _, set := range []string{"CapPrm", "CapEff"} {
			if !strings.Contains(status, set+":\t0000000000000000\n") && !strings.Contains(status, set+":\t0000000000002000\n") {
				t.Errorf("%s: %s has more than CAP_NET_RAW", file, set)
			}
		}
	}
}

// What is kept is what is asked for, and there.
func TestNeeds(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, who has capabilities to keep")
	}
	find := func(cfg confine.Config, want string) bool {
		return strings.Contains(strings.Join(confine.Means(cfg)[0].Objects, "\n"), want)
	}
	if find(confine.Config{}, "CAP_NET_BIND_SERVICE") || !find(confine.Config{Bind: true}, "CAP_NET_BIND_SERVICE") {
		t.Error("CAP_NET_BIND_SERVICE")
	}
	if find(confine.Config{}, "CAP_DAC_OVERRIDE") || !find(confine.Config{Replace: []string{"/tmp"}}, "CAP_DAC_OVERRIDE") {
		t.Error("CAP_DAC_OVERRIDE")
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "f"), filepath.Join(t.TempDir(), "l")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{file: dir, link: dir, filepath.Join(dir, "absent"): dir, "absent": ".", "/dev/null": ""} {
		if got := confine.Folder(name); got != want {
			t.Errorf("Folder(%s) = %q, want %q", name, got, want)
		}
	}
}
