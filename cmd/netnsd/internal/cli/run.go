//go:build linux

package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/chain"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/publish"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/run"
)

const exitOurs = run.ExitOurs

func newRun() *cobra.Command {
	var (
		cfg         run.Config
		nets, ports []string
		names       nameFlags
		udp         = udpShared
		verbose     bool
	)
	cmd := &cobra.Command{
		Use:   "run [flags] -- COMMAND [ARG...]",
		Short: "Run a program in a network of its own",
		Long: `Run a program in a network of its own. It runs as the same user, without any
capability (also if root runs it) and with no_new_privs, so setuid programs have
no effect; it finds stdin, stdout and stderr and no other descriptor but those of
--keep-fd.

Without a rule all may be reached but the host's loopback. With --allow or
--policy all else is denied; with --deny alone all else stays as it is. A denial
wins over any allowance. With a rule of any kind the unix sockets of the host are
hidden, but for --keep-socket, and stdin, stdout and stderr may not be sockets of
the host, as no rule would see what goes through them.

With --shadow the rules are tried and not enforced: what they would deny passes, its
verdict in the audit says shadow, and a line on stderr counts it at the end. Such a
run is not confined by its rules; all else that rules bring (hidden sockets, refused
descriptors) stays.

With --learn the run leaves a policy behind: what the program reached, and the
names it found, by name where one is known, and nothing else. With rules it is
what these allowed, or with --shadow all that passed. The file is written also if the program fails or is ended by a
signal, and stays as it was if nothing has run. Rules hide the host's unix sockets,
so a program that passes under --learn may need --keep-socket under --policy.

With --shape sockets are limited: bandwidth, connections a second, bytes in all, sockets
at once. Rules are [tcp/|udp/]host[:ports]: SETTINGS, one behind another with ; or in
flags of their own, and all that match hold. Settings are down=RATE, up=RATE (10MiB/s,
8Mbit/s), burst=SIZE, conns=N/s, total=SIZE, sockets=N, and per=destination, name or
socket for limits of each its own. Nothing is dropped but what a program sends over the
rate in datagrams.

With --redirect connections and datagrams go elsewhere than the program asks, and it does
not see it: [tcp/|udp/]host[:ports]=ADDR[:PORT]. The first rule that matches holds. Rules
of --allow, --deny and --policy are about what the program asks for; the new address is
judged by none, so 127.0.0.1 is this host's.

With --trace each operation of a socket is a line, as strace has one for each system
call: what was asked, and what came of it.

With -p a port of this host leads to a server inside, under its clients' own
addresses: [HOSTADDR:]HOSTPORT[-LAST][:PORT[-LAST]][/tcp|/udp|/both][,proxy=v1|v2].
Without HOSTADDR everybody who reaches this host reaches the server; HOSTPORT 0 is any
free port, which is said on stderr. The server has to listen on all addresses or on
that of --net, not on 127.0.0.1. Clients from this host's loopback, or of --net, are
led inside under the address of host 2; proxy=v1 or v2 (PROXY protocol) tells the
server who they are. A port that cannot be had is an error, and nothing runs.

Inside, the program is host 100 of --net; host 2 stands for this host, host 3 is
the name service. When the program has ended its network ends, also for what it
has left running. If netnsd is killed the program is killed.

The name service asks the servers of the host's resolv.conf, which is read again
when it changes, or those of --dns: ADDR[:PORT] or udp://ADDR (UDP, and TCP for what
is larger), tcp://ADDR, tls://ADDR#NAME or tls://NAME (port 853), https://NAME/PATH or
https://ADDR/PATH#NAME, where NAME is the one in the certificate, and system for those
of the host. They are asked by the host's own sockets, so one on the host's loopback
may be named. A name of --host or of the host's /etc/hosts is asked of nobody. Rules
judge every lookup first.

Exit status: the program's; 128+n if signal n ended it; 127 if there is no such
program, 126 if it cannot be executed, 125 if netnsd failed, and then nothing
has run.`,
		Example: `  netnsd run -- curl https://example.com
  netnsd run --allow '*.example.com:443' --audit audit.jsonl -- ./agent
  netnsd run --learn agent.yaml -- ./agent
  netnsd run --policy agent.yaml -- ./agent
  netnsd run --dns tls://192.0.2.53#dns.example --dns-zone corp.example=10.0.0.53 -- ./agent
  netnsd run --host db.example=192.0.2.7 --search example -- psql -h db
  netnsd run --deny private --deny metadata -- bash
  netnsd run -p 127.0.0.1:8080:80 -- ./server`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(errors.New("run: no program given: netnsd run [flags] -- COMMAND [ARG...]"))
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault // the program's own arguments are files, as far as we know
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // what follows the program belongs to the program
	ruleFlags(f, &cfg.Chain)
	f.StringVar(&cfg.Chain.Audit, "audit", "", "write a JSON line per event of a socket to `FILE`; - is stderr")
	f.StringArrayVar(&cfg.Chain.Shape, "shape", nil, "limit bandwidth, connections and bytes by `RULES`, as 'tcp/*:443: down=10MiB/s; conns=100/s'")
	f.StringArrayVar(&cfg.Chain.Redirect, "redirect", nil, "lead `WHAT=ADDR[:PORT]` elsewhere, as example.com:443=127.0.0.1:8443")
	f.StringVar(&cfg.Chain.Trace, "trace", "", "write a line per operation of a socket, to `FILE` or to stderr (--trace alone)")
	f.Lookup("trace").NoOptDefVal = "-"
	f.StringVar(&cfg.Metrics, "metrics", "", "when the program has ended, totals by rule, name and process: as JSON to `FILE`, or as a table to stderr (--metrics alone)")
	f.Lookup("metrics").NoOptDefVal = "-"
	f.BoolVar(&cfg.Chain.Shadow, "shadow", false, "try the rules and do not enforce them; the audit says what would have been denied")
	f.StringVar(&cfg.Learn, "learn", "", "when the program has ended, replace `FILE` by the least policy that lets it reach the same")
	f.IntVar(&cfg.MTU, "mtu", run.DefaultMTU, "MTU of the link in `BYTES`")
	f.StringArrayVar(&nets, "net", nil, fmt.Sprintf("`CIDR` of the link, once a family (default %s and %s)", run.Nets[0], run.Nets[1]))
	dnsFlags(f, &names)
	f.StringArrayVarP(&ports, "publish", "p", nil, "lead a port of this host inside: `[ADDR:]PORT[:PORT][/udp]`, and more, see above")
	f.StringVar(&udp, "udp", udp, "`MAPPING` of datagrams: "+udpShared+", one port of this host for each source, or "+udpPerFlow+", one for each source and destination")
	f.BoolVar(&cfg.Chain.HostLoopback, "host-loopback", false, "let the program reach this host's 127.0.0.1 and ::1, as host 2 of --net")
	f.IntSliceVar(&cfg.KeepFDs, "keep-fd", nil, "let the program have the descriptors `N,...`, whatever they are")
	f.StringArrayVar(&cfg.KeepSockets, "keep-socket", nil, "do not hide the unix socket `PATH` when there are rules")
	f.BoolVar(&cfg.Strict, "strict", false, "do not run where something that holds the program cannot be had; an audit that is not complete is status 125")
	f.BoolVarP(&verbose, "verbose", "v", false, "say what goes on")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := errors.Join(given(f, "policy", "audit", "learn", "trace", "metrics"), parseNets(&cfg, nets), names.parse(&cfg), parsePorts(&cfg, ports), parseUDP(&cfg, udp), shadowed(cfg.Chain)); err != nil {
			return usage(err)
		}
		cfg.Chain.Metrics = cfg.Metrics != ""
		cfg.Argv, cfg.Log = args, logger(os.Stderr, verbose)
		status, err := run.Run(cmd.Context(), cfg)
		if status == 0 && err == nil {
			return nil
		}
		return &exit{status, err}
	}
	return cmd
}

// ruleFlags are those that run and explain share.
func ruleFlags(f *pflag.FlagSet, c *chain.Config) {
	f.StringArrayVar(&c.Allow, "allow", nil, "allow what `EXPR` names, and deny all else")
	f.StringArrayVar(&c.Deny, "deny", nil, "deny what `EXPR` names")
	f.StringVar(&c.Policy, "policy", "", "take the rules of `FILE`, and deny all else")
	f.BoolVar(&c.PrivateNames, "private-names", false, "let a name that is allowed lead to private addresses, too")
}

// given refuses a flag that was given and is empty, as an unset variable of a
// shell makes it: what was to be restricted would not be.
func given(f *pflag.FlagSet, names ...string) error {
	for _, n := range names {
		if flag := f.Lookup(n); flag != nil && flag.Changed && flag.Value.String() == "" {
			return fmt.Errorf("--%s: a file name is missing", n)
		}
	}
	return nil
}

// shadowed refuses a shadow of no rules, which would say that all is well.
func shadowed(c chain.Config) error {
	if c.Shadow && !c.Restricts() {
		return errors.New("--shadow: there are no rules to try: give --policy, --allow or --deny")
	}
	return nil
}

func parseNets(cfg *run.Config, nets []string) error {
	for _, s := range nets {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return fmt.Errorf("--net %s: not a network: write %s or %s", s, run.Nets[0], run.Nets[1])
		}
		cfg.Nets = append(cfg.Nets, p)
	}
	return nil
}

func parsePorts(cfg *run.Config, ports []string) error {
	for _, p := range ports {
		s, err := publish.Parse(p)
		if err != nil {
			return fmt.Errorf("-p %w", err)
		}
		cfg.Publish = append(cfg.Publish, s)
	}
	return nil
}

// The mappings of --udp (RFC 4787, 4.1): endpoint-independent, and address and port
// dependent.
const udpShared, udpPerFlow = "shared", "per-flow"

func parseUDP(cfg *run.Config, mapping string) error {
	switch mapping {
	case udpShared, udpPerFlow:
		cfg.UDPPerFlow = mapping == udpPerFlow
		return nil
	}
	return fmt.Errorf("--udp %s: there are %s and %s", mapping, udpShared, udpPerFlow)
}
