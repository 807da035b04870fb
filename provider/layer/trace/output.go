package trace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// number is a socket's, as text.
func number(h uint64) string { return strconv.FormatUint(h, 10) }

// output is one file with its queue: the resource that chains share.
type output struct {
	layer *Layer
	w     io.Writer
	more  chan struct{} // something is queued

	mu    sync.Mutex // guards the queue; held for memory operations only
	queue []byte     // whole lines
	lost  uint64     // lines dropped since the last was queued

	writing sync.Mutex // one writer; taken before mu
	batch   []byte     // being written
	noted   uint64     // lines that the last line of batch says are missing
	torn    bool       // half a line was written
	failing bool
}

// resource is the name under which chains find the same output.
func (l *Layer) resource() string {
	if l.toOutput() {
		return fmt.Sprintf("trace:%p:%v", l.cfg.Output, l.cfg.JSON)
	}
	path, err := filepath.Abs(l.cfg.Path)
	if err != nil {
		path = l.cfg.Path
	}
	return fmt.Sprintf("trace:%s:%v", path, l.cfg.JSON)
}

func (l *Layer) toOutput() bool { return l.cfg.Path == "" || l.cfg.Path == "-" }

func (l *Layer) open() (*output, func() error, error) {
	o := &output{layer: l, w: l.cfg.Output, more: make(chan struct{}, 1)}
	end := func() error { return nil }
	if !l.toOutput() {
		// O_NONBLOCK: a FIFO that nobody reads is an error (ENXIO), not a wait.
		f, err := os.OpenFile(l.cfg.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o600)
		if err != nil {
			return nil, nil, fmt.Errorf("trace: %w", err)
		}
		o.w, end = f, f.Close
	}
	return o, func() error { return errors.Join(o.finish(), end()) }, nil
}

// add queues the line of v, or drops it. It never waits for the disk.
func (o *output) add(v *event) {
	o.mu.Lock()
	before := len(o.queue)
	if o.layer.cfg.JSON {
		o.queue = v.json(o.queue)
	} else {
		o.queue = v.text(o.queue)
	}
	if len(o.queue) > o.layer.cfg.Buffer {
		o.queue = o.queue[:before]
		o.lost++
		o.layer.dropped.Add(1)
	}
	o.mu.Unlock()
	o.signal()
}

func (o *output) signal() {
	select {
	case o.more <- struct{}{}:
	default:
	}
}

// writer is the goroutine that writes: one in each chain that has the output, of which
// one at a time does.
func (o *output) writer(log *slog.Logger) func(context.Context) {
	return func(ctx context.Context) {
		for {
			select {
			case <-o.more:
				o.flush(log)
			case <-ctx.Done():
				o.flush(log)
				o.signal() // another chain's writer may have work left
				return
			}
		}
	}
}

// flush writes all that is queued. What cannot be written is dropped.
func (o *output) flush(log *slog.Logger) {
	o.writing.Lock()
	defer o.writing.Unlock()
	for o.take() {
		n, err := o.w.Write(o.batch)
		if n < len(o.batch) && err == nil {
			err = io.ErrShortWrite
		}
		if err == nil {
			o.failing = false
			continue
		}
		n = max(n, 0)
		o.torn = o.torn && n == 0 || n > 0 && o.batch[n-1] != '\n'
		o.drop(bytes.Count(o.batch[n:], []byte{'\n'}))
		if !o.failing {
			log.Error("trace: cannot write; traffic goes on, lines are dropped", "error", err)
		}
		o.failing = true
		return
	}
}

// drop counts the lines of batch that were not written. The one that notes a gap is
// none itself: the gap is noted again.
func (o *output) drop(lines int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.noted > 0 && lines > 0 {
		lines--
		o.lost += o.noted
	}
	o.layer.dropped.Add(uint64(lines))
	o.lost += uint64(lines)
}

// take makes the queue the batch, and says in it how much is missing before it.
func (o *output) take() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 && (o.lost == 0 || o.failing) {
		return false
	}
	o.batch, o.queue = o.queue, o.batch[:0]
	if o.torn {
		o.batch, o.torn = append([]byte{'\n'}, o.batch...), false
	}
	if o.noted = o.lost; o.lost > 0 {
		o.batch = o.missing(o.batch, o.layer.cfg.Now())
		o.lost = 0
	}
	return true
}

// missing appends the line that stands for those that were dropped.
func (o *output) missing(b []byte, now time.Time) []byte {
	if o.layer.cfg.JSON {
		return Record{Time: now.UTC(), Op: "dropped", Dropped: o.lost}.line(b)
	}
	return fmt.Appendf(b, "%s #- dropped %d lines\n", now.Format(clock), o.lost)
}

// finish is the last attempt.
func (o *output) finish() error {
	before := o.layer.Dropped()
	o.writing.Lock()
	o.failing = false // a gap that could not be noted is tried once more
	o.writing.Unlock()
	o.flush(slog.New(slog.DiscardHandler))
	if n := o.layer.Dropped() - before; n > 0 {
		return fmt.Errorf("trace: %s: %d lines could not be written", o.layer.cfg.Path, n)
	}
	return nil
}
