package policy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider/layer/policy"
)

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		name, text   string
		line, column int
		say          string
	}{
		{"empty", "", 0, 0, "empty"},
		{"only a comment", "# nothing\n", 0, 0, "empty"},
		{"no version", "default: deny\n", 1, 1, "version: 1"},
		{"wrong version", "version: 2\n", 1, 10, "possible is 1"},
		{"unknown key", "version: 1\nruels: []\n", 2, 1, `unknown key "ruels"`},
		{"unknown key in a rule", "version: 1\nrules:\n  - allow: a\n    wiht: drop\n", 4, 5, `unknown key "wiht"; a rule has allow, cgroup, deny, exe, note, uid, when, with`},
		{"key twice", "version: 1\ndefault: deny\ndefault: allow\n", 3, 1, "already"},
		{"bad default", "version: 1\ndefault: block\n", 2, 10, "allow, deny"},
		{"bad way", "version: 1\ndeny_with: rst\n", 2, 12, "prohibited, reset, unreachable, drop"},
		{"bad on_failure", "version: 1\non_failure: close\n", 2, 13, "closed, open"},
		{"bad pattern", "version: 1\nrules:\n  - allow: [\"exa mple.com\"]\n", 3, 17, "space"},
		{"bad pattern without quotes", "version: 1\nrules:\n  - deny: [metadata, 10.0.0.1/8]\n", 3, 22, "write 10.0.0.0/8"},
		{"bad pattern in a block list", "version: 1\nrules:\n  - deny:\n      - a.example\n      - 'b.example:x'\n", 5, 20, "not a port"},
		{"star without quotes", "version: 1\nrules:\n  - allow: *.example.com\n", 3, 12, "quotes"},
		{"star in a list", "version: 1\nrules:\n  - allow: [*.example.com]\n", 3, 13, "quotes"},
		{"allow and deny", "version: 1\nrules:\n  - allow: a\n    deny: b\n", 4, 11, "write two"},
		{"neither", "version: 1\nrules:\n  - note: a\n", 3, 5, "needs allow or deny"},
		{"no expression", "version: 1\nrules:\n  - deny: []\n", 3, 5, "at least one"},
		{"allow with", "version: 1\nrules:\n  - allow: a\n    with: drop\n", 4, 11, "this rule allows"},
		{"rules a text", "version: 1\nrules: all\n", 2, 8, "a list"},
		{"a list", "- version: 1\n", 1, 1, "a mapping"},
		{"a mapping for a pattern", "version: 1\nrules:\n  - deny: {a: b}\n", 3, 12, "not a mapping"},
		{"null", "version: 1\nrules:\n  - deny:\n", 3, 11, "not nothing"},
		{"two documents", "version: 1\n---\nversion: 1\n", 3, 1, "one document"},
		{"broken YAML", "version: 1\nrules: [\n", 2, 8, "]"},
		{"tab", "version: 1\n\tdefault: deny\n", 2, 1, "cannot start"},
		{"anchor", "version: &v 1\n", 1, 10, "anchors"},
		{"merge", "version: 1\n<<: {default: allow}\n", 2, 1, "anchors"},
		{"NUL", "version: 1\x00", 0, 0, "NUL"},
		{"too deep", "version: 1\nrules: " + strings.Repeat("[", 80), 2, 1, "nested too deeply"},
		{"too large", "version: 1\n" + strings.Repeat("# 0123456789\n", 1<<20), 0, 0, "too many"},
		{"deep brackets", "version: 1\nrules: " + strings.Repeat("[", 100_000), 2, 1, "too deeply"},
		{"deep dashes", "version: 1\nrules:\n" + strings.Repeat("- ", 100_000), 3, 1, "too deeply"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := policy.Parse("p.yaml", []byte(c.text))
			var f *policy.FileError
			if p != nil || !errors.As(err, &f) {
				t.Fatalf("%v, %v", p, err)
			}
			if f.Line != c.line || f.Column != c.column || !strings.Contains(f.Reason, c.say) {
				t.Errorf("got %v\nwant %d:%d … %s …", err, c.line, c.column, c.say)
			}
		})
	}
}

func TestErrorShowsTheLine(t *testing.T) {
	_, err := policy.Parse("p.yaml", []byte("version: 1\nrules:\n  - deny: [metadata, \"10.0.0.1/8\"]\x1b\n"))
	want := `policy: p.yaml:3:23: 10.0.0.1/8 has bits set beyond the network; write 10.0.0.0/8
    3 |   - deny: [metadata, "10.0.0.1/8"]
      |                       ^`
	_, err2 := policy.Parse("p.yaml", []byte("version: 1\nrules:\n  - deny: [metadata, \"10.0.0.1/8\"]\n"))
	if err2 == nil || err2.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err2, want)
	}
	if err == nil || strings.ContainsRune(err.Error(), 0x1b) {
		t.Errorf("an escape character reaches the terminal: %q", err)
	}
}

func TestJSON(t *testing.T) {
	if _, err := policy.Parse("p.json", []byte(`{"version": 1, "default": "allow", "rules": [{"deny": ["metadata"], "with": "drop"}]}`)); err != nil {
		t.Error(err)
	}
}

func FuzzPolicy(f *testing.F) {
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := policy.Parse("p", src)
		if err == nil {
			p.Config()
			return
		}
		var e *policy.FileError
		if !errors.As(err, &e) || p != nil {
			t.Fatalf("%v, %v", p, err)
		}
	})
}
