package policy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// narrowed is what stands behind a rule's expression for people: whom it is about
// and when.
func narrowed(r *Rule) string {
	const most = 120 // characters of a condition that are shown; where it stands is said beside
	s := r.Process.String()
	if text := oneLine(r.When.String()); len(text) > most {
		s += " when …"
	} else if text != "" {
		s += " when " + text
	}
	return s
}

// writeNarrow writes the keys that narrow a rule.
func writeNarrow(b *strings.Builder, r *Rule) {
	if len(r.Process.UIDs) > 0 {
		fmt.Fprintf(b, "    uid: [%s]\n", numbers(r.Process.UIDs, ", "))
	}
	writePaths(b, "exe", r.Process.Exes)
	writePaths(b, "cgroup", r.Process.CGroups)
	if r.When != nil {
		fmt.Fprintf(b, "    when: %s\n", quote(r.When.text))
	}
}

func writePaths(b *strings.Builder, key string, paths []string) {
	if len(paths) == 0 {
		return
	}
	var all []string
	for _, p := range paths {
		all = append(all, quote(p))
	}
	fmt.Fprintf(b, "    %s: [%s]\n", key, strings.Join(all, ", "))
}

// uids reads one uid or a list.
func (r *reader) uids(n ast.Node, to *[]int) error {
	return r.some(n, "uid", func(n ast.Node) error {
		text, _, err := r.text(n)
		if err != nil {
			return err
		}
		uid, err := parseUID(text)
		if err != nil {
			return r.at(n, "%v", err)
		}
		*to = append(*to, uid)
		return nil
	})
}

// paths reads one path or a list.
func (r *reader) paths(n ast.Node, what string, to *[]string) error {
	return r.some(n, what, func(n ast.Node) error {
		text, _, err := r.text(n)
		if err != nil {
			return err
		}
		if err := checkPath(text); err != nil {
			return r.at(n, "%v", err)
		}
		*to = append(*to, text)
		return nil
	})
}

// some is oneOrMore, and not none: an empty list would mean all.
func (r *reader) some(n ast.Node, what string, take func(ast.Node) error) error {
	if s, list := n.(*ast.SequenceNode); list && len(s.Values) == 0 {
		return r.at(n, "%s without an entry; leave the key out for any", what)
	}
	return r.oneOrMore(n, take)
}

// when reads a condition. What is wrong with it is shown where it stands, also
// within a block of text (when: |).
func (r *reader) when(n ast.Node) (*Condition, error) {
	text, where, err := r.conditionText(n)
	if err != nil {
		return nil, err
	}
	c, err := ParseCondition(text)
	var s *SyntaxError
	if errors.As(err, &s) {
		line, column := where(s)
		return nil, r.fail(line, column, "%s", s.Reason)
	}
	return c, err
}

// conditionText is the text of n, and where in the file an error of it is.
func (r *reader) conditionText(n ast.Node) (text string, where func(*SyntaxError) (line, column int), err error) {
	line, column := place(n.GetToken())
	block, ok := n.(*ast.LiteralNode)
	if !ok {
		text, inner, err := r.text(n)
		return text, func(e *SyntaxError) (int, int) {
			if e.Line > 1 {
				return line, column
			}
			return line, column + inner + e.Column - 1
		}, err
	}
	if block.Start.Type != token.LiteralType {
		return "", nil, r.at(n, "put a long condition behind when: |")
	}
	return block.Value.Value, func(e *SyntaxError) (int, int) {
		at := line + max(1, e.Line)
		return at, r.indent(line+1) + e.Column
	}, nil
}

// indent is how far a line stands to the right.
func (r *reader) indent(line int) int {
	lines := strings.Split(string(r.src), "\n")
	if line > len(lines) {
		return 0
	}
	return len(lines[line-1]) - len(strings.TrimLeft(lines[line-1], " "))
}
