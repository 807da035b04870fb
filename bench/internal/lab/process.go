//go:build linux

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netns"
)

// A Process is somebody at work in a namespace. It ends with the lab, with this
// process however that ends, and by Stop.
type Process struct {
	Pid int

	cmd  *exec.Cmd
	errs tail
	gone chan struct{}
	err  error // of Wait, once gone
	stop func() error
}

// Start starts cmd in n. Its standard error is kept for what Err says; a ^C of
// the terminal does not reach it, so that ending it stays with us.
func (l *Lab) Start(n *Netns, cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, gone: make(chan struct{})}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.WaitDelay = time.Second
	if cmd.Stderr == nil {
		cmd.Stderr = &p.errs
	}
	started := make(chan error)
	go p.live(n, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("bench: start %s in %s: %w", title(cmd), n.Path, err)
	}
	p.stop = l.keep(p.end)
	return p, nil
}

// live starts the process and waits for its end on one thread, which is in n and
// dies with it: Pdeathsig means the death of the thread that forked.
func (p *Process) live(n *Netns, started chan<- error) {
	runtime.LockOSThread()
	h, err := netns.GetFromPath(n.Path)
	if err == nil {
		err = netns.Set(h)
		h.Close()
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		started <- err
		return
	}
	p.Pid = p.cmd.Process.Pid
	started <- nil
	p.err = p.cmd.Wait()
	close(p.gone)
}

// Gone is closed when the process has ended.
func (p *Process) Gone() <-chan struct{} { return p.gone }

// Err says how the process ended, with what it said last; nil for status 0.
// Call it after Gone.
func (p *Process) Err() error {
	if p.err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w: %s", title(p.cmd), p.err, bytes.TrimSpace(p.errs.Bytes()))
}

// Wait waits for the end.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.gone:
		return p.Err()
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("bench: %s: %w", title(p.cmd), context.Cause(ctx)), p.Stop())
	}
}

// Stop ends the process with SIGTERM and, two seconds later, SIGKILL, and all
// that it has started. It returns when it is gone; how it ended is no error.
func (p *Process) Stop() error { return p.stop() }

func (p *Process) end() error {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		select {
		case <-p.gone: // then its number may be somebody else's
			return nil
		default:
		}
		_ = syscall.Kill(-p.Pid, s)
		select {
		case <-p.gone:
		case <-time.After(2 * time.Second):
		}
	}
	<-p.gone
	return nil
}

// tail keeps the last of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 4096

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - tailSize; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

func (t *tail) Bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(t.b)
}

// title names a process in errors: with what it becomes (Lab.Resolving), if
// anything.
func title(cmd *exec.Cmd) string { return strings.Join(cmd.Args[:min(2, len(cmd.Args))], " ") }
