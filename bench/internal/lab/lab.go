//go:build linux

package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/netnsd/netnsd/tun"
)

// prefix of every name that a lab gives; the pid of its owner follows.
const prefix = "netnsd-bench-"

// A Lab owns namespaces, a directory and processes.
type Lab struct {
	Dir string // for files; removed by Close

	name string

	mu   sync.Mutex
	undo []*thing // the last is undone first
}

// A thing is made once and undone once, by whoever comes first.
type thing struct {
	remove func() error
	once   sync.Once
	err    error
}

var labs atomic.Int64 // two labs of one process do not share names

// Open makes an empty lab, after it has removed what dead owners left. It needs
// root.
func Open() (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("bench: uid %d: namespaces and TUN devices are made by root only: run it with sudo", os.Geteuid())
	}
	if err := sweep(); err != nil {
		return nil, err
	}
	l := &Lab{name: fmt.Sprintf("%s%d-%d-", prefix, os.Getpid(), labs.Add(1))}
	dir, err := os.MkdirTemp("", l.name)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	l.Dir = dir
	l.keep(func() error { return os.RemoveAll(dir) })
	return l, nil
}

// keep has remove called by the function that it returns, or by Close.
func (l *Lab) keep(remove func() error) (undo func() error) {
	t := &thing{remove: remove}
	l.mu.Lock()
	l.undo = append(l.undo, t)
	l.mu.Unlock()
	return func() error {
		l.mu.Lock()
		l.undo = slices.DeleteFunc(l.undo, func(o *thing) bool { return o == t })
		l.mu.Unlock()
		return t.end()
	}
}

func (t *thing) end() error {
	t.once.Do(func() { t.err = t.remove() })
	return t.err
}

// Close ends the processes, then removes the namespaces and the files.
func (l *Lab) Close() error {
	l.mu.Lock()
	undo := l.undo
	l.undo = nil
	l.mu.Unlock()
	var errs []error
	for _, t := range slices.Backward(undo) {
		errs = append(errs, t.end())
	}
	return errors.Join(errs...)
}

// sweep removes what labs of dead processes left: a run that was killed could
// not do it itself.
func sweep() error {
	var errs []error
	for _, place := range []struct {
		dir    string
		remove func(path string) error
	}{{tun.NetnsDir, removeNetns}, {os.TempDir(), os.RemoveAll}} {
		entries, _ := os.ReadDir(place.dir)
		for _, e := range entries {
			if pid := owner(e.Name()); pid != 0 && dead(pid) {
				errs = append(errs, place.remove(filepath.Join(place.dir, e.Name())))
			}
		}
	}
	return errors.Join(errs...)
}

// owner is the pid in a name that a lab gave, else 0.
func owner(name string) int {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return 0
	}
	pid, _, _ := strings.Cut(rest, "-")
	n, _ := strconv.Atoi(pid)
	return n
}

func dead(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
