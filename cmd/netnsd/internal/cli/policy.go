//go:build linux

package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/chain"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/replay"
	"github.com/netnsd/netnsd/provider/layer/policy"
)

func newPolicy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Check a policy file, or compare two by what a program did",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPolicyCheck(), newPolicyDiff())
	return cmd
}

func newPolicyCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Say whether a policy file can be read, and where not",
		Long:  "Say whether a policy file can be read, and where not. Exit status 1 if it cannot.",
		Args:  cobra.ExactArgs(1),
	}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p, err := chain.ReadPolicy(args[0])
		switch {
		case *output == asJSON:
			return writeChecked(cmd, err, checked{File: args[0]})
		case err != nil:
			return &exit{exitFailed, err}
		}
		c := p.Config()
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: default %s, expressions in rules: %d\n", args[0], c.Default, len(c.Rules))
		return err
	}
	return cmd
}

func newPolicyDiff() *cobra.Command {
	var (
		against string
		rules   chain.Config
	)
	cmd := &cobra.Command{
		Use:   "diff OLD NEW --against AUDIT",
		Short: "Say what of a recorded run two policies judge differently",
		Long: `Say what of a recorded run (netnsd run --audit) two policies judge differently:
lookups, connections, datagrams and the server names of ClientHellos, each once with
the number of its lines. Nothing is sent. Lines that are no record are reported and
skipped. Both policies are judged as run would have them: without --host-loopback
they deny the host's loopback.

A run that was confined says nothing about what the program would have done had it
not been denied; record it without rules, or with --shadow.

Exit status: 0 if no verdict changes, 1 if some do, 2 if a file cannot be read.`,
		Example: "  netnsd policy diff old.yaml new.yaml --against audit.jsonl",
		Args:    cobra.ExactArgs(2),
	}
	cmd.Flags().StringVar(&against, "against", "", "the audit `FILE` of a run")
	_ = cmd.MarkFlagRequired("against")
	cmd.Flags().BoolVar(&rules.HostLoopback, "host-loopback", false, "as for run")
	cmd.Flags().BoolVar(&rules.PrivateNames, "private-names", false, "as for run")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d, err := compare(cmd, rules, args[0], args[1], against)
		if err != nil {
			return usage(err)
		}
		if *output == asJSON {
			changes := d.Changes
			if changes == nil {
				changes = []*replay.Change{} // a list, also if it is empty
			}
			err = writeJSON(cmd.OutOrStdout(), changes)
		} else {
			err = d.Write(cmd.OutOrStdout())
		}
		if err != nil {
			return usage(err) // 1 would say that something changes
		}
		if len(d.Changes) > 0 {
			return &exit{Status: exitFailed}
		}
		return nil
	}
	return cmd
}

// compare replays the audit through both policies.
func compare(cmd *cobra.Command, rules chain.Config, before, after, against string) (*replay.Diff, error) {
	d := new(replay.Diff)
	var err error
	for _, side := range []struct {
		file string
		to   **policy.Policy
	}{{before, &d.Old}, {after, &d.New}} {
		if *side.to, err = chain.ReadPolicy(side.file); err != nil {
			return nil, err
		}
		if *side.to, err = rules.Complete(*side.to); err != nil {
			return nil, err
		}
	}
	f, err := os.Open(against)
	if err != nil {
		return nil, fmt.Errorf("--against: %w", err)
	}
	defer f.Close()
	err = replay.Read(f, d.Add, func(e *replay.LineError) {
		fmt.Fprintf(cmd.ErrOrStderr(), "netnsd: %s: %v; skipped\n", against, e)
	})
	if err != nil {
		return nil, fmt.Errorf("--against %s: %w", against, err)
	}
	return d, nil
}
