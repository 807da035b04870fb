package dns

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// A file is looked at no more often than lookEvery. One that was written within
// settles before we read it is read again: its time stamp may not show the next
// change (git calls that racily clean).
const (
	lookEvery = time.Second
	settles   = 2 * time.Second
	maxFile   = 16 << 20
)

// file is one that is read again when it has changed.
type file struct {
	path string

	mu     sync.Mutex
	looked time.Time
	seen   fs.FileInfo
	read   time.Time // by the file's clock
	err    string
}

// changed returns the content if it may be new, nil if not. An error is returned once.
func (f *file) changed(now time.Time) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.looked.IsZero() && now.Sub(f.looked).Abs() < lookEvery {
		return nil, nil
	}
	f.looked = now
	info, err := os.Stat(f.path)
	if err != nil {
		f.seen = nil
		return nil, f.once(err)
	}
	if old := f.seen; old != nil && os.SameFile(old, info) && old.Size() == info.Size() &&
		old.ModTime().Equal(info.ModTime()) && f.read.Sub(info.ModTime()) > settles {
		return nil, nil
	}
	if !info.Mode().IsRegular() { // to open a FIFO may take for ever, and all would wait
		f.seen = nil
		return nil, f.once(fmt.Errorf("%s: not a regular file", f.path))
	}
	read := time.Now()
	b, err := readFile(f.path)
	if err != nil {
		f.seen = nil
		return nil, f.once(err)
	}
	f.seen, f.read, f.err = info, read, ""
	if b == nil {
		b = []byte{}
	}
	return b, nil
}

func (f *file) once(err error) error {
	if err.Error() == f.err {
		return nil
	}
	f.err = err.Error()
	return err
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s: larger than %d MiB", path, maxFile>>20)
	}
	return b, err
}
