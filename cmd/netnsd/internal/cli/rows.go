//go:build linux

package cli

import (
	"fmt"
	"strings"
)

// rows are what the help has as a list and the README as a table: two cells each, in the
// words of Markdown.
type rows [][2]string

const width = 78 // of what --help says

// list has the second cell under the first.
func (r rows) list() string {
	var b strings.Builder
	for _, row := range r {
		fmt.Fprintf(&b, "  %s\n%s", row[0], wrapped(row[1], "      "))
	}
	return b.String()
}

// columns has the cells beside one another.
func (r rows) columns() string {
	wide := 0
	for _, row := range r {
		wide = max(wide, len(row[0]))
	}
	var b strings.Builder
	for _, row := range r {
		text := wrapped(row[1], strings.Repeat(" ", wide+4))
		fmt.Fprintf(&b, "  %-*s  %s", wide, row[0], text[wide+4:])
	}
	return b.String()
}

// markdown is a table.
func (r rows) markdown(first, second string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | %s |\n|---|---|\n", first, second)
	for _, row := range r {
		fmt.Fprintf(&b, "| %s | %s |\n", row[0], row[1])
	}
	return b.String()
}

// wrapped is text in lines that begin with indent.
func wrapped(text, indent string) string {
	var b strings.Builder
	line := indent
	for word := range strings.FieldsSeq(text) {
		if line != indent && len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
	return b.String()
}
