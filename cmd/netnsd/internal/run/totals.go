//go:build linux

package run

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider/layer/metrics"
)

// totals is where they are written: opened while files may be, before the program runs.
type totals struct{ file *os.File } // nil: stderr

// openTotals opens where --metrics says; what the file holds stays until sayTotals.
func openTotals(to string) (t totals, err error) {
	if to == "" || to == "-" {
		return t, nil
	}
	if t.file, err = os.OpenFile(to, os.O_WRONLY|os.O_CREATE|unix.O_NONBLOCK, 0o600); err != nil {
		return t, fmt.Errorf("--metrics: %w", err)
	}
	return t, nil
}

func (t totals) close() { _ = t.file.Close() } // of none it is an error that says nothing

// sayTotals writes what the sockets of the run have done, to stderr as a table or to the
// file as JSON, when every connection has ended.
func (p *plane) sayTotals(to totals) error {
	if p.chain == nil || p.chain.Metrics == nil || !p.ran {
		return nil
	}
	all := p.chain.Metrics.Totals()
	if to.file == nil {
		return writeTotals(os.Stderr, all)
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if st, e := to.file.Stat(); err == nil && e == nil && st.Mode().IsRegular() {
		err = to.file.Truncate(0)
	}
	if err == nil {
		_, err = to.file.Write(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("--metrics: %w", err)
	}
	return nil
}

// writeTotals has the most bytes first, and of equal ones the most denials.
func writeTotals(w io.Writer, all metrics.Totals) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, by := range []struct {
		word string
		list []metrics.Total
	}{{"RULE", all.Rules}, {"NAME", all.Names}, {"PROCESS", all.Processes}} {
		slices.SortStableFunc(by.list, func(a, b metrics.Total) int {
			return cmp.Or(cmp.Compare(b.BytesIn+b.BytesOut, a.BytesIn+a.BytesOut), cmp.Compare(b.Denied, a.Denied))
		})
		fmt.Fprintf(t, "%s\tSOCKETS\tDENIED\tIN\tOUT\n", by.word)
		for _, one := range by.list {
			fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\n", one.Key, one.Sockets, one.Denied, one.BytesIn, one.BytesOut)
		}
	}
	return t.Flush()
}
