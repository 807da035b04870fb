package netstack_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider/netstack"
)

// TestErrnoTotal reads gVisor's source: an error without a row is a failure.
func TestErrnoTotal(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "gvisor.dev/gvisor").Output()
	if err != nil {
		t.Fatalf("where is gVisor: %v", err)
	}
	file := filepath.Join(strings.TrimSpace(string(out)), "pkg", "tcpip", "errors.go")
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	rows := netstack.Rows()
	found := 0
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Name.Name != "isError" || fn.Recv == nil {
			continue
		}
		star, ok := fn.Recv.List[0].Type.(*ast.StarExpr)
		if !ok {
			t.Fatalf("%s: a receiver that is no pointer", file)
		}
		name := star.X.(*ast.Ident).Name
		found++
		if _, ok := rows[name]; !ok {
			t.Errorf("%s has no row", name)
		}
		delete(rows, name)
	}
	if found < 40 {
		t.Errorf("only %d errors in %s: is it the right file?", found, file)
	}
	for name := range rows {
		t.Errorf("%s has a row, but gVisor has no such error", name)
	}
}

// TestErrnoDead: a dead stream has the causes of base.State.Err and no others.
func TestErrnoDead(t *testing.T) {
	for name, codes := range netstack.Rows() {
		for o, e := range codes {
			if e == 0 {
				t.Errorf("%s in operation %d is no error", name, o)
			}
		}
		if e := codes[netstack.Dead]; !netstack.Terminal(e) {
			t.Errorf("%s ends a stream as %s", name, e.Name())
		}
	}
}
