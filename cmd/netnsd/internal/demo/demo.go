//go:build linux

package demo

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/chain"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/explain"
	"github.com/netnsd/netnsd/provider/layer/audit"
)

// Config says where the demonstration is shown.
type Config struct {
	Out io.Writer
	// Good paints text green (true) or red.
	Good func(good bool, text string) string
	// NoTUN says why only the in-memory link is to be had; "" if all is.
	NoTUN string
}

// guestView is the host's loopback, seen from inside.
const guestView = "10.0.2.2"

// The servers' answer.
const greeting = "hello from a server on the host"

// A place is where the client lives.
type place interface {
	// fetch gets url under the rules. words is what the client said, whatever
	// became of it; err that the place itself has failed.
	fetch(rules chain.Config, url string) (got fetched, err error)
	// command is how a user would do the same; "" if there is no such way.
	command(rules chain.Config, url string) string
}

type fetched struct {
	words string
	ok    bool
	audit []audit.Record
}

// Show shows all of it. The error says what did not go as it should.
func Show(c Config) (err error) {
	open, end, err := serve()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	closed, end2, err := serve()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end2()) }()

	var p place = namespace{}
	if c.NoTUN != "" {
		fmt.Fprintf(c.Out, "There is no TUN or namespace to be had here: %s\nSo the client is a second stack in this process, on an in-memory link.\n\n", c.NoTUN)
		p = memory{}
	}
	rules := chain.Config{HostLoopback: true, Allow: []string{"tcp:" + open}}
	fmt.Fprintf(c.Out, "Two servers on this host, %s and %s. Inside, the host is %s.\n", open, closed, guestView)

	allowed, err := c.fetch(p, rules, open, true)
	if err != nil {
		return err
	}
	denied, err := c.fetch(p, rules, closed, false)
	if err != nil {
		return err
	}
	records := append(allowed.audit, denied.audit...)
	if err := c.table(records); err != nil {
		return err
	}
	return c.explain(rules, closed)
}

// serve starts a server on a free port of the loopback.
func serve() (addr string, end func() error, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, greeting) })}
	done := make(chan struct{})
	go func() { // ends with the listener, which end closes
		defer close(done)
		_ = s.Serve(ln)
	}()
	return ln.Addr().String(), func() error {
		err := s.Close()
		<-done
		return err
	}, nil
}

// fetch shows one fetch and checks that it ends as the rules say.
func (c Config) fetch(p place, rules chain.Config, server string, want bool) (fetched, error) {
	_, port, _ := net.SplitHostPort(server)
	url := "http://" + net.JoinHostPort(guestView, port) + "/"
	title := "denied"
	if want {
		title = "allowed"
	}
	fmt.Fprintf(c.Out, "\n%s\n", c.Good(want, title))
	if command := p.command(rules, url); command != "" {
		fmt.Fprintf(c.Out, "  $ %s\n", command)
	}
	got, err := p.fetch(rules, url)
	if err != nil {
		return got, err
	}
	for line := range strings.Lines(got.words) {
		fmt.Fprintf(c.Out, "  %s\n", strings.TrimSpace(line))
	}
	if got.ok != want || want != strings.Contains(got.words, greeting) {
		return got, fmt.Errorf("demo: the fetch of %s should have been %s", url, title)
	}
	return got, nil
}

// table shows the audit lines that tell of destinations.
func (c Config) table(records []audit.Record) error {
	fmt.Fprintf(c.Out, "\naudit\n")
	w := tabwriter.NewWriter(c.Out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "  EVENT\tDESTINATION\tVERDICT\tRULE\tOUT\tIN\tERROR")
	verdicts := map[string]bool{}
	for _, r := range records {
		if r.Dst == "" {
			continue
		}
		verdict, rule, out, in := "", "", "", ""
		if r.Verdict != nil {
			verdict, rule = r.Verdict.Action, r.Verdict.Rule
			verdicts[verdict] = true
		}
		if r.Totals != nil {
			out, in = fmt.Sprint(r.Totals.BytesOut), fmt.Sprint(r.Totals.BytesIn)
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Event, r.Dst, verdict, rule, out, in, r.Error)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if !verdicts["allow"] || !verdicts["deny"] {
		return errors.New("demo: the audit lacks a verdict")
	}
	return nil
}

func (c Config) explain(rules chain.Config, server string) error {
	q, err := explain.Parse("tcp", server)
	if err != nil {
		return err
	}
	a, err := explain.Explain(rules, q)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "\nwhy\n  $ netnsd explain %s %s\n", strings.Join(flags(rules), " "), q)
	var b strings.Builder
	a.Write(&b, c.Good)
	for line := range strings.Lines(b.String()) {
		fmt.Fprint(c.Out, "  "+line)
	}
	if a.Allowed {
		return errors.New("demo: explain says something else than run did")
	}
	return nil
}

// flags are rules as a user writes them.
func flags(rules chain.Config) []string {
	var f []string
	if rules.HostLoopback {
		f = append(f, "--host-loopback")
	}
	for _, a := range rules.Allow {
		f = append(f, "--allow", a)
	}
	return f
}

// withoutProxy is the environment for a client that is to connect by itself.
func withoutProxy() []string { return append(os.Environ(), "no_proxy=*", "NO_PROXY=*") }
