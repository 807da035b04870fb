package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/goccy/go-yaml/ast"

	"github.com/netnsd/netnsd/provider/layer/policy"
)

// Load reads a file, and the policies that it names. What is wrong in them is
// [Errors].
func Load(file string) (*Config, error) {
	src, err := read(file)
	if err != nil {
		return nil, err
	}
	return Parse(file, src)
}

// read reads no more than a file can be: /dev/zero has no end.
func read(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, policy.MaxFile+1))
}

// Parse is [Load] of a file's content; file is its name, for positions and for the
// files that it names.
func Parse(file string, src []byte) (*Config, error) {
	root, err := policy.Document(file, src)
	if f, ok := errors.AsType[*policy.FileError](err); ok {
		return nil, Errors{{"", *f}}
	}
	r := &reader{file: file, src: src, config: new(Config), nodes: make(map[string]ast.Node)}
	r.value("", root, reflect.ValueOf(r.config).Elem())
	if r.nodes["version"] == nil && len(r.errs) == 0 {
		r.wrong("", "version: 1 is missing")
	}
	if len(r.errs) == 0 {
		dir, err := filepath.Abs(filepath.Dir(file)) // of what is shown, and of a daemon that may go elsewhere
		if err != nil {
			return nil, err
		}
		r.config.complete(dir)
		r.policies()
		r.rules()
		(&checker{r.config, r.wrong}).all()
	}
	if len(r.errs) > 0 {
		slices.SortStableFunc(r.errs, func(a, b *Error) int {
			return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return nil, r.errs
	}
	return r.config, nil
}

// policies reads the rules of the layers that decide.
func (r *reader) policies() {
	for i := range r.config.Catalog.Layers {
		l := &r.config.Catalog.Layers[i]
		path := item("catalog.layers", i)
		var err error
		switch inline := r.nodes[below(path, "policy")]; {
		case l.Type != LayerPolicy:
			continue
		case inline != nil:
			l.Decides, err = policy.ParseNode(r.file, r.src, inline)
		case l.Policy != nil: // of the default catalog
			l.Decides, err = policy.Parse("default", l.Policy)
		case l.File != "" && l.File != "-":
			l.Decides, err = readPolicy(l.File)
		}
		if f, ok := errors.AsType[*policy.FileError](err); ok {
			r.errs = append(r.errs, &Error{path, *f})
		} else if err != nil {
			r.wrong(below(path, "file"), "%v", unwrapped(err))
		}
	}
}

// rules reads those of the other layers.
func (r *reader) rules() {
	for i := range r.config.Catalog.Layers {
		path := below(item("catalog.layers", i), "rules")
		at, err := r.config.Catalog.Layers[i].read()
		switch {
		case err == nil:
		case at >= 0:
			r.wrong(item(path, at), "%v", err)
		default:
			r.wrong(path, "%v", err)
		}
	}
}

func readPolicy(file string) (*policy.Policy, error) {
	src, err := read(file)
	if err != nil {
		return nil, err
	}
	return policy.Parse(file, src)
}

// unwrapped leaves the words open and read away, which say nothing here.
func unwrapped(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", p.Path, p.Err)
	}
	return err
}
