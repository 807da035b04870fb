package policy

import "github.com/goccy/go-yaml/ast"

// Document is the one YAML document of a file, refused where it would cost more to
// parse than it is worth: for files that hold policies among other things. The error
// is a [*FileError].
func Document(file string, src []byte) (ast.Node, error) {
	r := &reader{file: file, src: src}
	if err := r.check(); err != nil {
		return nil, err
	}
	return r.yaml()
}

// ParseNode is [Parse] of a policy that is the part n of the document src.
func ParseNode(file string, src []byte, n ast.Node) (*Policy, error) {
	c, err := (&reader{file: file, src: src}).policy(n)
	if err != nil {
		return nil, err
	}
	return New(c)
}

// ErrorAt is an error about the node n of the document src, with an excerpt.
func ErrorAt(file string, src []byte, n ast.Node, format string, args ...any) *FileError {
	return (&reader{file: file, src: src}).at(n, format, args...).(*FileError)
}
