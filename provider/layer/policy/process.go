package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/netnsd/netnsd/provider"
)

// What is known of the process behind a flow, and whether it is. All that rules
// ask about processes they ask here.

func attachmentOf(o *provider.Origin) string {
	if o == nil {
		return ""
	}
	return o.Attachment
}

func uidOf(o *provider.Origin) (uid int, ok bool) { return o.User() }

func pidOf(o *provider.Origin) (pid int, ok bool) {
	p, _ := o.Process()
	return p.PID, p.PID > 0
}

func exeOf(o *provider.Origin) (exe string, ok bool) {
	p, _ := o.Process()
	return p.Executable, p.Executable != ""
}

func cgroupOf(o *provider.Origin) (group string, ok bool) {
	p, _ := o.Process()
	return p.CGroup, p.CGroup != ""
}

// Process is which processes a rule is about: in each list that is not empty one
// entry has to fit.
type Process struct {
	UIDs    []int
	Exes    []string // absolute paths of executables; one that ends in a slash means all below it
	CGroups []string // absolute paths, each with all below it
}

// answer is what a condition comes to. Which of two decides both stands later in
// the list, but for no, which decides alone.
type answer uint8

const (
	no    answer = iota
	yes          //
	later        // a fact becomes known with an operation that comes after this one
	never        // a fact is not known
)

func (a answer) and(b answer) answer {
	if a == no || b == no {
		return no
	}
	return max(a, b)
}

// allowed: a rule that allows has to be sure, or has to be asked again.
func (a answer) allowed() bool { return a == yes || a == later }

// denied: a rule that denies is not got around by a fact that nobody knows.
func (a answer) denied() bool { return a == yes || a == never }

// fits reports whether the process behind o is one of p's.
func (p *Process) fits(o *provider.Origin) answer {
	a := yes
	if len(p.UIDs) > 0 {
		uid, ok := uidOf(o)
		a = a.and(found(slices.Contains(p.UIDs, uid), ok))
	}
	if a != no && len(p.Exes) > 0 {
		exe, ok := exeOf(o)
		a = a.and(found(slices.ContainsFunc(p.Exes, func(x string) bool { return x == exe || strings.HasSuffix(x, "/") && strings.HasPrefix(exe, x) }), ok))
	}
	if a != no && len(p.CGroups) > 0 {
		group, ok := cgroupOf(o)
		a = a.and(found(slices.ContainsFunc(p.CGroups, func(x string) bool { return within(group, x) }), ok))
	}
	return a
}

func found(there, known bool) answer {
	switch {
	case !known:
		return never
	case there:
		return yes
	}
	return no
}

// within reports whether group is x or below it.
func within(group, x string) bool {
	rest, ok := strings.CutPrefix(group, strings.TrimSuffix(x, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

func (p *Process) equal(q *Process) bool {
	return slices.Equal(p.UIDs, q.UIDs) && slices.Equal(p.Exes, q.Exes) && slices.Equal(p.CGroups, q.CGroups)
}

// String is p as it stands behind a rule, "" if it asks nothing.
func (p *Process) String() string {
	var b strings.Builder
	if len(p.UIDs) > 0 {
		fmt.Fprintf(&b, " uid %s", numbers(p.UIDs, " or "))
	}
	if len(p.Exes) > 0 {
		fmt.Fprintf(&b, " exe %s", strings.Join(p.Exes, " or "))
	}
	if len(p.CGroups) > 0 {
		fmt.Fprintf(&b, " cgroup %s", strings.Join(p.CGroups, " or "))
	}
	return b.String()
}

func numbers(all []int, between string) string {
	var texts []string
	for _, n := range all {
		texts = append(texts, strconv.Itoa(n))
	}
	return strings.Join(texts, between)
}

// maxUID: the last is -1, which is nobody (setreuid(2)).
const maxUID = 1<<32 - 2

// parseUID reads a uid as rules write it.
func parseUID(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n > maxUID || text != strconv.FormatUint(n, 10) {
		return 0, fmt.Errorf("%q is no uid; write its number, such as 1000", text)
	}
	return int(n), nil
}

// checkPath refuses what no kernel says of a process.
func checkPath(text string) error {
	switch {
	case !strings.HasPrefix(text, "/"):
		return fmt.Errorf("%q is no absolute path; begin it with /", text)
	case strings.Contains(text, "//"), strings.Contains(text+"/", "/./"), strings.Contains(text+"/", "/../"), strings.ContainsRune(text, 0):
		return fmt.Errorf("%q is never the path of anything; write it without //, . and ..", text)
	}
	return nil
}
