package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/netnsd/netnsd/provider"
)

// retry is how long after a failed write the next is tried, if no line comes.
const retry = time.Second

// journal is one file with its queue: the resource that chains share.
type journal struct {
	layer *Layer
	w     io.Writer
	more  chan struct{} // something is queued

	mu    sync.Mutex // guards the queue; held for memory operations only
	queue []byte     // whole lines
	lost  uint64     // lines dropped since the last was queued

	writing sync.Mutex // one writer; guards what follows; taken before mu
	batch   []byte     // being written: whole lines, unless torn
	torn    bool       // the first line of batch is written in part
	failing bool
}

// resource is the name under which chains find the same journal.
func (l *Layer) resource() string {
	if l.toOutput() {
		return fmt.Sprintf("audit:%p", l.cfg.Output)
	}
	if path, err := filepath.Abs(l.cfg.Path); err == nil {
		return "audit:" + path
	}
	return "audit:" + l.cfg.Path
}

func (l *Layer) toOutput() bool { return l.cfg.Path == "" || l.cfg.Path == "-" }

func (l *Layer) sink() (io.Writer, func() error, error) {
	if l.toOutput() {
		return l.cfg.Output, func() error { return nil }, nil
	}
	// O_NONBLOCK: a FIFO that nobody reads is an error (ENXIO), not a wait.
	f, err := os.OpenFile(l.cfg.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("audit: %w", err)
	}
	return f, f.Close, nil
}

// journal opens the resource.
func (l *Layer) journal() (*journal, func() error, error) {
	w, end, err := l.sink()
	if err != nil {
		return nil, nil, err
	}
	j := &journal{layer: l, w: w, more: make(chan struct{}, 1)}
	l.mu.Lock()
	l.open = append(l.open, j)
	l.mu.Unlock()
	return j, func() error {
		l.mu.Lock()
		l.open = slices.DeleteFunc(l.open, func(o *journal) bool { return o == j })
		l.mu.Unlock()
		return errors.Join(j.finish(), end())
	}, nil
}

// add queues a line. It never waits for the disk.
func (j *journal) add(r Record) {
	r.Time = j.layer.cfg.Now().UTC()
	line, err := json.Marshal(r)
	if err != nil { // no type of a Record can fail to be marshalled
		line = nil
	}
	j.mu.Lock()
	if line == nil || len(j.queue)+len(line) >= j.layer.cfg.Buffer {
		j.lost++
		j.layer.dropped.Add(1)
	} else {
		j.queue = append(append(j.queue, line...), '\n')
	}
	j.mu.Unlock()
	j.signal()
}

func (j *journal) signal() {
	select {
	case j.more <- struct{}{}:
	default:
	}
}

// writer is the goroutine that writes: one in each chain that has the journal,
// of which one at a time does. So it can be the chain's, although the journal
// lives longer.
func (j *journal) writer(r *provider.StartupRequest) func(context.Context) {
	return func(ctx context.Context) {
		var again *provider.Timer
		for {
			select {
			case <-j.more:
			case <-ctx.Done():
				j.flush(r.Log)
				if again != nil {
					again.Stop()
				}
				j.signal() // another chain's writer may have work left
				return
			}
			if !j.flush(r.Log) {
				if again != nil {
					again.Stop()
				}
				again = r.AfterFunc(nil, retry, j.signal)
			}
		}
	}
}

// flush writes all that is queued; false if it could not.
func (j *journal) flush(log *slog.Logger) bool {
	j.writing.Lock()
	defer j.writing.Unlock()
	for j.take() {
		n, err := j.w.Write(j.batch)
		if n < len(j.batch) && err == nil {
			err = io.ErrShortWrite
		}
		j.wrote(max(n, 0))
		if err != nil {
			if !j.failing {
				log.Error("audit: cannot write; traffic goes on, lines wait and are then dropped", "error", err)
			}
			j.failing = true
			return false
		}
		if j.failing {
			log.Info("audit: writing again", "dropped", j.layer.Dropped())
		}
		j.failing = false
	}
	return true
}

// take makes the queue the batch, unless there is still one. writing is held.
func (j *journal) take() bool {
	if len(j.batch) > 0 {
		return true
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.lost > 0 {
		line, _ := json.Marshal(Record{Time: j.layer.cfg.Now().UTC(), Event: "dropped", Dropped: j.lost})
		j.queue = append(append(j.queue, line...), '\n')
		j.lost = 0
	}
	j.batch, j.queue = j.queue, j.batch[:0]
	return len(j.batch) > 0
}

// wrote drops the n bytes that were written from the batch, and takes a half
// line back.
func (j *journal) wrote(n int) {
	whole := bytes.LastIndexByte(j.batch[:n], '\n') + 1
	half := n - whole
	switch {
	case half == 0:
		j.torn = j.torn && n == 0
	case whole == 0 && j.torn: // more of a line that was torn before
	case untear(j.w, half):
		n, j.torn = whole, false
	default:
		j.torn = true
	}
	j.batch = append(j.batch[:0], j.batch[n:]...)
}

// untear cuts the last n bytes off a file, if it is one and they are ours:
// after an appending write the offset is where we stopped, and if that is not
// the end somebody else has appended since.
func untear(w io.Writer, n int) bool {
	f, ok := w.(interface {
		Stat() (fs.FileInfo, error)
		Seek(int64, int) (int64, error)
		Truncate(int64) error
	})
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	at, err := f.Seek(0, io.SeekCurrent)
	return err == nil && at == info.Size() && f.Truncate(at-int64(n)) == nil
}

// records counts the lines, but for those that only note a gap.
func records(b []byte) int {
	return bytes.Count(b, []byte{'\n'}) - bytes.Count(b, []byte(`,"event":"dropped"`))
}

// finish is the last attempt. What cannot be written is lost, and said.
func (j *journal) finish() error {
	if j.flush(slog.New(slog.DiscardHandler)) {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	n := records(j.batch) + records(j.queue)
	j.layer.dropped.Add(uint64(n))
	return fmt.Errorf("audit: %s: %d lines could not be written", j.layer.cfg.Path, n)
}
