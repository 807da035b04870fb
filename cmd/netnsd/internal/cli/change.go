//go:build linux

package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

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
file is not right it says where, and nothing changes. Flows go on with the rules that
they began with; those that the new rules deny are reset.` + clientStatus,
		Args: cobra.NoArgs,
	}
	c, output := socketFlag(cmd), outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := c.Reload(cmd.Context())
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

func writeReload(w io.Writer, r control.Reload) error {
	_, err := fmt.Fprintf(w, "generation %d; flows reset: %d\n", r.Generation, r.Reset)
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
