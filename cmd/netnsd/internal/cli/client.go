//go:build linux

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

// What the commands that ask a daemon say of their exit status.
const clientStatus = `

Exit status: 0 done; 1 the daemon refused or failed; 2 used wrongly; 3 no daemon
listens at the socket; 4 there is no such object; 5 not permitted.`

// socketFlag is where the daemon is.
func socketFlag(cmd *cobra.Command) *control.Client {
	c := new(control.Client)
	cmd.Flags().StringVar(&c.Path, "socket", cmp.Or(os.Getenv("NETNSD_SOCKET"), config.DefaultSocket), "the control socket of the daemon, a `PATH` (environment: NETNSD_SOCKET)")
	cmd.Flags().Lookup("socket").DefValue = config.DefaultSocket // in the manual, whoever makes it
	return c
}

// asked gives what a daemon answers its exit status.
func asked(err error) error {
	status := exitFailed
	switch {
	case err == nil:
		return nil
	case errors.Is(err, control.ErrNoDaemon):
		status = exitNoDaemon
		err = fmt.Errorf("%w: start it with `netnsd daemon`, or name its socket with --socket", err)
	case errors.Is(err, control.ErrForbidden):
		status = exitForbidden
		if _, answered := errors.AsType[*control.Problem](err); !answered {
			err = fmt.Errorf("%w: root may use it, the daemon's own user, and the members of daemon.socket_group", err)
		}
	case errors.Is(err, control.ErrNotFound):
		status = exitNotFound
	}
	return &exit{status, err}
}

// askedAll is asked of several, which says once what is so of all.
func askedAll(errs []error) error {
	errs = slices.CompactFunc(errs, func(a, b error) bool { return a != nil && b != nil && a.Error() == b.Error() })
	return asked(errors.Join(errs...))
}

// badRequest is what the daemon finds wrong in what a user has typed.
func badRequest(err error) error {
	if p, ok := errors.AsType[*control.Problem](err); ok && (p.Status == http.StatusBadRequest || p.Status == http.StatusUnprocessableEntity) {
		return usage(err)
	}
	return asked(err)
}

// table writes rows in columns, the first of them the head. Names in them are what
// programs have sent, and may not talk to the terminal.
func table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		for i, cell := range r {
			r[i] = cmp.Or(strings.Map(harmless, cell), "-")
		}
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	return t.Flush()
}

func harmless(c rune) rune {
	if !unicode.IsPrint(c) {
		return '?'
	}
	return c
}

// size is bytes for people.
func size(n uint64) string {
	if n < 1024 {
		return fmt.Sprint(n)
	}
	f, unit := float64(n)/1024, "KMGTPE"
	for f >= 1023.95 && len(unit) > 1 {
		f, unit = f/1024, unit[1:]
	}
	return fmt.Sprintf("%.1f%c", f, unit[0])
}

// since is how long ago t was, for people.
func since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := time.Since(t)
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d/time.Minute%60)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d/time.Second%60)
	}
	return fmt.Sprintf("%ds", max(0, d/time.Second))
}

// completionTime bounds how long a shell waits for the daemon.
const completionTime = time.Second

// completeNames completes the names of attachments, as many as most arguments.
func completeNames(c *control.Client, most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		s, err := c.Status(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, a := range s.Attachments {
			names = append(names, a.Name+"\t"+a.Netns)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFlows completes the IDs of flows.
func completeFlows(c *control.Client) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		flows, err := c.Flows(ctx, "")
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var ids []string
		for _, f := range flows {
			ids = append(ids, fmt.Sprintf("%d\t%s %s %s", f.ID, f.Attachment, f.Proto, f.Dest))
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}
