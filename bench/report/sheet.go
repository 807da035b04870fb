package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	bold   = 1
	dim    = 2
	red    = 31
	green  = 32
	yellow = 33
)

// sheet writes lines and aligned columns. text/tabwriter counts the bytes of a
// colour as if they were seen.
type sheet struct {
	w       io.Writer
	colours bool
	err     error
}

type cell struct {
	text   string
	right  bool
	colour int
	wide   bool // over what follows: its column need not hold it
}

func (s *sheet) line(text string) {
	if s.err == nil {
		_, s.err = fmt.Fprintln(s.w, text)
	}
}

func (s *sheet) paint(code int, text string) string {
	text = strings.TrimRight(text, " ")
	if !s.colours || code == 0 || text == "" {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", code, text)
}

// grid writes rows whose first is the head. A column that is empty below its
// head is left out.
func (s *sheet) grid(rows [][]cell) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows[1:] {
		for i, c := range row {
			if !c.wide && c.text != "" {
				widths[i] = max(widths[i], utf8.RuneCountInString(c.text), utf8.RuneCountInString(rows[0][i].text))
			}
		}
	}
	for _, row := range rows {
		var b strings.Builder
		gap := 0
		for i, c := range row {
			if widths[i] == 0 && !c.wide {
				continue
			}
			before, after := 0, max(widths[i]-utf8.RuneCountInString(c.text), 0)
			if c.right {
				before, after = after, before
			}
			gap += before
			if c.text != "" {
				b.WriteString(strings.Repeat(" ", gap) + s.paint(c.colour, c.text))
				gap = 0
			}
			gap += after + 2
		}
		s.line(b.String())
	}
}
