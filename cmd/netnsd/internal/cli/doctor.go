//go:build linux

package cli

import (
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/doctor"
)

func newDoctor() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say whether run can work here, and what to do if not",
		Long: `Say whether run can work here, what it will lack, which services of the host a
program inside still reaches, and what to do about each. Exit status 1 if run
cannot work.`,
		Args: cobra.NoArgs,
	}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		runtime.LockOSThread()
		checks := doctor.Examine()
		runtime.UnlockOSThread()
		var err error
		if *output == asJSON {
			err = writeJSON(cmd.OutOrStdout(), checks)
		} else {
			writeChecks(cmd.OutOrStdout(), checks, colour(os.Stdout))
		}
		if err == nil && doctor.Fatal(checks) {
			err = &exit{Status: exitFailed}
		}
		return err
	}
	return cmd
}

func writeChecks(w io.Writer, checks []doctor.Check, colours bool) {
	codes := map[doctor.State]int{doctor.OK: green, doctor.Warn: yellow, doctor.Fail: red}
	for _, c := range checks {
		state := paint(colours, codes[c.State], fmt.Sprintf("%-4s", c.State))
		fmt.Fprintf(w, "%s  %-10s  %s\n", state, c.Name, c.Detail)
		if c.Fix != "" {
			fmt.Fprintf(w, "%18sfix: %s\n", "", c.Fix)
		}
	}
}
