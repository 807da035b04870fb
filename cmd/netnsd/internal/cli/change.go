//go:build linux

package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

func newKill() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kill ID...",
		Short: "Reset flows of the daemon",
		Long: `Reset flows of the daemon, by the ID that netnsd ps shows: the program and its peer
see a connection reset. If one cannot be, the others are all the same. A published port
is no flow: netnsd unpublish closes it.` + clientStatus,
		Example: "  netnsd kill 17 42",
		Args:    cobra.MinimumNArgs(1),
	}
	c := socketFlag(cmd)
	cmd.ValidArgsFunction = completeFlows(c)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var ids []uint64
		for _, s := range args {
			id, err := strconv.ParseUint(s, 10, 64)
			if err != nil {
				return usage(fmt.Errorf("kill %s: not the ID of a flow, a number that `netnsd ps` shows", s))
			}
			ids = append(ids, id)
		}
		var errs []error
		for _, id := range ids {
			errs = append(errs, c.Kill(cmd.Context(), id))
		}
		return askedAll(errs)
	}
	return cmd
}

func newReload() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have the daemon read its configuration again",
		Long: `Have the daemon read its configuration again and put it in force as a whole. If the
file is not right it says where, and nothing changes.

Flows whose chain is the same in both notice nothing; those that the new rules deny are
reset, but with --keep-denied. Others, whose chain has changed, go on with the one that
they began with (--old pin), or so for a time (--old drain --drain 1m), or are reset at
once. What is not given here is as daemon.reload of the file says: pin. A published
port whose chain has changed is closed and opened again; its connections go on as
others.` + clientStatus,
		Example: `  netnsd reload
  netnsd reload --old drain --drain 1m`,
		Args: cobra.NoArgs,
	}
	c, output := socketFlag(cmd), outputFlag(cmd)
	var q reloadFlags
	f := cmd.Flags()
	f.StringVar(&q.old, "old", "", "flows on a chain that has changed: `WORD` is pin, drain or reset")
	f.StringVar(&q.drain, "drain", "", "with --old drain: reset them after `TIME`, as 30s")
	f.BoolVar(&q.keep, "keep-denied", false, "let connections go on that are denied now")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		asks, err := q.query(f)
		if err != nil {
			return usage(err)
		}
		r, err := c.Reload(cmd.Context(), asks)
		if err != nil {
			return asked(err)
		}
		if *output == asJSON {
			return writeJSON(cmd.OutOrStdout(), r)
		}
		return writeReload(cmd.OutOrStdout(), r)
	}
	return cmd
}

// reloadFlags are those of reload.
type reloadFlags struct {
	old, drain string
	keep       bool
}

func (r reloadFlags) query(f *pflag.FlagSet) (q control.ReloadQuery, err error) {
	words := []string{config.OldPin, config.OldDrain, config.OldReset}
	if q.Old = r.old; f.Changed("old") && !slices.Contains(words, r.old) {
		return q, fmt.Errorf("--old %s: there are %s", r.old, strings.Join(words, ", "))
	}
	if f.Changed("drain") {
		q.Drain = new(config.Duration)
		if err := q.Drain.UnmarshalText([]byte(r.drain)); err != nil {
			return q, fmt.Errorf("--drain: %w", err)
		}
	}
	if f.Changed("keep-denied") {
		q.KeepDenied = &r.keep
	}
	return q, nil
}

func writeReload(w io.Writer, r control.Reload) error {
	_, err := fmt.Fprintf(w, "generation %d; flows denied now: %d, on changed chains: %d, reset: %d\n", r.Generation, r.Denied, r.Old, r.Reset)
	for _, what := range []struct {
		word  string
		names []string
	}{{"attached", r.Attached}, {"detached", r.Detached}, {"changed", r.Changed}} {
		if len(what.names) > 0 {
			fmt.Fprintf(w, "%s: %s\n", what.word, strings.Join(what.names, ", "))
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	return err
}

func newDetach() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "detach NAME...",
		Short: "Have the daemon let namespaces go",
		Long: `Have the daemon let the namespaces of these attachments go: their flows are reset, and
what is published for them is closed. One that stands in the configuration is
attached again by the next reload.` + clientStatus,
		Args: cobra.MinimumNArgs(1),
	}
	c := socketFlag(cmd)
	cmd.ValidArgsFunction = completeNames(c, 1<<10)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var errs []error
		for _, name := range args {
			errs = append(errs, c.Detach(cmd.Context(), name))
		}
		return askedAll(errs)
	}
	return cmd
}
