package provider_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// declared are the names of a package's source, tests apart, methods and fields as
// "Type.Name", and the fields of each type in their order.
func declared(t *testing.T, dir string) (names []string, fields map[string][]string) {
	t.Helper()
	fields = make(map[string][]string)
	files, err := fs.Glob(os.DirFS(dir), "*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no source in %s: %v", dir, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), dir+"/"+name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				names = append(names, receiver(d)+d.Name.Name)
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						names = append(names, s.Name.Name)
						fields[s.Name.Name] = fieldsOf(s.Type)
					case *ast.ValueSpec:
						for _, id := range s.Names {
							names = append(names, id.Name)
						}
					}
				}
			}
		}
	}
	for typ, of := range fields {
		for _, f := range of {
			names = append(names, typ+"."+f)
		}
	}
	return names, fields
}

func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	switch x := d.Recv.List[0].Type.(type) {
	case *ast.StarExpr:
		if id, ok := x.X.(*ast.Ident); ok {
			return id.Name + "."
		}
	case *ast.Ident:
		return x.Name + "."
	}
	return "?."
}

// fieldsOf are the fields of a structure and the methods of an interface.
func fieldsOf(x ast.Expr) (names []string) {
	var list *ast.FieldList
	switch x := x.(type) {
	case *ast.StructType:
		list = x.Fields
	case *ast.InterfaceType:
		list = x.Methods
	default:
		return nil
	}
	for _, f := range list.List {
		for _, id := range f.Names {
			names = append(names, id.Name)
		}
	}
	return names
}

// spi is WSPPROC_TABLE in the SDK's order (winsock-spi 3.0), and WSPStartup.
var spi = strings.Fields(`WSPAccept WSPAddressToString WSPAsyncSelect WSPBind WSPCancelBlockingCall WSPCleanup WSPCloseSocket
	WSPConnect WSPDuplicateSocket WSPEnumNetworkEvents WSPEventSelect WSPGetOverlappedResult WSPGetPeerName WSPGetSockName
	WSPGetSockOpt WSPGetQOSByName WSPIoctl WSPJoinLeaf WSPListen WSPRecv WSPRecvDisconnect WSPRecvFrom WSPSelect WSPSend
	WSPSendDisconnect WSPSendTo WSPSetSockOpt WSPShutdown WSPSocket WSPStringToAddress WSPStartup`)

// TestFunctionTable keeps the table of doc.go in step with the code: every function of
// the SPI stands in it, in the SDK's order, and is where it says; nothing of ProcTable
// or of the classic table is missing in it; and what the text about upcalls and WSC
// functions names is there.
func TestFunctionTable(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	own, ownFields := declared(t, ".")
	_, classic := declared(t, "../sockets")
	section := between(t, string(doc), "# The functions of the SPI", "# The laws of the chain")

	var listed []string
	for _, row := range regexp.MustCompile(`(?m)^//\t(WSP\w+) +(.*)$`).FindAllStringSubmatch(section, -1) {
		name, where := row[1], row[2]
		listed = append(listed, name)
		inTable := slices.Contains(ownFields["ProcTable"], name)
		switch {
		case strings.HasPrefix(where, "Table"):
			if !inTable {
				t.Errorf("%s: doc.go says Table, and ProcTable has it not", name)
			}
		case where == "sockets", strings.HasPrefix(where, "sockets "), name == "WSPStartup":
			if inTable {
				t.Errorf("%s: doc.go says sockets, and ProcTable has it", name)
			}
		default:
			t.Errorf("%s: doc.go says nothing of where it is: %q", name, where)
		}
		if name != "WSPStartup" && !slices.Contains(classic["WSPProcTable"], name) {
			t.Errorf("sockets.WSPProcTable has no %s", name)
		}
	}
	if !slices.Equal(listed, spi) {
		t.Errorf("doc.go lists %v, want %v", listed, spi)
	}
	for _, f := range ownFields["ProcTable"] {
		if f != "Ready" && f != "Watch" && !slices.Contains(listed, f) {
			t.Errorf("ProcTable has %s, of which doc.go says nothing", f)
		}
	}
	if got := classic["WSPProcTable"]; !slices.Equal(got, spi[:30]) {
		t.Errorf("sockets.WSPProcTable is %v, want the SDK's order", got)
	}
	documented(t, section, own)
}

// documented holds the text behind the table to the code.
func documented(t *testing.T, section string, own []string) {
	for _, link := range regexp.MustCompile(`\[(\w+(?:\]?\.\w+)?)\](\.\w+)?`).FindAllStringSubmatch(section, -1) {
		if name := link[1] + link[2]; !slices.Contains(own, name) {
			t.Errorf("doc.go links to %s, which is not there", name)
		}
	}
	for _, name := range own {
		_, method, _ := strings.Cut(name, ".")
		if (strings.HasPrefix(method, "WSC") || strings.HasPrefix(method, "WSAEnum")) && !strings.Contains(section, "["+name+"]") {
			t.Errorf("doc.go says nothing of %s", name)
		}
	}
	theirs, upcalls := declared(t, "../sockets")
	for _, name := range regexp.MustCompile(`sockets\.(WS\w+)`).FindAllStringSubmatch(section, -1) {
		if !slices.Contains(theirs, name[1]) {
			t.Errorf("doc.go names sockets.%s, which is not there", name[1])
		}
	}
	table := upcalls["WSPUpcallTable"]
	if len(table) != 15 || !strings.Contains(section, "15 in the SDK's order") {
		t.Errorf("%d upcalls", len(table))
	}
	for _, name := range regexp.MustCompile(`WPU\w+`).FindAllString(section, -1) {
		if !slices.Contains(table, name) && !slices.Contains(theirs, "Session."+name) {
			t.Errorf("doc.go names %s, which is neither an upcall nor a method of sockets.Session", name)
		}
	}
}

func between(t *testing.T, s, from, to string) string {
	t.Helper()
	_, s, ok := strings.Cut(s, from)
	s, _, ok2 := strings.Cut(s, to)
	if !ok || !ok2 {
		t.Fatalf("doc.go has no part from %q to %q", from, to)
	}
	return s
}
