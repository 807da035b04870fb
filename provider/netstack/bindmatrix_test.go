package netstack_test

import (
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// sharing is how the sockets of 9.5 are bound, in the table's order.
var sharing = []struct {
	name string
	mode base.BindMode
	wild bool
}{
	{"default W", base.BindDefault, true}, {"default S", base.BindDefault, false},
	{"REUSE W", base.BindReuse, true}, {"REUSE S", base.BindReuse, false},
	{"EXCL W", base.BindExclusive, true}, {"EXCL S", base.BindExclusive, false},
}

const ok, inUse, acces = wsa.Errno(0), wsa.EADDRINUSE, wsa.EACCES

// bindMatrix is the table of winsock-spi 9.5, rows the first bind, columns the second.
var bindMatrix = [6][6]wsa.Errno{
	{inUse, ok, acces, ok, inUse, ok},
	{ok, inUse, ok, acces, inUse, inUse},
	{inUse, ok, ok, ok, inUse, ok},
	{ok, inUse, ok, ok, inUse, inUse},
	{inUse, acces, acces, acces, inUse, acces},
	{ok, inUse, ok, acces, inUse, inUse},
}

// sharer opens a socket with the option of the mode.
func sharer(t *testing.T, d *netstack.Driver, af int32, tr [2]int32, m base.BindMode) *sock {
	s := open(t, d, af, tr[0], tr[1])
	switch m {
	case base.BindReuse:
		s.must("reuse", s.SetOption(wsa.SOL_SOCKET, wsa.SO_REUSEADDR, 1))
	case base.BindExclusive:
		s.must("exclusive", s.SetOption(wsa.SOL_SOCKET, wsa.SO_EXCLUSIVEADDRUSE, 1))
	}
	return s
}

// TestBindMatrix: every cell, on gVisor's ports. What stands beside each other
// hears what is meant for it.
func TestBindMatrix(t *testing.T) {
	for _, fam := range families {
		for kind, tr := range transports {
			n := newNet(t, stacktest.PairConfig{})
			at := func(wild bool, port uint16) provider.Addr {
				if wild {
					return provider.Any(fam.af, port)
				}
				return addr(fam.b, port)
			}
			for i, first := range sharing {
				for j, second := range sharing {
					t.Run(fam.name+"/"+kind+"/9.5 "+first.name+" then "+second.name, func(t *testing.T) {
						a, b := sharer(t, n.b, fam.af, tr, first.mode), sharer(t, n.b, fam.af, tr, second.mode)
						a.must("first bind", a.Bind(at(first.wild, 0)))
						name, _ := a.LocalAddr()
						b.fails("second bind", b.Bind(at(second.wild, name.Port())), bindMatrix[i][j])
						if bindMatrix[i][j] == 0 && first.wild != second.wild {
							if first.wild {
								a, b = b, a
							}
							n.hears(t, fam, kind, a, b, name.Port())
						}
					})
				}
			}
		}
	}
}

// hears checks that the specific one of two sockets gets what is for its address.
func (n *net) hears(t *testing.T, fam family, kind string, specific, wild *sock, port uint16) {
	t.Helper()
	to := addr(fam.b, port)
	if kind == "tcp" {
		wild.must("listen, wildcard", wild.Listen(1))
		specific.must("listen, specific", specific.Listen(1))
		stream(t, n.a, fam.af).dial(to)
		specific.accept()
	} else {
		u := udp(t, n.a, fam.af)
		m := text("x")
		m.Addr = to
		if _, e := u.Send(m); e != 0 {
			t.Fatalf("send: %s", e.Name())
		}
		specific.recv1(9)
	}
	if st := wild.State(); st.Acceptable || st.Readable {
		t.Errorf("the wildcard has got it too: %+v", st)
	}
}

// TestBindMatrixDual: "Dual-stack wildcard must pass on both stacks" (9.5).
func TestBindMatrixDual(t *testing.T) {
	any4, any6 := netip.IPv4Unspecified(), netip.IPv6Unspecified()
	for _, other := range []struct {
		name string
		ip   netip.Addr
		wild bool
	}{{"inet W", any4, true}, {"inet S", stacktest.B4, false}, {"inet6 W", any6, true}, {"inet6 S", stacktest.B6, false}} {
		for kind, tr := range transports {
			n := newNet(t, stacktest.PairConfig{})
			dual := func(t *testing.T, m base.BindMode) *sock {
				s := sharer(t, n.b, wsa.AF_INET6, tr, m)
				s.must("v6only", s.SetOption(wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY, 0))
				return s
			}
			single := func(t *testing.T, m base.BindMode) *sock {
				if other.ip.Is4() {
					return sharer(t, n.b, wsa.AF_INET, tr, m)
				}
				return sharer(t, n.b, wsa.AF_INET6, tr, m)
			}
			for i, first := range sharing {
				for j, second := range sharing {
					if first.wild && second.wild == other.wild {
						t.Run(kind+"/dual "+first.name+" then "+other.name+" "+second.name, func(t *testing.T) {
							a, b := dual(t, first.mode), single(t, second.mode)
							port := a.bind(any6, 0).Port()
							b.fails("second bind", b.Bind(addr(other.ip, port)), bindMatrix[i][j])
						})
					}
					if second.wild && first.wild == other.wild {
						t.Run(kind+"/"+other.name+" "+first.name+" then dual "+second.name, func(t *testing.T) {
							a, b := single(t, first.mode), dual(t, second.mode)
							port := a.bind(other.ip, 0).Port()
							b.fails("second bind", b.Bind(addr(any6, port)), bindMatrix[i][j])
						})
					}
				}
			}
		}
	}
}
