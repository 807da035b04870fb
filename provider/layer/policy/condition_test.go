package policy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/policy"
)

// who are facts of a process behind an operation: "uid=1000 exe=/bin/x cgroup=/a pid=7".
func who(f provider.Facts, text string) provider.Facts {
	o := *f.Origin
	for word := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "uid":
			fmt.Sscan(value, &o.UID)
		case "pid":
			fmt.Sscan(value, &o.PID)
		case "exe":
			o.Executable = value
		case "cgroup":
			o.CGroup = value
		case "attachment":
			o.Attachment = value
		}
	}
	f.Origin = &o
	return f
}

// both are the policies that allow and that deny *, when text holds.
func both(t testing.TB, text string) (allow, deny *policy.Policy) {
	t.Helper()
	c, err := policy.ParseCondition(text)
	if err != nil {
		t.Fatal(err)
	}
	any, err := policy.ParseExpr("*")
	if err != nil {
		t.Fatal(err)
	}
	make := func(a, rest provider.Action) *policy.Policy {
		p, err := policy.New(policy.Config{Default: rest, Rules: []policy.Rule{{Action: a, Expr: any, When: c}}})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	return make(provider.Allow, provider.Deny), make(provider.Deny, provider.Allow)
}

// What a condition comes to: it matches rules of both kinds (yes), none (no), only
// those that deny as a fact is not known (never), only those that allow as it
// becomes known later (later).
func TestConditions(t *testing.T) {
	const web = "tcp 192.0.2.1:443 a.example b.example"
	for _, c := range []struct{ when, facts, who, want string }{
		{"true", web, "", "yes"},
		{"port == 443", web, "", "yes"},
		{"port == 80", web, "", "no"},
		{"protocol == 'tcp' && port in [80, 443]", web, "", "yes"},
		{"op == 'connect'", web, "", "yes"},
		{"address == '192.0.2.1'", web, "", "yes"},
		{"address == '192.0.2.1'", "tcp [::ffff:192.0.2.1]:443", "", "yes"},
		{"address.within('192.0.2.0/24')", web, "", "yes"},
		{"address.within('private')", web, "", "no"},
		{"address.within('private')", "tcp [fd00::1]:80", "", "yes"},
		{"address.within('linklocal')", "tcp [fe80::1%eth0]:80", "", "yes"},
		// Behind a translator it may be either, to rules that allow and that deny.
		{"address.within('private')", "tcp [64:ff9b::10.0.0.1]:80", "", "never"},
		{"!address.within('private')", "tcp [64:ff9b::10.0.0.1]:80", "", "never"},
		{"address.within('private')", "tcp [64:ff9b::192.0.2.1]:80", "", "no"},
		{"address.within('64:ff9b::/96')", "tcp [64:ff9b::10.0.0.1]:80", "", "yes"},
		{"'a.example' in names", web, "", "yes"},
		{"names.exists(n, n.endsWith('.example'))", web, "", "yes"},
		{"size(names) == 0", web, "", "no"},
		{"size(names) == 0", "tcp 192.0.2.1:443", "", "yes"}, // none was given: that is known
		{"names.all(n, n.matches('^[a-z.]+$'))", web, "", "yes"},
		{"attachment == 'run'", web, "attachment=run", "yes"},
		{"attachment == ''", web, "", "yes"},
		{"uid == 1000", web, "uid=1000", "yes"},
		{"uid == 0", web, "uid=0 pid=7", "yes"},
		{"uid == 0", web, "uid=0", "never"}, // the zero Origin is not root's
		{"uid == 1000", web, "uid=1001", "no"},
		{"uid == 1000", web, "", "never"},
		{"uid != 1000", web, "", "never"},
		{"exe == '/bin/x' && pid > 1 && cgroup.startsWith('/a')", web, "exe=/bin/x pid=7 cgroup=/a/b", "yes"},
		{"exe == '/bin/x'", web, "", "never"},
		{"pid == 0", web, "", "never"},
		{"cgroup == ''", web, "", "never"},
		// What is not known does not matter where the rest decides.
		{"port == 80 && uid == 1000", web, "", "no"},
		{"uid == 1000 && port == 80", web, "", "no"},
		{"port == 443 || uid == 1000", web, "", "yes"},
		{"uid == 1000 || port == 443", web, "", "yes"},
		{"uid == 1000 || port == 80", web, "", "never"},
		{"!(uid == 1000)", web, "", "never"},
		{"uid == 1 ? true : false", web, "", "never"},
		{"[uid].exists(u, u == 1)", web, "", "never"},
		{"names.exists(n, n == exe)", web, "", "never"},
		// What becomes known later, and where it never does.
		{"server_name == 'a.example'", web, "", "later"},
		{"server_name == 'a.example' && port == 80", web, "", "no"},
		{"server_name == 'a.example' && uid == 1", web, "", "never"},
		{"uid == 1 || server_name == 'a.example'", web, "", "never"},
		{"server_name == 'a.example'", "udp 192.0.2.1:443 a.example", "", "never"},
		{"alpn == 'h2'", web, "", "later"},
		{"ech", web, "", "later"},
		// What fails is not known.
		{"names[7] == 'x'", web, "", "never"},
		{"names[7] == 'x' || port == 443", web, "", "yes"},
		{"port / 0 == 1", web, "", "never"},
		{"protocol == 'icmp'", "icmp 192.0.2.1", "", "yes"},
		{"port == 0", "icmp 192.0.2.1", "", "never"},
		{"protocol == 'tcp'", "rawtcp 192.0.2.1", "", "never"},
	} {
		allow, deny := both(t, c.when)
		f := who(to(t, c.facts), c.who)
		a, d := allow.Decide(f, provider.OpConnect), deny.Decide(f, provider.OpConnect)
		got := map[[2]bool]string{{true, true}: "yes", {false, false}: "no", {false, true}: "never", {true, false}: "later"}[[2]bool{!a.Denied(), d.Denied()}]
		if got != c.want {
			t.Errorf("%s, of %s %s: %s, want %s", c.when, c.facts, c.who, got, c.want)
		}
	}
}

// A lookup knows the name and who asks. The rest comes with the connection, and is
// judged there; who asks does not.
func TestConditionsOfLookups(t *testing.T) {
	for _, c := range []struct {
		when        string
		allow, deny bool // the rule that allows, or denies, matches
	}{
		{"port == 443", true, false},
		{"address.within('private')", true, false},
		{"server_name == 'a.example'", true, false},
		{"'a.example' in names", true, true},
		{"op == 'lookup'", true, true},
		{"op != 'lookup'", false, false},
		{"uid == 1000", false, true},
		{"uid == 1000 && port == 443", false, true},
		{"'x' in names && port == 443", false, false},
	} {
		allow, deny := both(t, c.when)
		f := provider.Facts{Origin: &provider.Origin{UID: -1}, Names: []string{"a.example"}}
		if got := !allow.Decide(f, provider.OpLookup).Denied(); got != c.allow {
			t.Errorf("allow when %s: %v", c.when, got)
		}
		if got := deny.Decide(f, provider.OpLookup).Denied(); got != c.deny {
			t.Errorf("deny when %s: %v", c.when, got)
		}
	}
}

// A rule that asks for the server name is asked again when the stream begins, be it
// with a ClientHello or with anything else; one that does not is not.
func TestConditionsOfHellos(t *testing.T) {
	for _, c := range []struct {
		when        string
		late        provider.Learned
		allow, deny bool
	}{
		{"server_name == 'a.example'", provider.Learned{Hello: true, SNI: "A.Example."}, true, true},
		{"server_name == 'a.example'", provider.Learned{Hello: true, SNI: "b.example"}, false, false},
		{"server_name == 'a.example'", provider.Learned{Hello: true}, false, false},
		{"server_name == 'a.example'", provider.Learned{Plain: true}, false, false},
		{"server_name == ''", provider.Learned{Plain: true}, true, true},
		{"ech", provider.Learned{Hello: true, ECH: true}, true, true},
		{"ech", provider.Learned{Hello: true}, false, false},
		{"alpn.contains('h2')", provider.Learned{Hello: true, ALPN: "h2,http/1.1"}, true, true},
	} {
		allow, deny := both(t, c.when)
		f := to(t, "tcp 192.0.2.1:443")
		f.Late = c.late
		if got := !allow.Decide(f, provider.OpSNI).Denied(); got != c.allow {
			t.Errorf("allow when %s, %+v: %v", c.when, c.late, got)
		}
		if got := deny.Decide(f, provider.OpSNI).Denied(); got != c.deny {
			t.Errorf("deny when %s, %+v: %v", c.when, c.late, got)
		}
		if !allow.ByName() || !deny.ByName() {
			t.Errorf("%s: not by name, so nobody would read the hello", c.when)
		}
	}
	allow, _ := both(t, "port == 443")
	f := to(t, "tcp 192.0.2.1:443")
	f.Late = provider.Learned{Plain: true}
	if v := allow.Decide(f, provider.OpSNI); v.Action != provider.NoOpinion || allow.ByName() {
		t.Errorf("a rule that does not ask: %v", v)
	}
}

// Bounded: what takes too long is not known, whichever facts it is given.
func TestConditionsAreBounded(t *testing.T) {
	many := make([]string, 33)
	for i := range many {
		many[i] = strings.Repeat(string(rune('a'+i%26)), 253)
	}
	allow, deny := both(t, "names.all(a, names.all(b, names.all(c, names.all(d, a + b + c + d != ''))))")
	f := to(t, "tcp 192.0.2.1:443")
	f.Names = many
	if !allow.Decide(f, provider.OpConnect).Denied() || !deny.Decide(f, provider.OpConnect).Denied() {
		t.Error("a condition without end is believed")
	}
	for _, text := range []string{
		strings.Repeat("(", 200) + "true" + strings.Repeat(")", 200),
		"true" + strings.Repeat(" && true", 5000),
		strings.Repeat("[", 100) + strings.Repeat("]", 100) + " == []",
		"'" + strings.Repeat("x", 5000) + "' == ''",
	} {
		if _, err := policy.ParseCondition(text); err == nil {
			t.Errorf("%.20s… is compiled", text)
		}
	}
}

func TestConditionErrors(t *testing.T) {
	for _, c := range []struct {
		text, say    string
		line, column int
	}{
		{"", "missing", 0, 1},
		{" \n ", "missing", 0, 1},
		{"port = 443", "Syntax error", 1, 6},
		{"prot == 443", "the facts are op, attachment, names, ", 1, 1},
		{"port == 'x'", "no matching overload", 1, 6},
		{"port", "true or false (bool), this is int", 0, 1},
		{"port == 1 &&\n  uid == 'x'", "no matching overload", 2, 7},
		{"names.exists(n, n.matches('['))", "invalid matches argument", 1, 27},
		{"address.within('10.0.0.1/8')", "write 10.0.0.0/8", 1, 16},
		{"address.within('example.com')", "neither a network nor a group", 1, 16},
		{"address.within(exe)", "in quotes", 1, 16},
		{"within(address)", "found no matching overload", 1, 7},
	} {
		_, err := policy.ParseCondition(c.text)
		var s *policy.SyntaxError
		if !errors.As(err, &s) || s.Line != c.line || s.Column != c.column || !strings.Contains(s.Reason, c.say) {
			t.Errorf("%q: %+v, %v; want %d:%d %s", c.text, s, err, c.line, c.column, c.say)
		}
	}
}

// An error in a condition is shown in the file, where it stands.
func TestConditionErrorsInFiles(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"rules:\n  - allow: a\n    when: port == prot\n", "p.yaml:4:19: undeclared reference to 'prot'"},
		{"rules:\n  - allow: a\n    when: \"port == prot\"\n", "p.yaml:4:20: undeclared reference to 'prot'"},
		{"rules:\n  - {allow: a, when: 'port'}\n", "p.yaml:3:23: a condition is true or false"},
		{"rules:\n  - allow: a\n    when: |\n      port == 1 ||\n        prot == 2\n", "p.yaml:6:9: undeclared reference to 'prot'"},
		{"rules:\n  - allow: a\n    when: |\n      prot == 1\n", "p.yaml:5:7: undeclared reference to 'prot'"},
		{"rules:\n  - allow: a\n    when: >\n      port == 1\n", "p.yaml:4:11: put a long condition behind when: |"},
		{"rules:\n  - allow: a\n    when: [port == 1]\n", "p.yaml:4:11: a text is needed here, not a list"},
		{"rules:\n  - allow: a\n    when:\n", "p.yaml:4:11: a text is needed here, not nothing"},
		{"rules:\n  - when: port == 1\n", "p.yaml:3:5: a rule needs allow or deny"},
		{"rules:\n  - allow: a\n    uid: root\n", `p.yaml:4:10: "root" is no uid`},
		{"rules:\n  - allow: a\n    uid: [1000, -1]\n", `p.yaml:4:17: "-1" is no uid`},
		{"rules:\n  - allow: a\n    uid: 4294967295\n", "is no uid"},
		{"rules:\n  - allow: a\n    uid: []\n", "p.yaml:4:10: uid without an entry"},
		{"rules:\n  - allow: a\n    exe: curl\n", `p.yaml:4:10: "curl" is no absolute path`},
		{"rules:\n  - allow: a\n    exe: [/bin/../x]\n", "p.yaml:4:11: \"/bin/../x\" is never the path"},
		{"rules:\n  - allow: a\n    cgroup: a.slice\n", "p.yaml:4:13: \"a.slice\" is no absolute path"},
		{"dot: maybe\n", "p.yaml:2:6: \"maybe\" cannot stand here; possible is allow, deny"},
	} {
		_, err := policy.Parse("p.yaml", []byte("version: 1\n"+c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q:\n%v\nwant %s", c.text, err, c.want)
		}
		var f *policy.FileError
		if errors.As(err, &f) && f.Excerpt == "" {
			t.Errorf("%q: no excerpt", c.text)
		}
	}
}

func FuzzCondition(f *testing.F) {
	for _, s := range []string{"port == 443", "names.exists(n, n.endsWith('.x'))", "address.within('10.0.0.0/8') || uid == 1", "has(a.b)", "server_name == ''\n&& ech"} {
		f.Add(s)
	}
	facts := to(f, "tcp 192.0.2.1:443 a.example")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := policy.ParseCondition(text)
		var s *policy.SyntaxError
		if err != nil {
			if !errors.As(err, &s) || s.Column < 1 || s.Reason == "" || strings.ContainsFunc(s.Reason, func(r rune) bool { return r < ' ' }) {
				t.Fatalf("%+v, %v", s, err)
			}
			return
		}
		any, _ := policy.ParseExpr("*")
		p, err := policy.New(policy.Config{Rules: []policy.Rule{{Action: provider.Allow, Expr: any, When: c}}})
		if err != nil {
			t.Fatal(err)
		}
		first := p.Decide(facts, provider.OpConnect)
		if again := p.Decide(facts, provider.OpConnect); again != first {
			t.Errorf("%v, then %v", first, again)
		}
	})
}

// A condition is asked once a flow, and costs this much.
func BenchmarkCondition(b *testing.B) {
	for _, text := range []string{"port == 443", "uid == 1000 && exe == '/usr/bin/curl'", "names.exists(n, n.endsWith('.example'))"} {
		p, _ := both(b, text)
		f := who(to(b, "tcp 192.0.2.1:443 a.example b.example"), "uid=1000 exe=/usr/bin/curl")
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(f, provider.OpConnect)
			}
		})
	}
}
