//go:build linux

package cli

import (
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/demo"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/doctor"
)

func newDemo() *cobra.Command {
	var inMemory bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show an allowed fetch, a denied one, the audit and the reason",
		Long: `Show an unmodified client behind the chain: a fetch that is allowed, one that is
denied, what the audit says, and the reason. It needs no internet: the servers
are on this host's loopback.`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&inMemory, "in-memory", false, "use no TUN and no namespace")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c := demo.Config{Out: cmd.OutOrStdout(), Good: goodBad(colour(os.Stdout))}
		if inMemory {
			c.NoTUN = "--in-memory"
		} else {
			runtime.LockOSThread()
			c.NoTUN = doctor.Obstacle()
			runtime.UnlockOSThread()
		}
		if err := demo.Show(c); err != nil {
			return &exit{exitFailed, err}
		}
		return nil
	}
	return cmd
}

// newFetch is the client of demo where there is no curl.
func newFetch() *cobra.Command {
	return &cobra.Command{
		Use: "fetch URL", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := demo.Fetch(args[0])
			if err != nil {
				return &exit{exitFailed, err}
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
}
