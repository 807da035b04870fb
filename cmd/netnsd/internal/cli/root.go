//go:build linux

package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// The exit statuses of all commands but run.
const (
	exitFailed    = 1
	exitUsage     = 2
	exitNoDaemon  = 3
	exitNotFound  = 4
	exitForbidden = 5
	exitDenied    = 10
)

// exit is how a command ends with a status. Err is shown to the user if it is
// not nil.
type exit struct {
	Status int
	Err    error
}

func (e *exit) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit status %d", e.Status)
	}
	return e.Err.Error()
}

func (e *exit) Unwrap() error { return e.Err }

// usage makes an error of arguments that cannot be.
func usage(err error) error { return &exit{exitUsage, err} }

// Main runs the command that args name and returns the exit status.
func Main(args []string) int {
	root := newRoot()
	root.SetArgs(args)
	out := &answers{Writer: os.Stdout}
	root.SetOut(out)
	strictCompletion(root)
	cmd, err := root.ExecuteC()
	var e *exit
	switch ended := errors.As(err, &e); {
	case out.err != nil && (!ended || e.Err == nil):
		e = &exit{exitFailed, fmt.Errorf("the answer could not be written: %w", out.err)}
	case err == nil:
		return 0
	case !ended:
		// What cobra itself finds: commands and flags that do not exist.
		e = &exit{exitUsage, fmt.Errorf("%w\nSee `%s --help`", err, cmd.CommandPath())}
	}
	if cmd.Name() == "run" && e.Status == exitUsage {
		e.Status = exitOurs
	}
	if e.Err != nil {
		fmt.Fprintln(os.Stderr, "netnsd: "+readable(strings.TrimSpace(e.Err.Error())))
	}
	return e.Status
}

var long = regexp.MustCompile(`(\S{100})\S{200,}(\S{20})`)

// readable is an error of which no word fills the screen or talks to the terminal.
func readable(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '\n' {
			return c
		}
		return harmless(c)
	}, long.ReplaceAllString(s, "$1…$2"))
}

// answers is stdout, and remembers that something did not arrive there: help and tables
// are written by many calls, of which few can say so.
type answers struct {
	io.Writer
	err error
}

func (a *answers) Write(b []byte) (int, error) {
	n, err := a.Writer.Write(b)
	if a.err == nil {
		a.err = err
	}
	return n, err
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "netnsd",
		Short: "Run programs in a network of their own",
		Long: `netnsd runs an unmodified program in a network of its own: a userspace TCP/IP
stack behind a TUN device. Every socket of the program is made through a chain
of providers that see it, decide on it and record it.

  netnsd demo                                        see it work
  netnsd run -- curl https://example.com             a program, unrestricted
  netnsd run --allow '*.example.com:443' -- ./agent  nothing but that
  netnsd doctor                                      if this machine is in the way
  netnsd help trouble                                if something does not work`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       readVersions().Version,
		Args:          noCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(newStatus(), newCatalog(), newTop(), newPs(), newKill(), newReload(), newAttach(), newDetach(), newPublish(), newUnpublish(), newConfig()) // what asks a daemon, or is for it
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w\nSee `%s --help`", err, cmd.CommandPath()))
	})
	root.AddCommand(newRun(), newDaemon(), newDemo(), newFetch(), newExplain(), newPolicy(), newDoctor(), newBench(), newMan(), newVersion())
	root.AddCommand(newTopics()...)
	strictHelp(root)
	return root
}

// noCommand says which command may have been meant.
func noCommand(root *cobra.Command, args []string) error {
	err := cobra.NoArgs(root, args)
	if err == nil {
		return nil
	}
	root.SuggestionsMinimumDistance = 2
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		err = fmt.Errorf("%w: is it %s?", err, strings.Join(near, ", "))
	}
	return err
}

// logger writes words to stderr: what goes wrong, and with -v what goes on.
func logger(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// colour reports whether f is a terminal that the user wants colours on
// (https://no-color.org).
func colour(f *os.File) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}
