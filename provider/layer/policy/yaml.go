package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// mapping calls for each key of n what takes it; other keys, and keys that come
// twice, are errors.
func (r *reader) mapping(n ast.Node, what string, keys map[string]func(ast.Node) error) error {
	var pairs []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		pairs = m.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{m}
	default:
		return r.at(n, "%s is a mapping (key: value), not %s", what, kindOf(n))
	}
	seen := make(map[string]bool)
	for _, p := range pairs {
		key, _, err := r.text(p.Key)
		if err != nil {
			return err
		}
		take := keys[key]
		switch {
		case take == nil:
			known := slices.Sorted(maps.Keys(keys))
			return r.at(p.Key, "unknown key %q; %s has %s", key, what, strings.Join(known, ", "))
		case seen[key]:
			return r.at(p.Key, "the key %q is there already", key)
		}
		seen[key] = true
		if err := take(p.Value); err != nil {
			return err
		}
	}
	return nil
}

// each calls take for each item of the list n.
func (r *reader) each(n ast.Node, what string, take func(ast.Node) error) error {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		return r.at(n, "%s is a list (- item), not %s", what, kindOf(n))
	}
	for _, v := range s.Values {
		if err := take(v); err != nil {
			return err
		}
	}
	return nil
}

// oneOrMore takes a list, or a single text in its place.
func (r *reader) oneOrMore(n ast.Node, take func(ast.Node) error) error {
	if _, list := n.(*ast.SequenceNode); list {
		return r.each(n, "", take)
	}
	return take(n)
}

// word is which of the words n is.
func (r *reader) word(n ast.Node, words ...string) (int, error) {
	text, _, err := r.text(n)
	if err != nil {
		return 0, err
	}
	i := slices.Index(words, text)
	if i < 0 {
		return 0, r.at(n, "%q cannot stand here; possible is %s", text, strings.Join(words, ", "))
	}
	return i, nil
}

// text is a scalar as it is written; inner is how far behind the node's column
// it begins.
func (r *reader) text(n ast.Node) (text string, inner int, err error) {
	switch s := n.(type) {
	case *ast.StringNode:
		if t := s.GetToken().Origin; strings.ContainsAny(t, `"'`) {
			inner = 1
		}
		return s.Value, inner, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return strings.TrimSpace(n.GetToken().Value), 0, nil
	case *ast.AliasNode:
		return "", 0, r.at(n, `what begins with * is an alias in YAML; put it in quotes, such as "*.example.com"`)
	case *ast.AnchorNode, *ast.TagNode, *ast.MergeKeyNode:
		return "", 0, r.at(n, "anchors, aliases and tags are not used here")
	}
	return "", 0, r.at(n, "a text is needed here, not %s", kindOf(n))
}

func kindOf(n ast.Node) string {
	switch n.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.LiteralNode:
		return "a block of text"
	case *ast.AliasNode, *ast.AnchorNode, *ast.TagNode:
		return "an anchor, alias or tag"
	}
	return "a single value"
}
