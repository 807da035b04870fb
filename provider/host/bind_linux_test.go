package host_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/wsa"
)

// sharing is how the sockets of winsock-spi 9.5 are bound, in the table's order.
var sharing = []struct {
	name  string
	reuse bool
	excl  bool
	wild  bool
}{
	{"default W", false, false, true}, {"default S", false, false, false},
	{"REUSE W", true, false, true}, {"REUSE S", true, false, false},
	{"EXCL W", false, true, true}, {"EXCL S", false, true, false},
}

const fine, inUse, acces = wsa.Errno(0), wsa.EADDRINUSE, wsa.EACCES

// windowsBinds is the table of 9.5, rows the first bind, columns the second.
var windowsBinds = [6][6]wsa.Errno{
	{inUse, fine, acces, fine, inUse, fine},
	{fine, inUse, fine, acces, inUse, inUse},
	{inUse, fine, fine, fine, inUse, fine},
	{fine, inUse, fine, fine, inUse, inUse},
	{inUse, acces, acces, acces, inUse, acces},
	{fine, inUse, fine, acces, inUse, inUse},
}

// kernelBinds is what is left of it where the kernel is asked too, and has a
// datagram socket or a listener: the table of the package comment.
var kernelBinds = [6][6]wsa.Errno{
	{inUse, inUse, acces, inUse, inUse, inUse},
	{inUse, inUse, inUse, acces, inUse, inUse},
	{inUse, inUse, fine, fine, inUse, inUse},
	{inUse, inUse, fine, fine, inUse, inUse},
	{inUse, acces, acces, acces, inUse, acces},
	{inUse, inUse, inUse, acces, inUse, inUse},
}

// TestBindMatrix: among the sockets of one Host Windows' table holds for streams
// that do not listen. Where a datagram socket or a listener is the first, the kernel
// refuses a wildcard beside a specific address unless both are shared.
func TestBindMatrix(t *testing.T) {
	for _, kind := range []struct {
		name      string
		typ       int32
		protocol  int32
		listening bool
		want      *[6][6]wsa.Errno
	}{
		{"tcp", wsa.SOCK_STREAM, wsa.IPPROTO_TCP, false, &windowsBinds},
		{"tcp listening", wsa.SOCK_STREAM, wsa.IPPROTO_TCP, true, &kernelBinds},
		{"udp", wsa.SOCK_DGRAM, wsa.IPPROTO_UDP, false, &kernelBinds},
	} {
		bothFamilies(t, func(t *testing.T, af int32) {
			h := newHost(t, host.Config{})
			bind := func(t *testing.T, i int, port uint16) (base.Endpoint, wsa.Errno) {
				ep, e := h.Open(af, kind.typ, kind.protocol)
				must(t, "Open", e)
				t.Cleanup(func() { ep.Close(true) })
				if sharing[i].reuse {
					must(t, "SO_REUSEADDR", ep.SetOption(wsa.SOL_SOCKET, wsa.SO_REUSEADDR, 1))
				}
				if sharing[i].excl {
					must(t, "SO_EXCLUSIVEADDRUSE", ep.SetOption(wsa.SOL_SOCKET, wsa.SO_EXCLUSIVEADDRUSE, 1))
				}
				a := loopback(af, port)
				if sharing[i].wild {
					a = provider.Any(af, port)
				}
				return ep, ep.Bind(a)
			}
			for i, first := range sharing {
				for j, second := range sharing {
					t.Run(kind.name+"/9.5 "+first.name+" then "+second.name, func(t *testing.T) {
						probe, e := bind(t, 0, 0) // a port that nobody has on any address
						must(t, "probe", e)
						name := local(t, probe)
						probe.Close(true)
						a, e := bind(t, i, name.Port())
						must(t, "first", e)
						if kind.listening {
							must(t, "Listen", a.Listen(1))
						}
						_, e = bind(t, j, name.Port())
						equal(t, "second bind", e, kind.want[i][j])
					})
				}
			}
		})
	}
}

// TestBindDual: the wildcard of both families must pass in both (9.5).
func TestBindDual(t *testing.T) {
	h := newHost(t, host.Config{})
	for _, first := range []bool{true, false} {
		dual, e := h.Open(wsa.AF_INET6, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
		must(t, "Open", e)
		must(t, "IPV6_V6ONLY", dual.SetOption(wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY, 0))
		single, e := h.Open(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
		must(t, "Open", e)
		a, b, af, other := dual, single, wsa.AF_INET6, wsa.AF_INET
		if !first {
			a, b, af, other = b, a, other, af
		}
		must(t, "first", a.Bind(provider.Any(af, 0)))
		equal(t, "second", b.Bind(provider.Any(other, local(t, a).Port())), wsa.EADDRINUSE)
		a.Close(true)
		b.Close(true)
	}
}
