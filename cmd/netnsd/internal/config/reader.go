package config

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/netnsd/netnsd/provider/layer/policy"
)

// reader fills Go values from the tree of a file and collects what is wrong. A
// decoder of the library would stop at the first error, and would not know where
// a value stood when a later check refuses it.
type reader struct {
	file   string
	src    []byte
	config *Config             // the value that is filled; attachments begin as its Defaults
	nodes  map[string]ast.Node // by path, as attachments[0].netns.name
	errs   Errors
}

// most bounds what is remembered of a file that is wrong everywhere: each excerpt costs
// a look through the file.
const most = 1000

func (r *reader) at(path string, n ast.Node, format string, args ...any) {
	if len(r.errs) == most {
		return
	}
	e := policy.ErrorAt(r.file, r.src, n, format, args...)
	r.errs = append(r.errs, &Error{path, *e})
}

// wrong reports the value at path, or what it would be part of if it is not there.
func (r *reader) wrong(path, format string, args ...any) {
	for p := path; ; p = parent(p) {
		if n, ok := r.nodes[p]; ok {
			r.at(path, n, format, args...)
			return
		}
		if p == "" {
			r.errs = append(r.errs, &Error{path, policy.FileError{File: r.file, Reason: fmt.Sprintf(format, args...)}})
			return
		}
	}
}

// parent is attachments[0].netns of attachments[0].netns.name, and attachments of
// attachments[0].
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

func below(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

var rawMessage = reflect.TypeFor[json.RawMessage]()

// value sets v to what n says.
func (r *reader) value(path string, n ast.Node, v reflect.Value) {
	r.nodes[path] = n
	if refers(n) {
		r.referring(path, n)
		return
	}
	if t, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if text, ok := r.text(path, n); ok {
			if err := t.UnmarshalText([]byte(text)); err != nil {
				r.at(path, n, "%v", err)
			}
		}
		return
	}
	switch {
	case v.Type() == rawMessage:
		r.raw(path, n, v)
	case v.Kind() == reflect.Struct:
		r.mapping(path, n, v)
	case v.Kind() == reflect.Slice:
		r.list(path, n, v)
	default:
		r.scalar(path, n, v)
	}
}

// refers says that n is not what it looks like. What is repeated by reference is no
// larger than a line in the file, and without bound when it is read.
func refers(n ast.Node) bool {
	switch n.(type) {
	case *ast.AliasNode, *ast.AnchorNode, *ast.TagNode, *ast.MergeKeyNode:
		return true
	}
	return false
}

func (r *reader) referring(path string, n ast.Node) {
	r.at(path, n, "anchors, aliases and tags are not used here; a text that begins so stands in quotes")
}

// reference finds the first node that refers.
type reference struct{ node ast.Node }

func (f *reference) Visit(n ast.Node) ast.Visitor {
	if f.node == nil && refers(n) {
		f.node = n
	}
	if f.node != nil {
		return nil
	}
	return f
}

func (r *reader) mapping(path string, n ast.Node, v reflect.Value) {
	pairs, ok := pairsOf(n)
	if !ok {
		r.at(path, n, "a mapping (key: value) is needed here, not %s", kindOf(n))
		return
	}
	if p, ok := v.Addr().Interface().(interface{ preset(*Config) }); ok {
		p.preset(r.config)
	}
	fields := fieldsOf(v)
	values := make(map[string]ast.Node)
	for _, p := range pairs {
		key := p.Key.String()
		if s, ok := p.Key.(*ast.StringNode); ok {
			key = s.Value
		}
		known := slices.ContainsFunc(fields, func(f field) bool { return f.key == key })
		switch {
		case !known:
			r.at(below(path, key), p.Key, "unknown key %q; possible is %s", key, keys(fields))
		case values[key] != nil:
			r.at(below(path, key), p.Key, "the key %q is there already", key)
		default:
			values[key] = p.Value
		}
	}
	for _, f := range fields { // not as the file has them: defaults come before attachments
		if n := values[f.key]; n != nil {
			r.value(below(path, f.key), n, f.value)
		}
	}
}

func pairsOf(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}, true
	}
	return nil, false
}

type field struct {
	key   string
	value reflect.Value
}

// fieldsOf are the fields of a struct that a file can set, those embedded included.
func fieldsOf(v reflect.Value) (all []field) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			all = append(all, fieldsOf(v.Field(i))...)
		case key != "-":
			all = append(all, field{key, v.Field(i)})
		}
	}
	return all
}

func keys(fields []field) string {
	var names []string
	for _, f := range fields {
		names = append(names, f.key)
	}
	return strings.Join(names, ", ")
}

func (r *reader) list(path string, n ast.Node, v reflect.Value) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		r.at(path, n, "a list is needed here ([a, b] or - item), not %s", kindOf(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(s.Values), len(s.Values)))
	for i, n := range s.Values {
		r.value(item(path, i), n, v.Index(i))
	}
}

func (r *reader) raw(path string, n ast.Node, v reflect.Value) {
	if _, ok := pairsOf(n); !ok {
		r.at(path, n, "a mapping (key: value) is needed here, not %s", kindOf(n))
		return
	}
	found := new(reference)
	ast.Walk(found, n)
	if found.node != nil {
		r.referring(path, found.node)
		return
	}
	var value any
	err := yaml.NodeToValue(n, &value)
	if err == nil {
		var text []byte
		text, err = json.Marshal(value)
		v.SetBytes(text)
	}
	if err != nil {
		r.at(path, n, "%v", err)
	}
}

func (r *reader) scalar(path string, n ast.Node, v reflect.Value) {
	text, ok := r.text(path, n)
	switch {
	case !ok:
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		if _, ok := n.(*ast.BoolNode); !ok {
			r.at(path, n, "true or false is needed here, not %q", text)
			return
		}
		v.SetBool(n.(*ast.BoolNode).Value)
	case v.Kind() == reflect.Int:
		i, err := strconv.Atoi(text)
		if _, ok := n.(*ast.IntegerNode); !ok || err != nil {
			r.at(path, n, "a whole number is needed here, not %q", text)
			return
		}
		v.SetInt(int64(i))
	default:
		panic("config: no way to read a " + v.Type().String()) // TestEveryKind
	}
}

// text is a scalar as it is written.
func (r *reader) text(path string, n ast.Node) (string, bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return strings.TrimSpace(n.GetToken().Value), true
	}
	r.at(path, n, "a single value is needed here, not %s", kindOf(n))
	return "", false
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
	case *ast.InfinityNode, *ast.NanNode:
		return "a number without end"
	}
	return "a single value"
}
