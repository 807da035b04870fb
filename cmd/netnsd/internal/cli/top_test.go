//go:build linux

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

// script is a daemon that answers what a test gives it.
type script struct {
	flows  []control.Flow
	killed []uint64
	err    error
}

func (s *script) Flows(context.Context, string) ([]control.Flow, error) { return s.flows, s.err }

func (s *script) Chains(context.Context, string) ([]control.Chain, error) {
	return []control.Chain{{
		Attachment: "web", Name: "only", Version: 3, Protocols: []string{"tcp"}, Base: "host",
		Layers: []control.Layer{{Name: "rules", Decides: true, Probe: control.Probe{Verdicts: map[string]uint64{"deny": 7}}}},
	}}, s.err
}

func (s *script) Kill(_ context.Context, id uint64) error {
	s.killed = append(s.killed, id)
	return s.err
}

// screen presses keys and returns what is on the screen then.
func screen(w *watch, keys ...string) string {
	for _, k := range keys {
		m := tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(k)}
		switch k {
		case "up":
			m = tea.KeyMsg{Type: tea.KeyUp}
		case "down":
			m = tea.KeyMsg{Type: tea.KeyDown}
		}
		if _, cmd := w.Update(m); cmd != nil {
			w.Update(cmd())
		}
	}
	return w.View()
}

// flow is one that has moved so many bytes, and is n seconds old.
func flowOf(id, in uint64, n int) control.Flow {
	return control.Flow{ID: id, Attachment: "web", Proto: "tcp", Dest: fmt.Sprintf("192.0.2.%d:80", id), Chain: "only", State: "open", BytesIn: in,
		Since: time.Unix(1e9-int64(n), 0)}
}

// order of the flows on the screen, by their IDs; that of the selected one stands in
// brackets.
func shown(view string) string {
	var ids []string
	for line := range strings.Lines(view) {
		f := strings.Fields(line)
		switch {
		case len(f) > 3 && f[0] == ">" && f[2] == "web":
			ids = append(ids, "["+f[1]+"]")
		case len(f) > 3 && f[1] == "web" && f[2] == "tcp":
			ids = append(ids, f[0])
		}
	}
	return strings.Join(ids, " ")
}

func TestTop(t *testing.T) {
	d := &script{flows: []control.Flow{flowOf(1, 5000, 10), flowOf(2, 100, 30), flowOf(3, 900, 20)}}
	w := &watch{asks: d}
	if !strings.Contains(w.View(), "asking") {
		t.Error(w.View())
	}
	w.Update(tea.WindowSizeMsg{Width: 200, Height: 30})
	at := time.Unix(1e9, 0)
	answer := func() {
		s := w.ask(t.Context())
		at = at.Add(2 * time.Second)
		s.at = at
		w.Update(s)
	}
	answer()
	d.flows = []control.Flow{flowOf(1, 5000, 10), flowOf(2, 4100, 30), flowOf(3, 1900, 20)}
	answer()
	for _, c := range []struct {
		keys []string
		want string
	}{
		{nil, "2 3 [1]"}, // who was first before there were rates is selected still
		{[]string{"s"}, "[1] 2 3"},
		{[]string{"s"}, "2 3 [1]"},
		{[]string{"s", "up"}, "2 [3] 1"},
		{[]string{"up", "up", "up"}, "[2] 3 1"},
		{[]string{"down"}, "2 [3] 1"},
	} {
		if got := shown(screen(w, c.keys...)); got != c.want {
			t.Errorf("%v: %s, want %s\n%s", c.keys, got, c.want, w.View())
		}
	}
	for _, want := range []string{"flows 3", "in 2.4K/s", "2.0K", "by rate", "chain only, version 3", "┌ rules", "7", "└ host"} {
		if !strings.Contains(w.View(), want) {
			t.Errorf("no %q in\n%s", want, w.View())
		}
	}
	if v := screen(w, "k"); len(d.killed) != 1 || d.killed[0] != 3 || !strings.Contains(v, "flow 3 is reset") {
		t.Errorf("%v\n%s", d.killed, v)
	}
	d.flows = d.flows[:1]
	answer()
	if got := shown(w.View()); got != "[1]" {
		t.Errorf("the selected one has gone: %s", got)
	}
	d.err = errors.New("the daemon has gone")
	answer()
	if v := w.View(); !strings.Contains(v, "the daemon has gone") || shown(v) != "[1]" {
		t.Error(v)
	}
	d.err, d.flows = nil, nil
	answer()
	if v := screen(w, "up", "k"); shown(v) != "" || len(d.killed) != 1 {
		t.Errorf("%v\n%s", d.killed, v)
	}
	if _, cmd := w.Update(tea.KeyMsg{Type: tea.KeyCtrlC}); cmd == nil || cmd() != tea.Quit() {
		t.Error("^C does not end it")
	}
}

// Any screen is large enough, and none is left.
func TestTopSizes(t *testing.T) {
	d := &script{}
	for i := range uint64(200) {
		d.flows = append(d.flows, flowOf(i+1, i, int(i)))
	}
	w := &watch{asks: d}
	w.Update(w.ask(t.Context()))
	for _, size := range [][2]int{{0, 0}, {1, 1}, {20, 5}, {80, 24}, {300, 100}} {
		w.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		for range 5 {
			lines := strings.Split(screen(w, "down"), "\n")
			if size[1] >= 24 && len(lines) > size[1] {
				t.Errorf("%v: %d lines", size, len(lines))
			}
			for _, l := range lines {
				if size[0] > 0 && len([]rune(l)) > size[0] {
					t.Errorf("%v: %q", size, l)
				}
			}
		}
	}
}
