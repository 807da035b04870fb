//go:build linux

package bench

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	harness "github.com/netnsd/netnsd/bench"
)

// progress shows how far a run is: a bar on a terminal, else a line now and then.
// What is written to it stands above the bar.
type progress struct {
	terminal bool

	mu    sync.Mutex // the harness logs from goroutines of its own
	w     io.Writer
	bar   *progressbar.ProgressBar
	last  time.Time // of a line
	tenth int       // that the last line told of
}

func newProgress(w io.Writer, terminal bool) *progress { return &progress{w: w, terminal: terminal} }

// Write writes words between the steps.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear() // w's errors are the caller's when it writes itself
	}
	return p.w.Write(b)
}

func (p *progress) step(s harness.Step) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal {
		p.draw(s)
	} else {
		p.line(s)
	}
}

func (p *progress) draw(s harness.Step) {
	if p.bar == nil {
		p.bar = progressbar.NewOptions(s.All,
			progressbar.OptionSetWriter(p.w), progressbar.OptionUseANSICodes(true), progressbar.OptionSetWidth(30),
			progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false),
			progressbar.OptionShowDescriptionAtLineEnd(), progressbar.OptionClearOnFinish())
	}
	p.bar.Describe(fmt.Sprintf("%s left: %s", about(s.Left), s.What))
	_ = p.bar.Set(s.Done)
}

// quiet is how long a run says nothing where nobody watches.
const quiet = time.Minute

func (p *progress) line(s harness.Step) {
	tenth := 0
	if s.All > 0 {
		tenth = 10 * s.Done / s.All
	}
	if !p.last.IsZero() && tenth == p.tenth && time.Since(p.last) < quiet {
		return
	}
	p.last, p.tenth = time.Now(), tenth
	fmt.Fprintf(p.w, "%d of %d, %s left: %s\n", s.Done, s.All, about(s.Left), s.What)
}

// end takes the bar away.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
}
