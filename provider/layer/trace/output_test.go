package trace

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

var discard = slog.New(slog.DiscardHandler)

// gate is a writer that blocks until it is opened.
type gate struct {
	bytes.Buffer
	entered, opened chan struct{}
}

func (g *gate) Write(b []byte) (int, error) {
	select {
	case g.entered <- struct{}{}:
	default:
	}
	<-g.opened
	return g.Buffer.Write(b)
}

// TestNeverBlocks: while nothing can be written operations go on, lines beyond the bound
// are dropped, counted, and said to be missing.
func TestNeverBlocks(t *testing.T) {
	g := &gate{entered: make(chan struct{}, 1), opened: make(chan struct{})}
	l := New(Config{Output: g, Buffer: 1000, Ops: opShutdown.set(), Now: newTicks().read})
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, l)
	s := rig.Socket(t)
	rig.Chain.Table.WSPShutdown(s, wsa.SD_BOTH)
	<-g.entered // it has the first line, and stays there
	const many = 200
	for range many {
		rig.Chain.Table.WSPShutdown(s, wsa.SD_BOTH)
	}
	dropped := l.Dropped()
	if dropped == 0 || dropped >= many {
		t.Errorf("%d of %d lines were dropped", dropped, many)
	}
	rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
	close(g.opened)
	providertest.End(t, rig.Chain)
	text := g.String()
	if n := strings.Count(text, " shutdown "); n != 1+many-int(dropped) {
		t.Errorf("%d lines were written and %d dropped, of %d", n, dropped, many+1)
	}
	if want := fmt.Sprintf("#- dropped %d lines\n", dropped); !strings.HasSuffix(text, want) {
		t.Errorf("the end is %q, want %q", text[max(0, len(text)-80):], want)
	}
}

// broken fails its first writes, half-way.
type broken struct {
	bytes.Buffer
	fails int
}

func (b *broken) Write(p []byte) (int, error) {
	if b.fails--; b.fails >= 0 {
		n, _ := b.Buffer.Write(p[:len(p)/2])
		return n, errors.New("no space")
	}
	return b.Buffer.Write(p)
}

// TestWriteFails: a line that was written in part does not run into the next, and what
// is missing is said.
func TestWriteFails(t *testing.T) {
	w := &broken{fails: 1}
	l := New(Config{Output: w, Ops: opShutdown.set()})
	o, end, err := l.open()
	if err != nil {
		t.Fatal(err)
	}
	quiet := func() { o.flush(discard) }
	v := event{op: opShutdown}
	o.add(&v)
	quiet()
	o.add(&v)
	quiet()
	if err := end(); err != nil || l.Dropped() != 1 {
		t.Errorf("%v, %d dropped; want 1", err, l.Dropped())
	}
	lines := strings.Split(strings.TrimSuffix(w.String(), "\n"), "\n")
	if len(lines) != 3 || !strings.HasSuffix(lines[1], " shutdown = 0 <0s>") || !strings.HasSuffix(lines[2], "#- dropped 1 lines") {
		t.Errorf("written: %q", lines)
	}
}

// TestNothingCanBeWritten: the end says how much is lost, each line once.
func TestNothingCanBeWritten(t *testing.T) {
	w := &broken{fails: 100}
	l := New(Config{Output: w})
	o, end, _ := l.open()
	for range 3 {
		o.add(&event{op: opShutdown})
	}
	o.flush(discard)
	o.add(&event{op: opShutdown})
	err := end()
	if err == nil || l.Dropped() > 4 || l.Dropped() < 2 {
		t.Errorf("%v, %d dropped", err, l.Dropped())
	}
}

// TestFile: chains share the file, which nobody else may read; a file that cannot be
// made keeps a chain from being built.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace")
	l := New(Config{Path: path, Ops: opSocket.set(), JSON: true})
	for range 2 {
		rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, l)
		s := rig.Socket(t)
		rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
		providertest.End(t, rig.Chain)
	}
	text, err := os.ReadFile(path)
	if err != nil || bytes.Count(text, []byte(`"op":"socket"`)) != 2 {
		t.Errorf("%s, %v", text, err)
	}
	if st, err := os.Stat(path); err == nil && st.Mode().Perm()&0o077 != 0 {
		t.Errorf("mode %v", st.Mode())
	}
	_, err = providertest.TryBuild(new(providertest.Base), wsa.IPPROTO_TCP, New(Config{Path: filepath.Join(path, "no")}))
	if !errors.Is(err, wsa.EPROVIDERFAILEDINIT) {
		t.Errorf("a file that cannot be: %v", err)
	}
}

func BenchmarkData(b *testing.B) {
	for _, c := range []struct {
		name string
		cfg  Config
	}{
		{"text", Config{}}, {"data", Config{Data: 32}}, {"json", Config{JSON: true}}, {"other destination", Config{To: only80}}, {"control", Config{Ops: Control}},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.cfg.Output = new(counter)
			rig := providertest.Build(b, new(providertest.Base), wsa.IPPROTO_UDP, New(c.cfg), floor{})
			s := rig.Socket(b)
			defer rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
			m := message(1000, 0)
			b.ReportAllocs()
			for b.Loop() {
				rig.Chain.Table.WSPSend(s, m)
			}
		})
	}
}
