//go:build linux

package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

// below is how many lines the chain has at most, its title included.
const below = 10

// View implements tea.Model.
func (w *watch) View() string {
	if w.at.IsZero() {
		return "asking the daemon …\n"
	}
	var in, out float64
	for _, f := range w.flows {
		in, out = in+f.in, out+f.out
	}
	lines := []string{
		fmt.Sprintf("flows %d   out %s/s   in %s/s   by %s   %s", len(w.flows), size(uint64(out)), size(uint64(in)), w.order, w.at.Format("15:04:05")),
		w.note, "",
	}
	chain := w.chain()
	lines = append(lines, w.list(max(1, w.height-len(lines)-len(chain)-4))...)
	lines = append(append(lines, ""), chain...)
	lines = append(lines, "", "up down select   s sort   k reset   q end")
	for i, l := range lines {
		lines[i] = w.cut(l)
	}
	return strings.Join(lines, "\n")
}

// cut is as much of a line as the screen has room for.
func (w *watch) cut(line string) string {
	if r := []rune(line); w.width > 0 && len(r) > w.width {
		return string(r[:w.width])
	}
	return line
}

// list are the flows around the one that is selected, at most n lines and their title.
func (w *watch) list(n int) []string {
	rows := [][]string{{" ", "ID", "ATTACHMENT", "PROTO", "SOURCE", "DEST", "NAME", "CHAIN", "STATE", "OUT/s", "IN/s", "OUT", "IN", "AGE", "PROCESS"}}
	first := min(max(0, w.index()-n/2), max(0, len(w.flows)-n))
	for _, f := range w.flows[first:min(len(w.flows), first+n)] {
		mark := " "
		if f.ID == w.selected {
			mark = ">"
		}
		rows = append(rows, []string{mark, fmt.Sprint(f.ID), f.Attachment, f.Proto, f.Source, f.Dest, f.Name, f.Chain, f.State,
			size(uint64(f.out)), size(uint64(f.in)), size(f.BytesOut), size(f.BytesIn), since(f.Since), f.Process})
	}
	var b strings.Builder
	_ = table(&b, rows)
	return strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
}

// chain is that of the flow that is selected, nothing if there is none.
func (w *watch) chain() []string {
	at := w.index()
	if at < 0 {
		return nil
	}
	f := w.flows[at]
	i := slices.IndexFunc(w.chains, func(c control.Chain) bool { return c.Attachment == f.Attachment && c.Name == f.Chain })
	if i < 0 {
		return nil
	}
	var b strings.Builder
	_ = writeChain(&b, w.chains[i], false)
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	return lines[:min(len(lines), below)]
}
