package base_test

import (
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

var bindModes = []string{"default", "REUSE", "EXCL"}

// bindMatrix is winsock-spi 9.5 as it stands there: by mode and wildcard (0) or
// specific (1) of the first bind, then of the second.
var bindMatrix = func() (m [3][2][3][2]wsa.Errno) {
	const ok, inuse, acc = wsa.Errno(0), wsa.EADDRINUSE, wsa.EACCES
	for i, row := range [][6]wsa.Errno{
		{inuse, ok, acc, ok, inuse, ok},    // default W
		{ok, inuse, ok, acc, inuse, inuse}, // default S
		{inuse, ok, ok, ok, inuse, ok},     // REUSE W
		{ok, inuse, ok, ok, inuse, inuse},  // REUSE S
		{inuse, acc, acc, acc, inuse, acc}, // EXCL W
		{ok, inuse, ok, acc, inuse, inuse}, // EXCL S
	} {
		for j, e := range row {
			m[i/2][i%2][j/2][j%2] = e
		}
	}
	return m
}()

// eachBind runs f for each cell.
func eachBind(f func(name string, first, second base.BindMode, w1, w2 bool, want wsa.Errno)) {
	place := []string{"W", "S"}
	for a := range bindMatrix {
		for i := range bindMatrix[a] {
			for b := range bindMatrix[a][i] {
				for j, want := range bindMatrix[a][i][b] {
					text := bindModes[a] + " " + place[i] + " then " + bindModes[b] + " " + place[j]
					f(text, base.BindMode(a), base.BindMode(b), i == 0, j == 0, want)
				}
			}
		}
	}
}

func TestBindConflict(t *testing.T) {
	const port = ":80"
	type family struct{ name, wildcard, specific, other string }
	for _, fam := range []family{
		{"inet", "0.0.0.0", "10.0.0.1", "10.0.0.2"},
		{"inet6", "[::]", "[fd00::1]", "[fd00::2]"},
		{"mapped", "0.0.0.0", "[::ffff:10.0.0.1]", "10.0.0.2"},
	} {
		at := func(wildcard bool, m base.BindMode) base.Binding {
			a := fam.specific
			if wildcard {
				a = fam.wildcard
			}
			return base.Binding{Protocol: wsa.IPPROTO_TCP, Addr: netip.MustParseAddrPort(a + port), Mode: m}
		}
		eachBind(func(text string, first, second base.BindMode, w1, w2 bool, want wsa.Errno) {
			t.Run(fam.name+"/9.5 "+text, func(t *testing.T) {
				a, b := at(w1, first), at(w2, second)
				if e := base.BindConflict(a, b); e != want {
					t.Errorf("%s, want %s", name(e), name(want))
				}
				udp, elsewhere := b, b
				udp.Protocol = wsa.IPPROTO_UDP
				elsewhere.Addr = netip.AddrPortFrom(b.Addr.Addr(), 81)
				for what, c := range map[string]base.Binding{"another protocol": udp, "another port": elsewhere} {
					if e := base.BindConflict(a, c); e != 0 {
						t.Errorf("%s: %s", what, name(e))
					}
				}
				if !w1 && !w2 { // "Different specific addresses never conflict"
					b.Addr = netip.MustParseAddrPort(fam.other + port)
					if e := base.BindConflict(a, b); e != 0 {
						t.Errorf("different addresses: %s", name(e))
					}
				}
			})
		})
	}
}

// TestBindConflictDual: "Dual-stack wildcard must pass on both stacks" (9.5).
func TestBindConflictDual(t *testing.T) {
	binding := func(a string, dual bool, m base.BindMode) base.Binding {
		return base.Binding{Protocol: wsa.IPPROTO_TCP, Addr: netip.MustParseAddrPort(a), Dual: dual, Mode: m}
	}
	for _, other := range []struct {
		name, addr string
		wildcard   bool
	}{
		{"inet W", "0.0.0.0:80", true}, {"inet S", "10.0.0.1:80", false},
		{"inet6 W", "[::]:80", true}, {"inet6 S", "[fd00::1]:80", false},
	} {
		eachBind(func(text string, first, second base.BindMode, w1, w2 bool, want wsa.Errno) {
			if w1 && w2 == other.wildcard {
				if e := base.BindConflict(binding("[::]:80", true, first), binding(other.addr, false, second)); e != want {
					t.Errorf("dual, then %s as %s: %s, want %s", other.name, text, name(e), name(want))
				}
			}
			if w2 && w1 == other.wildcard {
				if e := base.BindConflict(binding(other.addr, false, first), binding("[::]:80", true, second)); e != want {
					t.Errorf("%s, then dual as %s: %s, want %s", other.name, text, name(e), name(want))
				}
			}
		})
	}
	if e := base.BindConflict(binding("[::]:80", false, 0), binding("0.0.0.0:80", false, 0)); e != 0 {
		t.Errorf("inet beside inet6 only: %s", name(e))
	}
}

// TestBindings: the first against whom a bind stands is heard, what fails below
// takes no place, and places are given back.
func TestBindings(t *testing.T) {
	var b base.Bindings
	want := func(a string, m base.BindMode) base.Binding {
		return base.Binding{Protocol: wsa.IPPROTO_UDP, Addr: netip.MustParseAddrPort(a), Mode: m}
	}
	below := func(port uint16, e wsa.Errno) func() (uint16, wsa.Errno) {
		return func() (uint16, wsa.Errno) { return port, e }
	}
	if _, e := b.Bind(want("10.0.0.1:0", 0), below(0, wsa.EADDRNOTAVAIL)); e != wsa.EADDRNOTAVAIL || b.Len() != 0 {
		t.Fatalf("%s, %d places", name(e), b.Len())
	}
	first, e := b.Bind(want("10.0.0.1:0", base.BindReuse), below(49152, 0))
	if e != 0 || first.Addr.Port() != 49152 {
		t.Fatalf("%+v %s", first, name(e))
	}
	second, e := b.Bind(want("10.0.0.1:49152", base.BindReuse), below(49152, 0))
	if e != 0 || b.Len() != 2 {
		t.Fatalf("%s, %d places", name(e), b.Len())
	}
	never := func() (uint16, wsa.Errno) { t.Error("asked below"); return 0, 0 }
	if _, e := b.Bind(want("10.0.0.1:49152", base.BindExclusive), never); e != wsa.EADDRINUSE {
		t.Errorf("exclusive: %s", name(e))
	}
	first.Release()
	second.Release()
	(*base.Bound)(nil).Release()
	if b.Len() != 0 {
		t.Errorf("%d places are left", b.Len())
	}
}

// TestBindMatrix is 9.5 through WSPSetSockOpt and WSPBind, over a network that
// decides by it.
func TestBindMatrix(t *testing.T) {
	eachBind(func(text string, first, second base.BindMode, w1, w2 bool, want wsa.Errno) {
		for kind, open := range map[string]func(*rig) *provider.Socket{"tcp": (*rig).tcp, "udp": (*rig).udp} {
			t.Run(kind+"/9.5 "+text, func(t *testing.T) {
				r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{}))
				make := func(m base.BindMode, wildcard bool) (*provider.Socket, wsa.Errno) {
					s := open(r)
					switch m {
					case base.BindReuse:
						r.want("SO_REUSEADDR", r.set(s, wsa.SOL_SOCKET, wsa.SO_REUSEADDR, 1), 0)
					case base.BindExclusive:
						r.want("SO_EXCLUSIVEADDRUSE", r.set(s, wsa.SOL_SOCKET, wsa.SO_EXCLUSIVEADDRUSE, 1), 0)
					}
					at := "127.0.0.1:80"
					if wildcard {
						at = "0.0.0.0:80"
					}
					return s, r.table(s).WSPBind(s, addr(at))
				}
				a, e := make(first, w1)
				r.want("first", e, 0)
				_, e = make(second, w2)
				r.want("second", e, want)
				r.close(a, provider.CloseAbort)
				_, e = make(second, w2)
				if want != 0 {
					r.want("after the first was closed", e, 0)
				}
			})
		}
	})
}
