//go:build linux

package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/audit"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/wsa"
)

func policyOf(t testing.TB, allow ...string) *policy.Policy {
	t.Helper()
	p, err := policy.FromFlags(allow, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func read(t testing.TB, text string) (flows []Flow, bad []int, err error) {
	t.Helper()
	err = Read(strings.NewReader(text), func(f Flow) { flows = append(flows, f) }, func(e *LineError) { bad = append(bad, e.Line) })
	return flows, bad, err
}

// What audit writes is read back as the facts that it was written of.
func TestFactsAreTheSame(t *testing.T) {
	for _, f := range []provider.Facts{
		{Type: wsa.SOCK_STREAM, Protocol: wsa.IPPROTO_TCP, Remote: provider.AddrFrom(netip.MustParseAddrPort("192.0.2.1:443")), Names: []string{"a.example"}},
		{Type: wsa.SOCK_DGRAM, Protocol: wsa.IPPROTO_UDP, Remote: provider.AddrFrom(netip.MustParseAddrPort("[2001:db8::1]:53"))},
		{Type: wsa.SOCK_DGRAM, Protocol: wsa.IPPROTO_ICMPV6, Remote: provider.AddrFrom(netip.MustParseAddrPort("[2001:db8::1]:0"))},
		{Type: wsa.SOCK_RAW, Protocol: 89, Remote: provider.AddrFrom(netip.MustParseAddrPort("192.0.2.1:0"))},
	} {
		r := audit.Record{Event: "connect", Type: wsa.TypeName(f.Type), Protocol: wsa.ProtocolName(f.Protocol), Dst: f.Remote.String(), Names: f.Names}
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		flows, bad, err := read(t, string(line))
		if err != nil || len(bad) > 0 || len(flows) != 1 {
			t.Fatalf("%s: %v, %v, %v", line, flows, bad, err)
		}
		got := flows[0].facts
		if got.Type != f.Type || got.Protocol != f.Protocol || got.Remote != f.Remote || strings.Join(got.Names, " ") != strings.Join(f.Names, " ") {
			t.Errorf("%+v is read back as %+v", f, got)
		}
	}
}

func TestRead(t *testing.T) {
	good := `{"event":"connect","type":"stream","protocol":"tcp","dst":"192.0.2.1:80"}` + "\n"
	long := `{"event":"` + strings.Repeat("x", 3*maxLine) + "\"}\n"
	for _, c := range []struct {
		name, text string
		flows      int
		bad        []int
		err        error
	}{
		{"empty", "", 0, nil, nil},
		{"blank lines", "\n\n", 0, nil, nil},
		{"no newline at the end", strings.TrimSpace(good), 1, nil, nil},
		{"garbage between", "x\n" + good + "[]\n" + good + "{}\n{\"event\":7}\n", 2, []int{1, 3, 5, 6}, nil},
		{"a long line", good + long + good, 2, []int{2}, nil},
		{"a long line at the end", good + strings.TrimSpace(long), 1, []int{2}, nil},
		{"all garbage", "version: 1\ndefault: deny\n", 0, []int{1, 2}, ErrNoRecord},
		{"what nobody is asked about", `{"event":"open","type":"stream"}` + "\n" + `{"event":"dropped","dropped":3}`, 0, nil, nil},
		{"a lookup of nothing", good + `{"event":"lookup"}`, 1, []int{2}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			flows, bad, err := read(t, c.text)
			if len(flows) != c.flows || len(bad) != len(c.bad) || !errors.Is(err, c.err) {
				t.Fatalf("%d flows, bad %v, %v", len(flows), bad, err)
			}
			for i := range bad {
				if bad[i] != c.bad[i] {
					t.Errorf("bad lines %v, want %v", bad, c.bad)
				}
			}
		})
	}
}

// Nothing in a file reaches the terminal but as text in its column.
func TestTableIsSafe(t *testing.T) {
	d := Diff{Old: policyOf(t, "*"), New: policyOf(t, "192.0.2.1")}
	line, err := json.Marshal(audit.Record{Event: "lookup", Names: []string{"a\x1b[31m\tb\nc\u202e.example"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := Read(bytes.NewReader(line), d.Add, func(e *LineError) { t.Error(e) }); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := d.Write(&b); err != nil || len(d.Changes) != 1 {
		t.Fatalf("%d changes, %v", len(d.Changes), err)
	}
	if got := b.String(); strings.ContainsAny(got, "\x1b\t\u202e") || strings.Count(got, "\n") != 3 {
		t.Errorf("%q", got)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"event":"close","type":"stream","protocol":"tcp","dst":"[fe80::1%25]:443","names":["a"],"sni":"b"}` + "\nx\n"))
	f.Add([]byte(`{"event":"lookup","names":["a.example"]}`))
	old, now := policyOf(f, "a.example:443"), policyOf(f, "192.0.2.0/24")
	f.Fuzz(func(t *testing.T, text []byte) {
		d := Diff{Old: old, New: now}
		last := 0
		err := Read(bytes.NewReader(text), d.Add, func(e *LineError) {
			if e.Line <= last {
				t.Errorf("line %d after %d", e.Line, last)
			}
			last = e.Line
		})
		if err != nil && !errors.Is(err, ErrNoRecord) {
			t.Error(err)
		}
		if err := d.Write(io.Discard); err != nil || d.changed() > d.Flows {
			t.Errorf("%d of %d, %v", d.changed(), d.Flows, err)
		}
	})
}

// How a lookup is denied does not show.
func TestDeniedLookupsAreAlike(t *testing.T) {
	reset, err := policy.New(policy.Config{DenyWith: policy.Reset})
	if err != nil {
		t.Fatal(err)
	}
	d := Diff{Old: policyOf(t, "a.example"), New: reset}
	for _, text := range []string{`{"event":"lookup","names":["b.example"]}`, `{"event":"connect","type":"stream","protocol":"tcp","dst":"192.0.2.1:80"}`} {
		if err := Read(strings.NewReader(text), d.Add, func(e *LineError) { t.Error(e) }); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.Changes) != 1 || d.Changes[0].Op != "connect" {
		t.Errorf("%d changes, want that of the connect", len(d.Changes))
	}
}
