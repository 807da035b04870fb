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

// What a policy was asked of a stream's beginning and of who asks is read back.
func TestLateFacts(t *testing.T) {
	uid := 1000
	for _, c := range []struct {
		name string
		r    audit.Record
		want provider.Facts
	}{
		{"ECH", audit.Record{Hello: true, SNI: "outer.example", ECH: true}, provider.Facts{Late: provider.Learned{Hello: true, SNI: "outer.example", ECH: true}}},
		{"a hello of nothing", audit.Record{Hello: true}, provider.Facts{Late: provider.Learned{Hello: true}}},
		{"as older files have it", audit.Record{SNI: "a.example"}, provider.Facts{Late: provider.Learned{Hello: true, SNI: "a.example"}}},
		{"no hello", audit.Record{Plain: true}, provider.Facts{Late: provider.Learned{Plain: true}}},
		{"a process", audit.Record{Hello: true, UID: &uid, PID: 7, Exe: "/bin/x", CGroup: "/a", Attachment: "run"},
			provider.Facts{Late: provider.Learned{Hello: true}, Origin: &provider.Origin{UID: uid, PID: 7, Executable: "/bin/x", CGroup: "/a", Attachment: "run"}}},
	} {
		c.r.Event, c.r.Type, c.r.Protocol, c.r.Dst = "close", "stream", "tcp", "192.0.2.1:443"
		line, err := json.Marshal(c.r)
		if err != nil {
			t.Fatal(err)
		}
		flows, bad, err := read(t, string(line))
		if err != nil || len(bad) > 0 || len(flows) != 1 || flows[0].op != provider.OpSNI {
			t.Fatalf("%s: %v, %v, %v", c.name, flows, bad, err)
		}
		got := flows[0].facts
		if got.Late != c.want.Late {
			t.Errorf("%s: %+v, want %+v", c.name, got.Late, c.want.Late)
		}
		if o := c.want.Origin; o != nil && *got.Origin != *o {
			t.Errorf("%s: %+v, want %+v", c.name, got.Origin, o)
		}
	}
}

func parsed(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("p", []byte("version: 1\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What two policies make of an encrypted hello, and of a stream without one.
func TestDiffOfLateFacts(t *testing.T) {
	const close = `{"event":"close","type":"stream","protocol":"tcp","dst":"192.0.2.1:443","names":["a.example"],`
	for _, c := range []struct {
		name, old, now, line string
		flows, changes       int
		what                 string
	}{
		{"ECH", "rules: [{allow: a.example}]", "ech: deny\nrules: [{allow: a.example}]", close + `"hello":true,"sni":"a.example","ech":true}`, 1, 1, `sni tcp 192.0.2.1:443 a.example asks for "a.example", and more under cover (ECH)`},
		{"no ECH", "rules: [{allow: a.example}]", "ech: deny\nrules: [{allow: a.example}]", close + `"hello":true,"sni":"a.example"}`, 1, 0, ""},
		{"a hello of nothing", "rules: [{allow: 192.0.2.1}]", "rules: [{allow: a.example}]", close + `"hello":true}`, 1, 1, `sni tcp 192.0.2.1:443 a.example asks for ""`},
		{"no hello, and nobody asks", "rules: [{allow: 192.0.2.1}]", "rules: [{allow: a.example}]", close + `"plain":true}`, 0, 0, ""},
		{"no hello", "rules: [{allow: 192.0.2.1}]", "rules: [{allow: 192.0.2.1, when: server_name == 'a.example'}]", close + `"plain":true}`, 1, 1, `sni tcp 192.0.2.1:443 a.example begins without a ClientHello`},
		{"who", "rules: [{allow: 192.0.2.1, uid: 1000}]", "rules: [{allow: 192.0.2.1, uid: 1001}]", `{"event":"connect","type":"stream","protocol":"tcp","dst":"192.0.2.1:443","uid":1000,"pid":7}`, 1, 1, `connect tcp 192.0.2.1:443`},
	} {
		d := Diff{Old: parsed(t, c.old), New: parsed(t, c.now)}
		if err := Read(strings.NewReader(c.line), d.Add, func(e *LineError) { t.Error(e) }); err != nil {
			t.Fatal(err)
		}
		if d.Flows != c.flows || len(d.Changes) != c.changes || c.changes > 0 && d.Changes[0].what() != c.what {
			t.Errorf("%s: %d flows, %d changes", c.name, d.Flows, len(d.Changes))
			for _, x := range d.Changes {
				t.Errorf("%s, %+v, %+v", x.what(), x.Old, x.New)
			}
		}
	}
}
