//go:build linux

package cli

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/chain"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/explain"
)

func newExplain() *cobra.Command {
	var (
		rules chain.Config
		code  bool
		known explain.Given
		hello explain.Hello
	)
	cmd := &cobra.Command{
		Use:   "explain [flags] PROTO DST[:PORT]",
		Short: "Say what would become of a connection, and why",
		Long: `Say what would become of a connection under the given rules, without making it:
which entry of the catalog it takes, what each layer says to it with file and
line of the rule, and which base it leaves by. PROTO is tcp, udp or icmp, DST an
address or a name.

With --server-name the ClientHello of a TLS connection is judged, too; an empty one
is a hello that names no server. --name says what the name service gave the address
for, without which no rule by name matches it.`,
		Example: `  netnsd explain --policy policy.yaml tcp api.example.com:443
  netnsd explain --allow a.example tcp 192.0.2.1:443 --name a.example --server-name b.example
  netnsd explain --deny private udp 192.168.1.1:53`,
		Args: cobra.ExactArgs(2),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return explain.Protocols, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	ruleFlags(cmd.Flags(), &rules)
	cmd.Flags().BoolVar(&rules.HostLoopback, "host-loopback", false, "as for run")
	cmd.Flags().StringArrayVar(&known.Names, "name", nil, "a `NAME` that the name service gave the address for")
	cmd.Flags().StringVar(&hello.ServerName, "server-name", "", "judge a ClientHello that asks for `NAME`, too")
	cmd.Flags().StringVar(&hello.ALPN, "alpn", "", "the `PROTOCOLS` that it offers, with commas")
	cmd.Flags().BoolVar(&hello.ECH, "ech", false, "it has an encrypted one in it (ECH)")
	cmd.Flags().IntVar(&known.UID, "uid", -1, "the `UID` of the process (default: that of netnsd, as under run)")
	cmd.Flags().IntVar(&known.PID, "pid", 0, "its `PID`")
	cmd.Flags().StringVar(&known.Exe, "exe", "", "the `PATH` of its executable")
	cmd.Flags().StringVar(&known.CGroup, "cgroup", "", "the `PATH` of its cgroup")
	cmd.Flags().BoolVar(&code, "exit-code", false, "exit with 10 if the connection would be denied")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q, err := explain.Parse(args[0], args[1])
		q.Given = &known
		for _, name := range []string{"server-name", "alpn", "ech"} {
			if cmd.Flags().Changed(name) {
				known.Hello = &hello
			}
		}
		if err = errors.Join(given(cmd.Flags(), "policy"), err, q.Check()); err != nil {
			return usage(err)
		}
		if _, err := rules.Rules(); err != nil {
			return usage(err)
		}
		a, err := explain.Explain(rules, q)
		if err != nil {
			return &exit{exitFailed, err}
		}
		if *output == asJSON {
			err = writeJSON(cmd.OutOrStdout(), a)
		} else {
			a.Write(cmd.OutOrStdout(), goodBad(colour(os.Stdout)))
		}
		if err == nil && code && !a.Allowed {
			err = &exit{Status: exitDenied}
		}
		return err
	}
	return cmd
}

// goodBad paints green and red.
func goodBad(on bool) func(bool, string) string {
	return func(good bool, text string) string {
		if good {
			return paint(on, green, text)
		}
		return paint(on, red, text)
	}
}
