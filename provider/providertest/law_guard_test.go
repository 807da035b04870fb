package providertest_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// panicking replaces one entry (and its group) by one that panics when armed.
func panicking(entry string, armed *bool) layerFunc {
	return func(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
		t := *next
		v := reflect.ValueOf(&t).Elem()
		f := v.FieldByName(entry)
		below := reflect.ValueOf(f.Interface())
		f.Set(reflect.MakeFunc(f.Type(), func(args []reflect.Value) []reflect.Value {
			if *armed {
				panic("bomb in " + entry)
			}
			return below.Call(args)
		}))
		return t, 0
	}
}

// One layer panics in each entry in turn. That socket is failed (if there is
// one), the report names the layer and the entry, the neighbour lives on, and
// nothing stays open.
func TestLaw14Panics(t *testing.T) {
	typ := reflect.TypeOf(provider.ProcTable{})
	for i := range typ.NumField() {
		entry := typ.Field(i).Name
		t.Run(entry, func(t *testing.T) {
			armed := false
			rig, err := providertest.TryBuild(new(providertest.Base), wsa.IPPROTO_TCP, panicking(entry, &armed))
			if err != nil {
				t.Fatal(err)
			}
			tab := &rig.Chain.Table
			s, neighbour := rig.Socket(t), rig.Socket(t)
			armed = true
			callEntry(tab, entry, s, rig.Request())
			if entry == "WSPCleanup" {
				armed = true
				tab.WSPCloseSocket(s, provider.CloseAbort)
				tab.WSPCloseSocket(neighbour, provider.CloseAbort)
				rig.Chain.Retire()
				<-rig.Chain.Done()
			}
			armed = false
			reports := rig.Host.Panics()
			if len(reports) != 1 || reports[0].Layer != "layer0" || reports[0].Op != entry || len(reports[0].Stack) == 0 {
				t.Fatalf("reports %+v", reports)
			}
			if rig.Chain.Panics() != 1 {
				t.Errorf("counted %d panics", rig.Chain.Panics())
			}
			if entry == "WSPCleanup" {
				return
			}
			if _, e := tab.WSPSend(neighbour, msg([]byte("x"))); e != 0 {
				t.Errorf("the neighbour was hit: %v", e)
			}
			if hasSocket(entry) && s.Failed() == 0 {
				t.Error("the socket lives on after a panic on it")
			}
			tab.WSPCloseSocket(s, provider.CloseAbort)
			tab.WSPCloseSocket(neighbour, provider.CloseAbort)
			if n := rig.Host.Open(); n != 0 {
				t.Errorf("%d sockets are open", n)
			}
			providertest.End(t, rig.Chain)
		})
	}
}

func hasSocket(entry string) bool {
	switch entry {
	case "WSPSocket", "WSPCleanup", "WSPAddressToString", "WSPStringToAddress":
		return false
	}
	return true
}

func callEntry(t *provider.ProcTable, entry string, s *provider.Socket, r *provider.SocketRequest) {
	switch entry {
	case "WSPSocket":
		t.WSPSocket(r)
	case "WSPJoinLeaf":
		t.WSPJoinLeaf(s, &provider.JoinRequest{})
	case "WSPDuplicateSocket":
		t.WSPDuplicateSocket(s, 1)
	case "WSPCloseSocket":
		t.WSPCloseSocket(s, provider.CloseAbort)
	case "WSPAddressToString":
		t.WSPAddressToString(provider.Addr{}, nil)
	case "WSPStringToAddress":
		t.WSPStringToAddress("", 0, nil)
	case "Ready":
		t.Ready(s, wsa.FD_READ)
	case "Watch":
		t.Watch(s, new(counter), wsa.FD_READ)
	case "WSPCleanup":
	default:
		v := reflect.ValueOf(t).Elem().FieldByName(entry)
		args := []reflect.Value{reflect.ValueOf(s)}
		for i := 1; i < v.Type().NumIn(); i++ {
			in := v.Type().In(i)
			a := reflect.New(in).Elem()
			if in.Kind() == reflect.Pointer {
				a = reflect.New(in.Elem())
			}
			args = append(args, a)
		}
		v.Call(args)
	}
}

// A layer panics after the socket was made below it: the socket is undone.
func TestLaw14PanicAfterSocket(t *testing.T) {
	for _, entry := range []string{"WSPSocket", "WSPAccept"} {
		t.Run(entry, func(t *testing.T) {
			armed := false
			l := layerFunc(func(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
				socket, accept := next.WSPSocket, next.WSPAccept
				boom := func(s *provider.Socket, e wsa.Errno) (*provider.Socket, wsa.Errno) {
					if armed {
						panic("after")
					}
					return s, e
				}
				return provider.ProcTable{
					WSPSocket: func(r *provider.SocketRequest) (*provider.Socket, wsa.Errno) { return boom(socket(r)) },
					WSPAccept: func(s *provider.Socket, r *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
						return boom(accept(s, r))
					},
				}, 0
			})
			rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, providertest.PassThrough{}, l)
			s := rig.Socket(t)
			armed = true
			var got *provider.Socket
			var e wsa.Errno
			if entry == "WSPSocket" {
				got, e = rig.Chain.Table.WSPSocket(rig.Request())
			} else {
				got, e = rig.Chain.Table.WSPAccept(s, &provider.AcceptRequest{})
			}
			if got != nil || e == 0 {
				t.Errorf("got socket %v and %v", got, e)
			}
			rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
			if n := rig.Host.Open(); n != 0 {
				t.Errorf("%d sockets were left", n)
			}
		})
	}
}

type badWatcher struct{}

func (badWatcher) Wake(*provider.Socket, wsa.Events) { panic("in wake") }

// Function values that a layer gives away: its watcher, goroutines, timers, a
// condition function, Decide and Witness.
func TestLaw14FunctionValues(t *testing.T) {
	var req *provider.StartupRequest
	l := layerFunc(func(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
		req = r
		watch := next.Watch
		return provider.ProcTable{
			Ready: next.Ready,
			Watch: func(s *provider.Socket, _ provider.Watcher, m wsa.Events) { watch(s, badWatcher{}, m) },
		}, 0
	})
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, l)
	tab := &rig.Chain.Table
	for name, do := range map[string]func(s *provider.Socket){
		"wake": func(s *provider.Socket) {
			tab.Watch(s, new(counter), wsa.FD_READ)
			providertest.Inject(s, []byte("x"))
		},
		"goroutine": func(s *provider.Socket) { req.Go(s, func(context.Context) { panic("in goroutine") }) },
		"timer":     func(s *provider.Socket) { req.AfterFunc(s, time.Nanosecond, func() { panic("in timer") }) },
	} {
		t.Run(name, func(t *testing.T) {
			s := rig.Socket(t)
			defer tab.WSPCloseSocket(s, provider.CloseAbort)
			before := len(rig.Host.Panics())
			do(s)
			deadline := time.Now().Add(5 * time.Second)
			for s.Failed() == 0 && time.Now().Before(deadline) {
				time.Sleep(time.Millisecond)
			}
			if s.Failed() == 0 {
				t.Fatal("the socket was not failed")
			}
			if got := rig.Host.Panics()[before:]; len(got) != 1 || got[0].Op != name || got[0].Layer != "layer0" {
				t.Errorf("reports %+v", got)
			}
		})
	}
}

func TestLaw14Condition(t *testing.T) {
	l := layerFunc(func(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
		return provider.ProcTable{WSPAccept: next.WSPAccept}, 0
	})
	rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, l)
	s := rig.Socket(t)
	defer rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
	_, e := rig.Chain.Table.WSPAccept(s, &provider.AcceptRequest{Cond: func(*provider.Indication) provider.CondResult { panic("in condition") }})
	if e != wsa.ECONNREFUSED || len(rig.Host.Panics()) != 1 {
		t.Errorf("accept: %v, %d reports; a condition that panics rejects", e, len(rig.Host.Panics()))
	}
}

func TestLaw14OnFailure(t *testing.T) {
	if _, err := providertest.TryBuild(new(providertest.Base), wsa.IPPROTO_TCP, &decider{}); err == nil || !strings.Contains(err.Error(), "on_failure") {
		t.Errorf("a layer that does not state on_failure was built: %v", err)
	}
	for on, want := range map[provider.OnFailure]wsa.Errno{provider.FailClosed: wsa.EACCES, provider.FailOpen: 0} {
		rig := providertest.Build(t, new(providertest.Base), wsa.IPPROTO_TCP, &decider{on: on, panics: true})
		s := rig.Socket(t)
		if e := rig.Chain.Table.WSPConnect(s, &provider.ConnectRequest{To: provider.Any(wsa.AF_INET, 1)}); e != want {
			t.Errorf("on_failure %d: connect gives %v, want %v", on, e, want)
		}
		if len(rig.Host.Panics()) == 0 {
			t.Error("not reported")
		}
		rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
	}
}

// A goroutine that a layer starts by itself is one that no guard contains and
// no Close waits for.
func TestLaw14NoBareGo(t *testing.T) {
	files := 0
	err := filepath.WalkDir("../layer", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: bare go; use StartupRequest.Go", fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && (n.Sel.Name == "AfterFunc" || n.Sel.Name == "NewTimer" || n.Sel.Name == "NewTicker") {
					t.Errorf("%s: time.%s; use StartupRequest.AfterFunc", fset.Position(n.Pos()), n.Sel.Name)
				}
			}
			return true
		})
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files looked at: %v", files, err)
	}
}
