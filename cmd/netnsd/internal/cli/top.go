//go:build linux

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

func newTop() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "top [NAME]",
		Short: "Watch the flows of the daemon, the busiest first",
		Long: `Watch the flows that the daemon carries, of all attachments or of the one that is named:
the busiest first, asked for once a second, and below them the chain of the one that is
selected, with what has crossed each layer. OUT is from the program, IN to it.

Keys: up and down select; s sorts by rate, bytes or age; k resets the flow that is
selected; q ends. Without a terminal, netnsd ps says the same once.` + clientStatus,
		Args: cobra.MaximumNArgs(1),
	}
	c := socketFlag(cmd)
	cmd.ValidArgsFunction = completeNames(c, 1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !term.IsTerminal(int(os.Stdout.Fd())) || !term.IsTerminal(int(os.Stdin.Fd())) {
			return usage(errors.New("top: stdin and stdout have to be a terminal; netnsd ps lists the flows"))
		}
		w := &watch{asks: c, attachment: strings.Join(args, "")}
		if s := w.ask(cmd.Context()); s.err != nil {
			return asked(s.err)
		}
		_, err := tea.NewProgram(w, tea.WithAltScreen(), tea.WithContext(cmd.Context())).Run()
		if errors.Is(err, tea.ErrProgramKilled) { // by a signal
			return nil
		}
		return err
	}
	return cmd
}

// asks is what top needs of the daemon.
type asks interface {
	Flows(ctx context.Context, attachment string) ([]control.Flow, error)
	Chains(ctx context.Context, attachment string) ([]control.Chain, error)
	Kill(ctx context.Context, id uint64) error
}

// watch is the screen of top.
type watch struct {
	asks
	attachment    string
	width, height int

	at       time.Time // of flows
	flows    []moving
	chains   []control.Chain
	order    order
	selected uint64 // the ID of a flow
	note     string // what is wrong, or was done
}

// moving is a flow, and how fast: bytes a second.
type moving struct {
	control.Flow
	in, out float64
}

// order is what flows are sorted by.
type order uint8

const (
	byRate order = iota
	byBytes
	byAge
	orders
)

func (o order) String() string { return [...]string{"rate", "bytes", "age"}[o] }

// state is an answer of the daemon's.
type state struct {
	at     time.Time
	flows  []control.Flow
	chains []control.Chain
	err    error
}

func (w *watch) ask(ctx context.Context) (s state) {
	ctx, cancel := context.WithTimeout(ctx, every*5)
	defer cancel()
	if s.flows, s.err = w.Flows(ctx, w.attachment); s.err == nil {
		s.chains, s.err = w.Chains(ctx, w.attachment)
	}
	s.at = time.Now()
	return s
}

const every = time.Second

// Init implements tea.Model.
func (w *watch) Init() tea.Cmd {
	return func() tea.Msg { return w.ask(context.Background()) }
}

// Update implements tea.Model.
func (w *watch) Update(m tea.Msg) (tea.Model, tea.Cmd) {
	switch m := m.(type) {
	case tea.WindowSizeMsg:
		w.width, w.height = m.Width, m.Height
	case state:
		w.take(m)
		return w, tea.Tick(every, func(time.Time) tea.Msg { return w.ask(context.Background()) })
	case killed:
		w.note = fmt.Sprintf("flow %d is reset", m.id)
		if m.err != nil {
			w.note = m.err.Error()
		}
	case tea.KeyMsg:
		return w, w.key(m.String())
	}
	return w, nil
}

type killed struct {
	id  uint64
	err error
}

func (w *watch) key(k string) tea.Cmd {
	switch k {
	case "q", "ctrl+c", "esc":
		return tea.Quit
	case "s":
		w.order = (w.order + 1) % orders
		w.sort()
	case "up", "down":
		w.move(map[string]int{"up": -1, "down": 1}[k])
	case "k":
		id := w.selected
		if id == 0 {
			return nil
		}
		return func() tea.Msg {
			ctx, cancel := context.WithTimeout(context.Background(), every*5)
			defer cancel()
			return killed{id, w.Kill(ctx, id)}
		}
	}
	return nil
}

// take has rates by what was there before.
func (w *watch) take(s state) {
	if s.err != nil {
		w.note = s.err.Error()
		return
	}
	before := make(map[uint64]control.Flow)
	for _, f := range w.flows {
		before[f.ID] = f.Flow
	}
	took := s.at.Sub(w.at).Seconds()
	flows := make([]moving, 0, len(s.flows))
	for _, f := range s.flows {
		m := moving{Flow: f}
		if old, known := before[f.ID]; known && took > 0 && old.Since.Equal(f.Since) {
			m.in, m.out = float64(f.BytesIn-old.BytesIn)/took, float64(f.BytesOut-old.BytesOut)/took
		}
		flows = append(flows, m)
	}
	w.at, w.flows, w.chains = s.at, flows, s.chains
	w.sort()
}

func (w *watch) sort() {
	slices.SortStableFunc(w.flows, func(a, b moving) int {
		switch w.order {
		case byBytes:
			return cmp.Or(cmp.Compare(b.BytesIn+b.BytesOut, a.BytesIn+a.BytesOut), cmp.Compare(a.ID, b.ID))
		case byAge:
			return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
		}
		return cmp.Or(cmp.Compare(b.in+b.out, a.in+a.out), cmp.Compare(a.ID, b.ID))
	})
	if w.index() < 0 {
		w.selected = 0
		if len(w.flows) > 0 {
			w.selected = w.flows[0].ID
		}
	}
}

func (w *watch) index() int {
	return slices.IndexFunc(w.flows, func(f moving) bool { return f.ID == w.selected })
}

func (w *watch) move(by int) {
	if len(w.flows) > 0 {
		w.selected = w.flows[min(max(w.index()+by, 0), len(w.flows)-1)].ID
	}
}
