package policy_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/policy"
)

// Who a rule is about. What is not known of a process does not open a rule that
// allows, and does not get around one that denies.
func TestProcess(t *testing.T) {
	for _, c := range []struct{ rule, who, want string }{
		{"uid: 1000", "uid=1000", "yes"},
		{"uid: [0, 1000]", "uid=0 pid=7", "yes"},
		{"uid: [0, 1000]", "uid=0", "never"},
		{"uid: 1000", "uid=1001", "no"},
		{"uid: 1000", "", "never"},
		{"exe: /usr/bin/curl", "exe=/usr/bin/curl", "yes"},
		{"exe: /usr/bin/curl", "exe=/usr/bin/curl2", "no"},
		{"exe: /usr/bin", "exe=/usr/bin/curl", "no"},
		{"exe: /usr/bin/", "exe=/usr/bin/curl", "yes"},
		{"exe: [/a, /usr/bin/]", "exe=/usr/binx/curl", "no"},
		{"exe: /usr/bin/curl", "", "never"},
		{"cgroup: /a.slice/b", "cgroup=/a.slice/b", "yes"},
		{"cgroup: /a.slice/", "cgroup=/a.slice", "yes"},
		{"cgroup: /a.slice", "cgroup=/a.slice/b", "yes"},
		{"cgroup: /a.slice", "cgroup=/a.slice2", "no"},
		{"cgroup: /", "cgroup=/x", "yes"},
		{"cgroup: /", "cgroup=/", "yes"},
		{"cgroup: /a.slice", "", "never"},
		{"uid: 1000, exe: /bin/x", "uid=1000 exe=/bin/x", "yes"},
		{"uid: 1000, exe: /bin/x", "uid=1000", "never"},
		{"uid: 1000, exe: /bin/x", "uid=1", "no"},
		{"exe: /bin/x, uid: 1000, cgroup: /a", "exe=/bin/y", "no"},
		{"uid: 1000, when: port == 443", "uid=1000", "yes"},
		{"uid: 1000, when: port == 80", "uid=1000", "no"},
		{"uid: 1000, when: port == 443", "", "never"},
		{"uid: 1000, when: server_name == 'x'", "", "never"},
		{"uid: 1000, when: server_name == 'x'", "uid=1000", "later"},
	} {
		var got [2]bool
		for i, action := range []string{"allow", "deny"} {
			rest := map[string]string{"allow": "deny", "deny": "allow"}[action]
			p, err := policy.Parse("p", []byte("version: 1\ndefault: "+rest+"\nrules:\n  - {"+action+": '*', "+c.rule+"}\n"))
			if err != nil {
				t.Fatal(err)
			}
			f := who(to(t, "tcp 192.0.2.1:443"), c.who)
			got[i] = p.Decide(f, provider.OpConnect).Denied() == (action == "deny")
			if n := testing.AllocsPerRun(10, func() { p.Decide(f, provider.OpConnect) }); n > 0 && p.Config().Rules[0].When == nil {
				t.Errorf("%s: %v allocations", c.rule, n)
			}
		}
		if is := map[[2]bool]string{{true, true}: "yes", {false, false}: "no", {false, true}: "never", {true, false}: "later"}[got]; is != c.want {
			t.Errorf("%s, of %q: %s, want %s", c.rule, c.who, is, c.want)
		}
	}
}

// What is narrowed says so in the verdict.
func TestNarrowedRulesAreShown(t *testing.T) {
	p, err := policy.Parse("p.yaml", []byte(`version: 1
rules:
  - allow: ["a.example", 192.0.2.1]
    uid: [0, 1000]
    exe: /bin/x
    cgroup: /a
    when: |
      port == 443 &&
        op != "x"
    note: web
`))
	if err != nil {
		t.Fatal(err)
	}
	f := who(to(t, "tcp 192.0.2.1:443"), "uid=0 pid=7 exe=/bin/x cgroup=/a")
	want := `allow (allow 192.0.2.1 uid 0 or 1000 exe /bin/x cgroup /a when port == 443 && op != "x" # web) at p.yaml:3:26`
	if v := p.Decide(f, provider.OpConnect); v.String() != want {
		t.Errorf("%v\nwant %s", v, want)
	}
}
