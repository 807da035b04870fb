//go:build linux

package confine_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/confine"
)

// BenchmarkFilter is the table of the package's doc: two processes, one confined, do
// the same in turn, and are asked for the CPU time that each call took, so that a busy
// machine matters little. Its ratios are medians of the rounds: -benchtime 3000x.
func BenchmarkFilter(b *testing.B) {
	plain, filtered := worker(b, "plain"), worker(b, "filtered")
	var without, ratio [len(work)][]float64
	for b.Loop() {
		p, f := plain(), filtered()
		for k := range work {
			without[k], ratio[k] = append(without[k], p[k]), append(ratio[k], f[k]/p[k])
		}
	}
	for k, w := range work {
		slices.Sort(without[k])
		slices.Sort(ratio[k])
		b.ReportMetric(without[k][len(without[k])/2], w.name+"-ns")
		b.ReportMetric(ratio[k][len(ratio[k])/2], w.name+"-ratio")
	}
}

// worker starts one; what is returned has it do a round.
func worker(b *testing.B, kind string) func() [len(work)]float64 {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), tryEnv+"="+kind)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	lines := bufio.NewReader(out)
	return func() (ns [len(work)]float64) {
		if _, err := in.Write([]byte{1}); err != nil {
			b.Fatal(err)
		}
		line, err := lines.ReadString('\n')
		if err == nil {
			_, err = fmt.Sscan(line, &ns[0], &ns[1], &ns[2], &ns[3])
		}
		if err != nil {
			b.Fatal(line, err)
		}
		return ns
	}
}

func init() {
	tries["plain"] = func(string) { rounds() }
	tries["filtered"] = func(string) {
		confined(confine.Config{})
		rounds()
	}
}

// work is what a round does, so many times.
var work = [...]struct {
	name  string
	times int
	do    func(*ends)
}{
	{"read", 3000, func(e *ends) { _, _ = unix.Read(e.event, e.small) }}, // EAGAIN
	{"unix", 500, func(e *ends) { _, _ = unix.Write(e.pair[0], e.small[:1]); _, _ = unix.Read(e.pair[1], e.small) }},
	{"tcp", 300, func(e *ends) {
		_, _ = unix.Write(e.client, e.small[:1])
		_, _ = unix.EpollWait(e.epoll, e.events[:], 0)
		_, _ = unix.Read(e.server, e.small)
	}},
	{"bulk", 50, func(e *ends) {
		_, _ = unix.Write(e.client, e.big)
		for n := 0; n < len(e.big); {
			m, err := unix.Read(e.server, e.big)
			if err != nil || m == 0 {
				panic(fmt.Sprint(m, err))
			}
			n += m
		}
	}},
}

type ends struct {
	event, client, server, epoll int
	pair                         [2]int
	events                       [4]unix.EpollEvent
	small, big                   []byte
}

func newEnds() (e *ends, err error) {
	e = &ends{small: make([]byte, 8), big: make([]byte, 32<<10)}
	ok := func(what error) {
		if err == nil {
			err = what
		}
	}
	var e1 error
	e.event, e1 = unix.Eventfd(0, unix.EFD_NONBLOCK)
	ok(e1)
	e.pair, e1 = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	ok(e1)
	l, e1 := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	ok(e1)
	ok(unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	ok(unix.Listen(l, 1))
	at, e1 := unix.Getsockname(l)
	ok(e1)
	e.client, e1 = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	ok(e1)
	ok(unix.Connect(e.client, at))
	e.server, _, e1 = unix.Accept(l)
	ok(e1)
	ok(unix.SetsockoptInt(e.client, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
	e.epoll, e1 = unix.EpollCreate1(0)
	ok(e1)
	ok(unix.EpollCtl(e.epoll, unix.EPOLL_CTL_ADD, e.server, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(e.server)}))
	return e, err
}

// rounds does one for each byte of stdin, and prints the nanoseconds of each work.
func rounds() {
	runtime.LockOSThread()
	e, err := newEnds()
	if err != nil {
		panic(err)
	}
	for b := make([]byte, 1); ; {
		if _, err := io.ReadFull(os.Stdin, b); err != nil {
			return
		}
		for _, w := range work {
			began := used()
			for range w.times {
				w.do(e)
			}
			fmt.Print((used()-began)/float64(w.times), " ")
		}
		fmt.Println()
	}
}

// used is the CPU time of this thread, in nanoseconds.
func used() float64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		panic(err)
	}
	return float64(ts.Nano())
}
