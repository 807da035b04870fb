//go:build linux

package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// format is how an answer is written.
type format string

const (
	asTable format = "table"
	asYAML  format = "yaml"
	asJSON  format = "json"
)

// formatValue is the value of -o: one of two.
type formatValue struct {
	format
	words [2]format
}

func (f *formatValue) String() string { return string(f.format) }
func (f *formatValue) Type() string   { return string(f.words[0] + "|" + f.words[1]) }
func (f *formatValue) Set(s string) error {
	if format(s) != f.words[0] && format(s) != f.words[1] {
		return fmt.Errorf("there are %s and %s", f.words[0], f.words[1])
	}
	f.format = format(s)
	return nil
}

func outputFlag(cmd *cobra.Command) *format { return formatFlag(cmd, asTable, asJSON) }

// formatFlag is -o with two words, of which the first is the default.
func formatFlag(cmd *cobra.Command, first, second format) *format {
	f := &formatValue{first, [2]format{first, second}}
	cmd.Flags().VarP(f, "output", "o", "how to write the answer")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{string(first), string(second)}, cobra.ShellCompDirectiveNoFileComp))
	return &f.format
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// paint wraps text in an ANSI colour if on says so.
func paint(on bool, code int, text string) string {
	if !on {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", code, text)
}

const (
	red    = 31
	green  = 32
	yellow = 33
)
