package providertest

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// Patience is how long Main waits for goroutines and descriptors to go after
// the last test, before it calls them leaked.
const Patience = 20 * time.Second

// Main runs the tests of a package and then looks whether they left anything:
// goroutines, and on Linux file descriptors, that were not there before. What is
// left is printed, and the process exits with a failure although all tests
// passed. It does not return. Use it as
//
//	func TestMain(m *testing.M) { providertest.Main(m) }
//
// Nothing is collected by force, so an object that only a finalizer closes is a leak.
func Main(m *testing.M) {
	before := take()
	code := m.Run()
	if code == 0 && !before.cleared(os.Stderr) {
		code = 1
	}
	os.Exit(code)
}

// Watch returns a function that says which goroutines and descriptors were not
// there when Watch ran and stay for longer than Patience; "" is none. It is for
// a test that wants to know earlier than Main does; no other may run beside it.
func Watch() (leaks func() string) {
	before := take()
	return func() string {
		var b strings.Builder
		before.cleared(&b)
		return b.String()
	}
}

// resources are what a process holds: goroutines by their number, descriptors
// by number and what they point to.
type resources struct {
	goroutines map[string]bool
	files      []string
}

func take() resources {
	openPoller()
	r := resources{goroutines: make(map[string]bool), files: files()}
	for id := range goroutines() {
		r.goroutines[id] = true
	}
	return r
}

// openPoller makes the runtime open the two descriptors of its network poller,
// which it does at the first use of any pollable file, and keeps for ever.
func openPoller() {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
}

// cleared reports that all that was not in r has gone, looking again until
// Patience is over, and writes what is left to w.
func (r resources) cleared(w io.Writer) bool {
	var stacks, open []string
	for end := time.Now().Add(Patience); ; time.Sleep(10 * time.Millisecond) {
		stacks, open = r.left()
		if len(stacks)+len(open) == 0 {
			return true
		}
		if time.Now().After(end) {
			break
		}
	}
	if len(stacks) > 0 {
		fmt.Fprintf(w, "leak: %d goroutines are left after %v:\n\n%s\n", len(stacks), Patience, strings.Join(stacks, "\n\n"))
	}
	if len(open) > 0 {
		fmt.Fprintf(w, "leak: %d descriptors are left after %v:\n\t%s\n", len(open), Patience, strings.Join(open, "\n\t"))
	}
	return false
}

func (r resources) left() (stacks, open []string) {
	for id, stack := range goroutines() {
		if !r.goroutines[id] {
			stacks = append(stacks, stack)
		}
	}
	for _, f := range files() {
		if !slices.Contains(r.files, f) {
			open = append(open, f)
		}
	}
	slices.Sort(stacks)
	return stacks, open
}

var header = regexp.MustCompile(`^goroutine (\d+) `)

// standing are goroutines that packages of the standard library start once and
// never end.
var standing = []string{"os/signal.signal_recv", "os/signal.loop", "testing.(*F).Fuzz", "internal/fuzz."}

// goroutines are the stacks of all goroutines but the caller's, by number.
func goroutines() map[string]string {
	buf := make([]byte, 1<<16)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	all := make(map[string]string)
	for i, stack := range strings.Split(strings.TrimSpace(string(buf)), "\n\n") {
		m := header.FindStringSubmatch(stack)
		if i == 0 || m == nil || slices.ContainsFunc(standing, func(s string) bool { return strings.Contains(stack, s) }) {
			continue // the first is the caller
		}
		all[m[1]] = stack
	}
	return all
}

// files lists the open descriptors as "number target"; nothing where there is
// no /proc.
func files() []string {
	const dir = "/proc/self/fd"
	d, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var all []string
	for _, e := range d {
		// The descriptor that ReadDir itself read through is gone by now.
		if to, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
			all = append(all, e.Name()+" "+to)
		}
	}
	return all
}
