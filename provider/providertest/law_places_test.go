package providertest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// given are the places of package provider's API where a function value, or an object
// with methods that are called, is given: of a layer, and then it is the place of that
// name in places; or not, and then by whom.
var given = map[string]string{
	"Layer.Startup": "Startup", "Decider.Decide": "Decide", "Decider.OnFailure": "OnFailure", "FailureStater.OnFailure": "OnFailure",
	"Witness.Witness": "Witness", "AnswerWitness.Answered": "Answered", "Watcher.Wake": "Wake", "AcceptRequest.Cond": "Cond",
	"StartupRequest.Go": "Go", "StartupRequest.AfterFunc": "AfterFunc", "StartupRequest.ObserveSends": "ObserveSends",
	"Resource":            "open", // which gives close
	"Contracted.Contract": by + "a chain: one that panics has no contract (TestContracts)",

	"Base.Entries": by + "a base", "Base.Startup": by + "a base", "Batcher.Batch": by + "a base", "BatchFunc": by + "a base",
	"Path.Recv": by + "a base", "Path.RecvFrom": by + "a base", "Path.Send": by + "a base", "Path.SendTo": by + "a base", "Path.Ready": by + "a base",
	"Host.CreateHandle": by + "the session", "Host.CloseHandle": by + "the session", "Host.Reported": by + "the session",
	"Upcalls.CreateSocketHandle": by + "the builder", "Upcalls.GetProviderPath": by + "the builder",
	"Socket.Learn": by + "the caller, in whose guarded call it runs", "Socket.OnLearn": by + "a gateway",
	"NameSource.NamesOf": by + "a gateway", "CatalogFile.Bind": by + "the program", "CatalogFile.Damaged": by + "the program",
	"Owners.Socket": by + "a gateway", "Owners.Holder": by + "a gateway", "Processes.ByInode": by + "a gateway",
	"JoinedGroup": by + "the caller, in whose guarded call it runs",
}

const by = "not a layer's: "

// Every place where a layer may give a function is one that goesOff.
func TestLaw14Places(t *testing.T) {
	var at []string
	for _, p := range places() {
		at = append(at, p.at)
	}
	used := make(map[string]bool)
	for name, pos := range functionPlaces(t) {
		what, ok := given[name]
		if entry, is := strings.CutPrefix(name, "ProcTable."); is {
			what, ok = entry, true
		}
		used[name] = true
		switch {
		case !ok:
			t.Errorf("%s: %s is given a function: whose? Guard it, and put it into places, if it is a layer's", pos, name)
		case !strings.HasPrefix(what, by) && !slices.Contains(at, what):
			t.Errorf("%s: %s is not among places", pos, name)
		}
	}
	for name := range given {
		if !used[name] {
			t.Errorf("%s is not in the API", name)
		}
	}
}

// functionPlaces are the parameters of exported functions, the fields of exported structs
// and the methods of exported interfaces that are functions, by name.
func functionPlaces(t *testing.T) map[string]token.Position {
	t.Helper()
	all, fset := make(map[string]token.Position), token.NewFileSet()
	add := func(name string, n ast.Node) { all[name] = fset.Position(n.Pos()) }
	files, _ := filepath.Glob("../*.go")
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if name := exported(d); name != "" && takesFunction(d.Type) {
					add(name, d)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if s, ok := s.(*ast.TypeSpec); ok && s.Name.IsExported() {
						typePlaces(s, add)
					}
				}
			}
		}
	}
	return all
}

func typePlaces(s *ast.TypeSpec, add func(string, ast.Node)) {
	var fields *ast.FieldList
	switch typ := s.Type.(type) {
	case *ast.FuncType:
		add(s.Name.Name, s)
	case *ast.StructType:
		fields = typ.Fields
	case *ast.InterfaceType:
		fields = typ.Methods
	}
	if fields == nil {
		return
	}
	for _, f := range fields.List {
		for _, n := range f.Names {
			if _, is := f.Type.(*ast.FuncType); is && n.IsExported() {
				add(s.Name.Name+"."+n.Name, n)
			}
		}
	}
}

func exported(d *ast.FuncDecl) string {
	name := d.Name.Name
	if !d.Name.IsExported() {
		return ""
	}
	if d.Recv == nil {
		return name
	}
	typ := d.Recv.List[0].Type
	if p, ok := typ.(*ast.StarExpr); ok {
		typ = p.X
	}
	if id, ok := typ.(*ast.Ident); ok && id.IsExported() {
		return id.Name + "." + name
	}
	return ""
}

func takesFunction(f *ast.FuncType) bool {
	return slices.ContainsFunc(f.Params.List, func(p *ast.Field) bool {
		_, is := p.Type.(*ast.FuncType)
		return is
	})
}
