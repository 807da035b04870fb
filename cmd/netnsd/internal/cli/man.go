//go:build linux

package cli

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newMan writes what --help says as pages for man(1). They are made, not kept: the
// flags are written down once.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages",
		Long: `Write a manual page of each command into the folder DIR, which has to exist, as
netnsd.1, netnsd-run.1 and so on.`,
		Example: `  netnsd man /usr/local/share/man/man1`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(errors.New("man: one folder is needed: netnsd man DIR"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if st, err := os.Stat(args[0]); err != nil {
				return &exit{exitFailed, fmt.Errorf("man: %w", err)}
			} else if !st.IsDir() {
				return &exit{exitFailed, fmt.Errorf("man: %s is not a folder", args[0])}
			}
			root := cmd.Root()
			root.InitDefaultCompletionCmd()
			root.DisableAutoGenTag = true
			epoch := time.Unix(0, 0) // the same pages from the same program
			header := &doc.GenManHeader{Section: "1", Source: "netnsd", Manual: "netnsd", Date: &epoch}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return &exit{exitFailed, fmt.Errorf("man: %w", err)}
			}
			return nil
		},
	}
}
