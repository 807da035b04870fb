//go:build unix

package dns

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A FIFO in the place of a file, into which nobody writes, keeps no query waiting.
func TestFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f := file{path: path}
	done := make(chan error, 1)
	go func() {
		_, err := f.changed(newClock().now())
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a FIFO was read")
		}
	case <-time.After(30 * time.Second):
		t.Error("who opens a FIFO waits for a writer")
		if fd, err := syscall.Open(path, syscall.O_RDWR, 0); err == nil {
			<-done
			syscall.Close(fd)
		}
	}
}
