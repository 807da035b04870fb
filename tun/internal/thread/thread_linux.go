package thread

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Spoil runs f on a thread that ends afterwards, and waits for it. What f changes of the thread (its namespaces) reaches
// nobody else, and need not be undone, which could fail.
func Spoil(f func() error) error {
	done := make(chan error)
	go work(f, done)
	return <-done
}

func work(f func() error, done chan<- error) {
	runtime.LockOSThread() // the runtime ends the thread of a goroutine that ends locked
	if unix.Gettid() == unix.Getpid() {
		// The main thread cannot end, and is what /proc/PID shows of the process. Hold it, so that another takes the work.
		other := make(chan error)
		go work(f, other)
		err := <-other
		runtime.UnlockOSThread()
		done <- err
		return
	}
	done <- f()
}
