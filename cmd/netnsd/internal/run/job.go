//go:build linux

package run

import (
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/opener"
)

// relayed are handed on to the program, always: somebody sent them to us alone.
// The SIGHUP of a terminal that ends is sent to all; twice does no harm.
var relayed = []os.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGCONT}

// keys are what a terminal sends to the whole foreground process group, so that
// the program has them already; handed on only when we are not in it.
var keys = []os.Signal{unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP}

// job keeps the program and us one job of the shell that started us: what is
// signalled to us reaches the program, when it stops we stop, and it shares our
// process group, so that ^C, ^Z, fg and bg mean what they always do.
type job struct {
	tty     *terminal
	signals chan os.Signal
	done    chan struct{}
	wg      sync.WaitGroup
}

// newJob begins to hold signals back, so that none ends us before the program
// could be told.
func newJob() *job {
	j := &job{tty: openTerminal(), signals: make(chan os.Signal, 32), done: make(chan struct{})}
	for _, s := range append(keys, relayed...) {
		if !signal.Ignored(s) { // nohup: then the program ignores it too
			signal.Notify(j.signals, s)
		}
	}
	return j
}

// hold keeps signals that would end us from doing so, for good: what a run writes
// when it ends (the rest of the audit, what was learnt) is written, however often ^C
// is pressed, and the exit status is the program's.
func hold() {
	held := make(chan os.Signal, 1) // nobody reads it
	for _, s := range []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(held, s)
		}
	}
}

// relay hands signals on to c until close.
func (j *job) relay(c *opener.Child) {
	j.wg.Go(func() {
		for {
			select {
			case s := <-j.signals:
				if !j.fromKey(s) {
					_ = c.Signal(s.(syscall.Signal)) // it may have ended
				}
			case <-j.done:
				return
			}
		}
	})
}

func (j *job) fromKey(s os.Signal) bool {
	for _, k := range keys {
		if s == k {
			return j.tty.foreground()
		}
	}
	return false
}

// wait waits for the program's end.
func (j *job) wait(c *opener.Child) (unix.WaitStatus, error) {
	for {
		status, err := c.Wait()
		if err != nil || !status.Stopped() {
			return status, err
		}
		j.stop(status.StopSignal())
	}
}

// stop stops us as the program was stopped, so that the shell gets its prompt
// and says the same. It returns when we are continued; SIGCONT is relayed.
//
// signal.Reset leaves the runtime's handler of SIGTSTP in place, which swallows
// the signal (runtime.sigdisable), so the kernel is told itself. The signal is this
// thread's, which has it before the call returns; one to the process is taken by any
// thread, perhaps when the handler is back, which swallows it.
func (j *job) stop(s syscall.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	old, err := sigaction(s, sigactionBuf{})
	if err != nil {
		s = syscall.SIGSTOP // which cannot be handled
	}
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), s)
	if err == nil {
		_, _ = sigaction(s, old)
	}
}

// sigactionBuf has room for the kernel's struct sigaction of every
// architecture; all zero is SIG_DFL.
type sigactionBuf [8]uint64

func sigaction(s syscall.Signal, act sigactionBuf) (old sigactionBuf, err error) {
	const sigsetSize = 8
	_, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&act)), uintptr(unsafe.Pointer(&old)), sigsetSize, 0, 0)
	if e != 0 {
		err = e
	}
	return old, err
}

// close ends the relaying and gives the terminal back.
func (j *job) close(killed bool) {
	signal.Stop(j.signals)
	close(j.done)
	j.wg.Wait()
	j.tty.close(killed)
}
