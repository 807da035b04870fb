//go:build linux

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/netnsd/netnsd/bench/report"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/bench"
)

func newBench() *cobra.Command {
	var (
		cfg     bench.Config
		list    bool
		against []string
	)
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure netnsd side by side with what it is compared to",
		Long: `Measure netnsd side by side with what it is compared to: the kernel alone (veth),
pasta and slirp4netns if they are installed, others by --against. It runs as root,
in namespaces that it makes and removes, and says first how long it will take. The
table on stdout has medians and ratios, and what became of the figures asked for.

Without --table it is the full run; --quick takes less than three minutes, and its
ratios are good for finding what has collapsed. Ctrl-C ends it and shows what there
is. A file is replaced when its new content is whole; the JSON of a run that was
broken off stands beside it, as FILE.partial.

Exit status: 1 if something failed, or collapsed by --fail-below; 130 after Ctrl-C.`,
		Example: `  netnsd bench --list
  netnsd bench --quick
  netnsd bench --json result.json --html result.html
  netnsd bench --table gateway --workload up1 --against pasta-2025=/opt/passt/pasta
  netnsd bench --from result.json --baseline older.json`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	benchFlags(f, &cfg)
	f.BoolVar(&list, "list", false, "list tables and workloads, say how long what is asked for takes, and measure nothing")
	f.StringArrayVar(&against, "against", nil, "compare with the program at PATH, too: `NAME=PATH`, with pasta, slirp4netns or tun2socks for NAME, or one of them and -ANYTHING")
	output := outputFlag(cmd)
	benchCompletion(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		err := errors.Join(given(f, "json", "html", "markdown", "svg", "baseline", "from"), parseAgainst(&cfg, against), positive(f))
		if err != nil {
			return usage(err)
		}
		cfg.Command = benchCommand(f)
		cfg.AsJSON, cfg.Colours = *output == asJSON, colour(os.Stdout)
		cfg.Out, cfg.Words, cfg.Terminal = cmd.OutOrStdout(), os.Stderr, term.IsTerminal(int(os.Stderr.Fd()))
		ctx, stop := untilSignal(cmd.Context())
		defer stop()
		measure := bench.Run
		if list {
			measure = bench.List
		}
		return benchStatus(measure(ctx, cfg))
	}
	return cmd
}

func benchFlags(f *pflag.FlagSet, c *bench.Config) {
	o := &c.Options
	f.BoolVar(&o.Quick, "quick", false, "a short run: fewer tables and repetitions, less than three minutes")
	f.StringArrayVar(&o.Tables, "table", nil, "measure the table `NAME`, and none that is not named")
	f.StringArrayVar(&o.Workloads, "workload", nil, "of the tables measure the workload `NAME`, and none that is not named")
	f.IntVar(&o.Repetitions, "repetitions", 0, "`N` figures of each (default: as the run has it; a goal wants 15)")
	f.DurationVar(&o.Measure, "measure", 0, "`TIME` of each figure (default: as the run has it)")
	f.DurationVar(&o.Warmup, "warmup", 0, "`TIME` before it that does not count (default: as the run has it)")
	f.StringVar(&c.From, "from", "", "show the result stored in `FILE`, and measure nothing")
	f.StringVar(&c.Baseline, "baseline", "", "set the figures against those stored in `FILE`")
	f.StringVar(&c.JSON, "json", "", "write the samples to `FILE`, for --from and --baseline")
	f.StringVar(&c.HTML, "html", "", "write a page with charts to `FILE`; it needs no network")
	f.StringVar(&c.Markdown, "markdown", "", "write the ratios to `FILE`, for a README")
	f.StringVar(&c.SVG, "svg", "", "write a picture of each table into the folder `DIR`")
	f.Float64Var(&c.FailBelow, "fail-below", 0, "exit with 1 if a ratio is below this `PART` of its reach, as 0.25")
	f.BoolVarP(&c.Verbose, "verbose", "v", false, "say what goes on")
}

func benchCompletion(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("table", cobra.FixedCompletions(bench.Tables(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("workload", cobra.NoFileCompletions)
	_ = cmd.MarkFlagDirname("svg")
}

func parseAgainst(c *bench.Config, all []string) error {
	for _, s := range all {
		name, path, ok := strings.Cut(s, "=")
		if !ok || name == "" || path == "" {
			return fmt.Errorf("--against %s: write NAME=PATH, as pasta-2025=/opt/passt/pasta", s)
		}
		if c.Options.Against == nil {
			c.Options.Against = make(map[string]string)
		}
		if _, twice := c.Options.Against[name]; twice {
			return fmt.Errorf("--against %s: %s is given twice: two of a kind are pasta-old=PATH and pasta-new=PATH", s, name)
		}
		c.Options.Against[name] = path
	}
	return nil
}

// benchCommand is what says how to measure, without where to write it.
func benchCommand(f *pflag.FlagSet) string {
	words := []string{"netnsd", "bench"}
	for _, name := range []string{"quick", "table", "workload", "against", "repetitions", "measure", "warmup"} {
		flag := f.Lookup(name)
		values := []string{flag.Value.String()}
		if all, ok := flag.Value.(pflag.SliceValue); ok {
			values = all.GetSlice()
		}
		for _, v := range values {
			switch {
			case !flag.Changed:
			case name == "quick" && v == "true":
				words = append(words, "--quick")
			case name != "quick":
				words = append(words, "--"+name, v)
			}
		}
	}
	return report.Shell(words...)
}

// positive refuses a zero that was given: it would be the default.
func positive(f *pflag.FlagSet) error {
	for _, name := range []string{"repetitions", "measure", "warmup"} {
		flag := f.Lookup(name)
		if v := flag.Value.String(); flag.Changed && (v == "0" || v == "0s" || strings.HasPrefix(v, "-")) {
			return fmt.Errorf("--%s %s: has to be more than nothing", name, v)
		}
	}
	return nil
}

// signalled is why a context of untilSignal ended.
type signalled struct{ syscall.Signal }

func (s signalled) Error() string { return "bench: ended by a signal: " + s.Signal.String() }

// untilSignal is ctx until a signal asks the program to end. A second one ends
// it at once, with whatever is then left behind.
func untilSignal(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	wanted := []os.Signal{syscall.SIGTERM}
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGHUP} {
		if !signal.Ignored(s) { // by nohup, or a shell's &
			wanted = append(wanted, s)
		}
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, wanted...)
	done := make(chan struct{})
	go func() { // ends by stop
		select {
		case s := <-c:
			signal.Stop(c)
			cancel(signalled{s.(syscall.Signal)})
		case <-done:
		}
	}()
	return ctx, func() { signal.Stop(c); close(done); cancel(nil) }
}

func benchStatus(err error) error {
	switch s, ok := errors.AsType[signalled](err); {
	case err == nil:
		return nil
	case ok:
		return &exit{128 + int(s.Signal), err}
	case errors.Is(err, bench.ErrUsage):
		return usage(err)
	}
	return &exit{exitFailed, err}
}
