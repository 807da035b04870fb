//go:build linux

package bench

import (
	"strings"
	"testing"

	"github.com/netnsd/netnsd/bench/internal/contender"
)

func TestRowMissing(t *testing.T) {
	for name, c := range map[string]struct {
		row  row
		says string
	}{
		"nothing":  {row{}, ""},
		"a tool":   {row{tool: "iperf4"}, "iperf4 is not installed"},
		"one here": {row{tool: "true"}, ""},
		"files":    {row{files: 1 << 40}, "1099511627776 open files"},
	} {
		if got := c.row.missing(); got != c.says && (c.says == "" || !strings.Contains(got, c.says)) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Every goal is against a baseline of its table, and every contender exists.
func TestTablesAgree(t *testing.T) {
	p := new(Plan)
	if err := p.invite(); err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		for _, name := range append([]string{table.subject}, table.baselines...) {
			if _, ok := p.contenders[name]; !ok {
				t.Errorf("%s: no contender %q", table.Name, name)
			}
		}
		goals := 0
		for _, w := range table.rows {
			asked := 0
			for _, g := range w.asked {
				if g.Against == "" {
					asked++
				}
				for _, name := range table.baselines {
					if name == g.Against || contender.Kind(name) == g.Against {
						asked++
					}
				}
			}
			if asked != len(w.asked) {
				t.Errorf("%s %s: goals against others than %v: %v", table.Name, w.name, table.baselines, w.asked)
			}
			goals += asked
			if got := len(p.blankRow(w, append([]string{table.subject}, table.baselines...)).Goals); got != asked {
				t.Errorf("%s %s: %d goals in the report, %d asked for", table.Name, w.name, got, asked)
			}
		}
		if table.Full != (goals > 0) && table.Name != "names" && table.Name != "flood" { // whose goals are issue 4's
			t.Errorf("%s: %d goals, in the full run: %v", table.Name, goals, table.Full)
		}
	}
}
