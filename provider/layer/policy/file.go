package policy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/netnsd/netnsd/provider"
)

// Limits of a policy file. Real ones are a few KiB.
// MaxFile is how many bytes a policy may have: 256 KiB, some 10 000 rules. The
// YAML parser takes a second for the worst of that, and grows with its square.
const MaxFile = 256 << 10

const (
	maxDepth = 64 // of brackets, and of dashes in one line; a policy needs 3
)

// FileError says what is wrong in a policy file, where, and what to write.
type FileError struct {
	File         string
	Line, Column int // from 1; 0 = the file as a whole
	Reason       string
	Excerpt      string // the line, and a mark under the place; "" if there is none
}

func (e *FileError) Error() string {
	s := "policy: " + e.Pos() + ": " + e.Reason
	if e.Excerpt != "" {
		s += "\n" + e.Excerpt
	}
	return s
}

// Pos is file:line:column.
func (e *FileError) Pos() string {
	if e.Line == 0 {
		return e.File
	}
	return fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
}

// Parse reads a policy file; file is its name, for positions. The error is a
// [*FileError]. Nothing is allowed that the file does not say: on an error there
// is no policy.
func Parse(file string, src []byte) (p *Policy, err error) {
	r := &reader{file: file, src: src}
	if err := r.check(); err != nil {
		return nil, err
	}
	root, err := r.yaml()
	if err != nil {
		return nil, err
	}
	c, err := r.policy(root)
	if err != nil {
		return nil, err
	}
	return New(c)
}

// reader walks the tree of a file. Decoding into structs would be shorter, but
// would lose where each rule stands.
type reader struct {
	file string
	src  []byte
}

func (r *reader) fail(line, column int, format string, args ...any) error {
	e := &FileError{File: r.file, Line: line, Column: column, Reason: fmt.Sprintf(format, args...)}
	lines := strings.Split(string(r.src), "\n")
	if line > 0 && line <= len(lines) {
		text := strings.Map(printable, strings.TrimRight(lines[line-1], "\r"))
		if len(text) < 200 {
			e.Excerpt = fmt.Sprintf("%5d | %s\n      | %*s", line, text, column, "^")
		}
	}
	return e
}

// printable keeps a file from talking to the terminal.
func printable(c rune) rune {
	switch {
	case c == '\t':
		return ' '
	case c < ' ' || c == 0x7f:
		return '.'
	}
	return c
}

func (r *reader) at(n ast.Node, format string, args ...any) error {
	switch m := n.(type) { // the token of a mapping is its first colon
	case *ast.MappingNode:
		if len(m.Values) > 0 {
			n = m.Values[0].Key
		}
	case *ast.MappingValueNode:
		n = m.Key
	}
	line, column := place(n.GetToken())
	return r.fail(line, column, format, args...)
}

func place(t *token.Token) (line, column int) {
	if t == nil || t.Position == nil {
		return 0, 0
	}
	return t.Position.Line, t.Position.Column
}

// check refuses what would cost more to parse than a policy is worth.
func (r *reader) check() error {
	if len(r.src) > MaxFile {
		return r.fail(0, 0, "%d bytes are too many; at most %d are read", len(r.src), MaxFile)
	}
	if i := strings.IndexByte(string(r.src), 0); i >= 0 {
		return r.fail(0, 0, "byte %d is NUL: this is not a text file", i)
	}
	line, depth := 0, 0
	for text := range strings.SplitSeq(string(r.src), "\n") {
		line++
		bare := strings.TrimLeft(text, " \t-?")
		if strings.HasPrefix(bare, "#") {
			continue
		}
		if strings.Count(text[:len(text)-len(bare)], "-") > maxDepth || deepest(text, &depth) > maxDepth {
			return r.fail(line, 1, "nested too deeply")
		}
	}
	return nil
}

// deepest is how deep the brackets of text go, from depth on. Those in quotes
// count as well, but come in pairs.
func deepest(text string, depth *int) (most int) {
	for _, c := range []byte(text) {
		switch c {
		case '[', '{':
			*depth++
			most = max(most, *depth)
		case ']', '}':
			*depth = max(0, *depth-1)
		}
	}
	return most
}

// yaml is the file's one document.
func (r *reader) yaml() (root ast.Node, err error) {
	defer func() { // the parser is not ours, and a file is anybody's
		if p := recover(); p != nil {
			root, err = nil, r.fail(0, 0, "not valid YAML: %v", p)
		}
	}()
	f, err := parser.ParseBytes(r.src, 0)
	var y interface {
		GetToken() *token.Token
		GetMessage() string
	}
	switch {
	case errors.As(err, &y):
		line, column := place(y.GetToken())
		return nil, r.fail(line, column, "%s", strings.Map(printable, y.GetMessage()))
	case err != nil:
		return nil, r.fail(0, 0, "not valid YAML: %v", err)
	}
	for _, d := range f.Docs {
		switch {
		case d.Body == nil:
		case root != nil:
			return nil, r.at(d.Body, "a file is one document; remove the second")
		default:
			root = d.Body
		}
	}
	if root == nil {
		return nil, r.fail(0, 0, "the file is empty; at least version: 1 must stand there")
	}
	return root, nil
}

func (r *reader) policy(root ast.Node) (c Config, err error) {
	version := false
	err = r.mapping(root, "a policy", map[string]func(ast.Node) error{
		"version": func(n ast.Node) error {
			version = true
			_, err := r.word(n, "1")
			return err
		},
		"default": func(n ast.Node) error {
			c.Pos = r.pos(n)
			return r.action(n, &c.Default)
		},
		"deny_with": func(n ast.Node) error { return r.how(n, &c.DenyWith) },
		"on_failure": func(n ast.Node) error {
			i, err := r.word(n, "closed", "open")
			c.OnFailure = [...]provider.OnFailure{provider.FailClosed, provider.FailOpen}[i]
			return err
		},
		"listen": r.mode(&c.Listen, &c.Modes.Listen),
		"ech":    r.mode(&c.ECH, &c.Modes.ECH),
		"dot":    r.mode(&c.DoT, &c.Modes.DoT),
		"doh":    r.mode(&c.DoH, &c.Modes.DoH),
		"rebind": func(n ast.Node) error { return r.action(n, &c.Rebind) },
		"rules": func(n ast.Node) error {
			return r.each(n, "rules", func(n ast.Node) error {
				rules, err := r.rule(n)
				c.Rules = append(c.Rules, rules...)
				return err
			})
		},
	})
	if err == nil && !version {
		err = r.at(root, "version: 1 is missing")
	}
	return c, err
}

// rule reads one item of rules, which has one expression or several.
func (r *reader) rule(n ast.Node) (rules []Rule, err error) {
	var common Rule // what all of them share
	var withAt ast.Node
	list := func(a provider.Action) func(ast.Node) error {
		return func(n ast.Node) error {
			if len(rules) > 0 {
				return r.at(n, "a rule allows or denies; write two")
			}
			return r.oneOrMore(n, func(n ast.Node) error {
				rule, err := r.expr(n)
				rule.Action = a
				rules = append(rules, rule)
				return err
			})
		}
	}
	err = r.mapping(n, "a rule", map[string]func(ast.Node) error{
		"allow": list(provider.Allow),
		"deny":  list(provider.Deny),
		"with": func(n ast.Node) error {
			withAt = n
			return r.how(n, &common.With)
		},
		"note": func(n ast.Node) (err error) {
			common.Note, _, err = r.text(n)
			return err
		},
		"uid":    func(n ast.Node) error { return r.uids(n, &common.Process.UIDs) },
		"exe":    func(n ast.Node) error { return r.paths(n, "exe", &common.Process.Exes) },
		"cgroup": func(n ast.Node) error { return r.paths(n, "cgroup", &common.Process.CGroups) },
		"when": func(n ast.Node) (err error) {
			common.When, err = r.when(n)
			return err
		},
	})
	switch {
	case err != nil:
		return nil, err
	case len(rules) == 0:
		return nil, r.at(n, "a rule needs allow or deny with at least one expression")
	case withAt != nil && rules[0].Action == provider.Allow:
		return nil, r.at(withAt, "with says how a denial looks; this rule allows")
	}
	for i := range rules {
		rules[i].With, rules[i].Note = common.With, common.Note
		rules[i].Process, rules[i].When = common.Process, common.When
	}
	return rules, nil
}

func (r *reader) expr(n ast.Node) (Rule, error) {
	text, inner, err := r.text(n)
	if err != nil {
		return Rule{}, err
	}
	x, err := ParseExpr(text)
	var s *SyntaxError
	if errors.As(err, &s) {
		line, column := place(n.GetToken())
		return Rule{}, r.fail(line, column+inner+s.Column-1, "%s", s.Reason)
	}
	return Rule{Expr: x, Text: text, Pos: r.pos(n)}, err
}

func (r *reader) action(n ast.Node, to *provider.Action) error {
	i, err := r.word(n, "allow", "deny")
	*to = [...]provider.Action{provider.Allow, provider.Deny}[i]
	return err
}

// mode reads an action, and where it stands.
func (r *reader) mode(to *provider.Action, pos *string) func(ast.Node) error {
	return func(n ast.Node) error {
		*pos = r.pos(n)
		return r.action(n, to)
	}
}

func (r *reader) how(n ast.Node, to *How) error {
	i, err := r.word(n, Prohibited.String(), Reset.String(), Unreachable.String(), Drop.String())
	*to = Prohibited + How(i)
	return err
}

func (r *reader) pos(n ast.Node) string {
	line, column := place(n.GetToken())
	return fmt.Sprintf("%s:%d:%d", r.file, line, column)
}
