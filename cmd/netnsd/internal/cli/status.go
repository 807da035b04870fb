//go:build linux

package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

func newStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [NAME]",
		Short: "Say what the daemon serves",
		Long: `Say what the daemon serves: its configuration, and each attachment with its state,
device, chains and traffic; or the one that is named.` + clientStatus,
		Args: cobra.MaximumNArgs(1),
	}
	c, output := socketFlag(cmd), outputFlag(cmd)
	cmd.ValidArgsFunction = completeNames(c, 1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := c.Status(cmd.Context())
		if err != nil {
			return asked(err)
		}
		if len(args) > 0 {
			s.Attachments = slices.DeleteFunc(s.Attachments, func(a control.Attachment) bool { return a.Name != args[0] })
			if len(s.Attachments) == 0 {
				return asked(fmt.Errorf("attachment %s: %w", args[0], control.ErrNotFound))
			}
		}
		if *output == asJSON {
			return writeJSON(cmd.OutOrStdout(), s)
		}
		return writeStatus(cmd.OutOrStdout(), s, colour(os.Stdout))
	}
	return cmd
}

func writeStatus(w io.Writer, s control.Status, colours bool) error {
	fmt.Fprintf(w, "netnsd %s, pid %d, up %s, %s generation %d since %s\n", s.Version, s.PID, since(s.Started), s.Config, s.Generation, since(s.Loaded))
	if s.Ending {
		fmt.Fprintln(w, paint(colours, yellow, "it is ending: connections may end, none begins"))
	}
	if s.Problem != "" {
		fmt.Fprintf(w, "%s %s\n", paint(colours, red, "the last reload was refused:"), s.Problem)
	}
	for _, m := range s.Missing {
		fmt.Fprintf(w, "%s %s\n", paint(colours, yellow, "nothing holds"), m)
	}
	if len(s.Attachments) == 0 {
		_, err := fmt.Fprintln(w, "nothing is attached")
		return err
	}
	rows := [][]string{{"NAME", "STATE", "NETNS", "DEVICE", "ADDRESSES", "CHAINS", "FLOWS", "IN", "OUT", "SINCE"}}
	for _, a := range s.Attachments {
		rows = append(rows, []string{a.Name, a.State, a.Netns, a.Interface, strings.Join(a.Addrs, ","), strings.Join(a.Chains, ","),
			fmt.Sprint(a.Flows), size(a.BytesIn), size(a.BytesOut), since(a.Since)})
	}
	if err := table(w, rows); err != nil {
		return err
	}
	for _, a := range s.Attachments {
		if a.Problem != "" {
			fmt.Fprintf(w, "%s: %s\n", a.Name, paint(colours, yellow, a.Problem))
		}
		for _, id := range a.Published {
			fmt.Fprintf(w, "%s: published %s\n", a.Name, id)
		}
	}
	return nil
}

func newPs() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ps [NAME]",
		Short: "List the flows of the daemon",
		Long: `List the flows that the daemon carries now, of all attachments or of the one that is
named: a line for each socket of a chain, with the ID that kill takes. IN is what
came to the program, OUT what it has sent.` + clientStatus,
		Args: cobra.MaximumNArgs(1),
	}
	c, output := socketFlag(cmd), outputFlag(cmd)
	cmd.ValidArgsFunction = completeNames(c, 1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		flows, err := c.Flows(cmd.Context(), strings.Join(args, ""))
		if err != nil {
			return asked(err)
		}
		if *output == asJSON {
			return writeJSON(cmd.OutOrStdout(), flows)
		}
		return writeFlows(cmd.OutOrStdout(), flows)
	}
	return cmd
}

func writeFlows(w io.Writer, flows []control.Flow) error {
	rows := [][]string{{"ID", "ATTACHMENT", "PROTO", "SOURCE", "DEST", "NAME", "CHAIN", "STATE", "IN", "OUT", "AGE", "PROCESS"}}
	for _, f := range flows {
		process := f.Process
		if f.PID != 0 {
			process = strings.TrimSpace(fmt.Sprintf("%d %s", f.PID, process))
		}
		rows = append(rows, []string{fmt.Sprint(f.ID), f.Attachment, f.Proto, f.Source, f.Dest, f.Name, f.Chain, f.State,
			size(f.BytesIn), size(f.BytesOut), since(f.Since), process})
	}
	return table(w, rows)
}
