package config

import (
	"fmt"
	"strings"

	"github.com/netnsd/netnsd/provider/layer/policy"
)

// Error is one thing that is wrong in a file.
type Error struct {
	// Path is what the error is about, as attachments[0].netns.name; "" is the file.
	Path string
	policy.FileError
}

func (e *Error) Error() string {
	s := e.Reason
	if e.File != "" {
		s = e.Pos() + ": " + s
	} else if e.Path != "" {
		s = e.Path + ": " + s
	}
	if e.Excerpt != "" {
		s += "\n" + e.Excerpt
	}
	return s
}

// Errors is all that is wrong in a file, in the order of the file.
type Errors []*Error

// shown is how many errors are worth reading: what comes later is often what the first have caused.
const shown = 20

func (e Errors) Error() string {
	var b strings.Builder
	for i, one := range e {
		if i == shown {
			fmt.Fprintf(&b, "and %d more", len(e)-shown)
			break
		}
		b.WriteString(one.Error() + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}
