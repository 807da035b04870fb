//go:build linux

package cli

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/chain"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/explain"
)

func newExplain() *cobra.Command {
	var (
		rules      chain.Config
		code       bool
		known      explain.Given
		hello      explain.Hello
		attachment string
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
for, without which no rule by name matches it.

With --attachment it is the daemon that is asked, about the chains and rules that are
now in force for a namespace that it serves; the exit status is then as that of
status.`,
		Example: `  netnsd explain --policy policy.yaml tcp api.example.com:443
  netnsd explain --attachment web tcp api.example.com:443
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
	cmd.Flags().IntVar(&known.UID, "uid", -1, "the `UID` of the process (default: that of netnsd, as under run; of an attachment not known)")
	cmd.Flags().IntVar(&known.PID, "pid", 0, "its `PID`")
	cmd.Flags().StringVar(&known.Exe, "exe", "", "the `PATH` of its executable")
	cmd.Flags().StringVar(&known.CGroup, "cgroup", "", "the `PATH` of its cgroup")
	cmd.Flags().BoolVar(&code, "exit-code", false, "exit with 10 if the connection would be denied")
	cmd.Flags().StringVar(&attachment, "attachment", "", "ask the daemon about this attachment, a `NAME`")
	c, output := socketFlag(cmd), outputFlag(cmd)
	for _, flag := range []string{"allow", "deny", "policy", "private-names", "host-loopback"} {
		cmd.MarkFlagsMutuallyExclusive("attachment", flag)
	}
	_ = cmd.RegisterFlagCompletionFunc("attachment", completeNames(c, 3)) // whatever is already there: PROTO and DST
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q, err := explain.Parse(args[0], args[1])
		q.Given = &known
		for _, name := range []string{"server-name", "alpn", "ech"} {
			if cmd.Flags().Changed(name) {
				known.Hello = &hello
			}
		}
		if err = errors.Join(given(cmd.Flags(), "policy", "attachment"), err, q.Check()); err != nil {
			return usage(err)
		}
		var a explain.Answer
		switch {
		case attachment != "":
			a, err = c.Explain(cmd.Context(), control.Query{Attachment: attachment, Protocol: args[0], Destination: args[1], Given: &known})
			err = asked(err)
		case cmd.Flags().Changed("socket"):
			err = usage(errors.New("--socket: which namespace? name it with --attachment"))
		default:
			a, err = explained(rules, q)
		}
		if err != nil {
			return err
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

// explained answers by the rules of the flags.
func explained(rules chain.Config, q explain.Query) (a explain.Answer, err error) {
	if _, err := rules.Rules(); err != nil {
		return a, usage(err)
	}
	if a, err = explain.Explain(rules, q); err != nil {
		return a, &exit{exitFailed, err}
	}
	return a, nil
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
