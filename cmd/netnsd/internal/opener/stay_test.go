//go:build linux

package opener

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/confine"
	"github.com/netnsd/netnsd/sockets/gateway/owner"
)

// stay starts a Resident that ends with the test, and gives the number of our network.
func stay(t *testing.T) (*Resident, uint64) {
	t.Helper()
	r := resides(t, Stay)
	network, err := owner.NetworkOf("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return r, network
}

func resides(t *testing.T, start func() (*Resident, []confine.Mean, error)) *Resident {
	t.Helper()
	r, means, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pid := r.process.Process.Pid
		if err := r.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
			t.Errorf("something is left of it: %v", err)
		}
	})
	for _, m := range means {
		if m.Missing != "" {
			t.Errorf("%+v", m)
		}
	}
	return r
}

// ctx is long enough for a machine that stalls.
func ctx(t *testing.T) context.Context {
	c, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return c
}

func socketOf(t *testing.T) (inode uint64) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

// A Resident finds us by our socket; many may ask at once.
func TestResident(t *testing.T) {
	r, network := stay(t)
	inode := socketOf(t)
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			p, err := r.Processes(network).ByInode(ctx(t), inode)
			if err != nil || p.PID != os.Getpid() || p.Executable != self {
				t.Errorf("%+v, %v", p, err)
			}
		})
	}
	all.Wait()
	// A socket of no one, and one that is not in that network.
	if _, err := r.Processes(network).ByInode(ctx(t), 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nobody: %v", err)
	}
	if _, err := r.Processes(1).ByInode(ctx(t), inode); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another network: %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if p, err := r.Processes(network).ByInode(over, inode); err == nil && p.PID != os.Getpid() || err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %+v, %v", p, err)
	}
}

// It has few rights, and is not a way to more.
func TestResidentConfined(t *testing.T) {
	looks := uint64(1<<unix.CAP_SYS_PTRACE | 1<<unix.CAP_DAC_READ_SEARCH)
	confined(t, resides(t, Stay), looks)
	confined(t, resides(t, StayOpen), looks|1<<unix.CAP_SYS_ADMIN|1<<unix.CAP_NET_ADMIN)
}

func confined(t *testing.T, r *Resident, caps uint64) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.process.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	few := fmt.Sprintf("%016x", caps)
	if os.Geteuid() != 0 {
		few = fmt.Sprintf("%016x", 0)
	}
	for _, want := range []string{"CapPrm:\t" + few, "CapEff:\t" + few, "CapInh:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(string(b), want+"\n") {
			t.Errorf("not %q in\n%s", want, b)
		}
	}
}

// When it has ended every question fails, also one that is open, and none waits.
func TestResidentEnds(t *testing.T) {
	r, network := stay(t)
	if err := r.process.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	asked := make(chan error)
	go func() {
		_, err := r.Processes(network).ByInode(ctx(t), 1)
		asked <- err
	}()
	if err := r.process.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-asked; err == nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open: %v", err)
	}
	if _, err := r.Processes(network).ByInode(ctx(t), 1); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("afterwards: %v", err)
	}
}

// More than it takes at once are refused at once, and no memory of them is kept.
func TestResidentBusy(t *testing.T) {
	r, network := stay(t)
	if err := r.process.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	answers := make(chan error, 2*maxAsked)
	for range 2 * maxAsked {
		all.Go(func() {
			_, err := r.Processes(network).ByInode(short, 1)
			answers <- err
		})
	}
	for range maxAsked {
		if err := <-answers; !errors.Is(err, unix.EAGAIN) {
			t.Error(err)
		}
	}
	cancel()
	all.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.asked) != 0 {
		t.Errorf("%d are kept", len(r.asked))
	}
}

// What a service manager sends to all of a service does not end it before us.
func TestResidentOutlives(t *testing.T) {
	r, network := stay(t)
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		if err := r.process.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Processes(network).ByInode(ctx(t), 1); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// One that looks opens nothing, and does not talk to those who ask for it.
func TestResidentOnlyLooks(t *testing.T) {
	r, _ := stay(t)
	if err := r.Look("/proc/self/ns/net"); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Error(err)
	}
	<-r.Ended()
}

// Once we hang up it ends of itself.
func TestResidentHungUp(t *testing.T) {
	r, _ := stay(t)
	if err := r.conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.process.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func FuzzQuestion(f *testing.F) {
	f.Add([]byte(`{"Version":2,"ID":7,"Network":4026531840,"Inode":4711}`))
	f.Add([]byte(`{"Version":1,"ID":7,"Inode":1}`))
	f.Add([]byte(`{"Version":2,"ID":7,"Inode":1}{}`))
	f.Add([]byte(`{"Version":2,"ID":7,"Open":{"Netns":"/run/netns/a","Name":"tun0","MTU":1500,"Persist":true,"Addrs":["10.0.2.100/24"],"Gateways":["10.0.2.2"],"Routes":["0.0.0.0/0"]}}`))
	f.Add([]byte(`{"Version":2,"ID":7,"Open":{"Name":"../x"}}`))
	f.Add([]byte(`{"Version":2,"ID":7,"Configure":7}`))
	f.Add([]byte(`{"Version":2,"ID":7,"Close":7,"SetUp":7}`))
	f.Add([]byte(`{"Version":2,"ID":7,"Look":"etc"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := parseQuestion(b)
		switch p := q.Open; {
		case err != nil:
		case q.Version != version, q.ID == 0, q.Look != "" && q.Look[0] != '/', strings.Contains(q.Look, "\x00"):
			t.Errorf("%q is %+v", b, q)
		case p == nil:
		case p.Name == "", len(p.Name) > 15, strings.Contains(p.Name, "/"), len(p.Routes) > maxRoutes, p.Netns != "" && p.Netns[0] != '/':
			t.Errorf("%q is %+v", b, p)
		}
	})
}

func FuzzReply(f *testing.F) {
	f.Add([]byte(`{"Version":2,"ID":7,"Process":{"pid":1,"exe":"/sbin/init"}}`))
	f.Add([]byte(`{"Version":2,"ID":7,"Nobody":true}`))
	f.Add([]byte(`{"Version":2,"Means":[{"Against":"a","By":"b"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := parseReply(b)
		if err != nil {
			return
		}
		if p, err := a.answer(); err == nil && (a.Process == nil || p != *a.Process || a.Nobody) {
			t.Errorf("%q is %+v", b, p)
		}
	})
}
