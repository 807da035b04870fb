//go:build linux

package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

func newCatalog() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "catalog [NAME]",
		Short: "Draw the chains that sockets of the daemon pass",
		Long: `Draw the chains that sockets pass, of all attachments or of the one that is named:
each layer from the program down to the base, what it does, and what has crossed the
boundary above it. OUT is from the program, IN to it; a layer that replaces no data entry
has none, and its bytes are those of the layer below. ADDED is the most that it has added
to 99 of 100 operations. A chain of before a reload is shown as long as sockets have it.` + clientStatus,
		Args: cobra.MaximumNArgs(1),
	}
	c, output := socketFlag(cmd), outputFlag(cmd)
	cmd.ValidArgsFunction = completeNames(c, 1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		chains, err := c.Chains(cmd.Context(), strings.Join(args, ""))
		if err != nil {
			return asked(err)
		}
		if *output == asJSON {
			return writeJSON(cmd.OutOrStdout(), chains)
		}
		return writeChains(cmd.OutOrStdout(), chains, colour(os.Stdout))
	}
	return cmd
}

func writeChains(w io.Writer, chains []control.Chain, colours bool) error {
	if len(chains) == 0 {
		_, err := fmt.Fprintln(w, "nothing is attached")
		return err
	}
	for i, c := range chains {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := writeChain(w, c, colours); err != nil {
			return err
		}
	}
	return nil
}

func writeChain(w io.Writer, c control.Chain, colours bool) error {
	age := ""
	if c.Old {
		age = paint(colours, yellow, ", old")
	}
	fmt.Fprintf(w, "%s: chain %s, version %d%s: %s; sockets: %d\n", c.Attachment, c.Name, c.Version, age, strings.Join(c.Protocols, " "), c.Sockets)
	rows := [][]string{{"program", "DOES", "CALLS", "DENIED", "OUT", "IN", "ADDED"}}
	for i, l := range c.Layers {
		calls := l.In.Operations + l.Out.Operations
		for _, n := range l.Entries {
			calls += n
		}
		edge := "├ "
		if i == 0 {
			edge = "┌ "
		}
		row := []string{edge + l.Name, does(l), fmt.Sprint(calls), "", "", "", ""}
		if l.Decides {
			row[3] = fmt.Sprint(l.Verdicts["deny"])
		}
		if l.Bytes {
			row[4], row[5] = size(l.Out.Bytes), size(l.In.Bytes)
			if p := max(l.In.P99, l.Out.P99); p > 0 {
				row[6] = p.String()
			}
		}
		rows = append(rows, row)
	}
	if err := table(w, append(rows, []string{"└ " + c.Base, "base", "", "", "", "", ""})); err != nil {
		return err
	}
	for _, l := range c.Layers {
		switch {
		case l.Breaker != "":
			fmt.Fprintf(w, "%s %s: %s\n", l.Name, paint(colours, red, "has failed too often, its breaker is "+l.Breaker), l.Problem)
		case l.Problem != "":
			fmt.Fprintf(w, "%s %s: %s\n", l.Name, paint(colours, yellow, "has failed"), l.Problem)
		}
	}
	return nil
}

// does says in words what a layer is for.
func does(l control.Layer) string {
	words := l.Categories
	if l.Decides {
		words = append([]string{"decides"}, words...)
	}
	if l.Bytes {
		words = append(words[:len(words):len(words)], "bytes pass it")
	}
	if len(words) == 0 {
		return "looks on"
	}
	return strings.Join(words, ", ")
}
