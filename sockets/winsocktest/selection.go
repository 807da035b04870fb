package winsocktest

import (
	"fmt"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// choice is a row of the truth tables of 2.8: what WSPSocket of a session over the base
// alone makes of a triple.
type choice struct {
	af, typ, protocol int32
	want              wsa.Errno
	typeIs            int32
}

// choices are table A, without lpProtocolInfo.
var choices = []choice{
	{0, 0, 0, wsa.EINVAL, 0},
	{wsa.AF_INET, 0, 0, 0, wsa.SOCK_STREAM},
	{wsa.AF_INET, wsa.SOCK_STREAM, 0, 0, wsa.SOCK_STREAM},
	{wsa.AF_INET, 0, wsa.IPPROTO_TCP, 0, wsa.SOCK_STREAM},
	{0, 0, wsa.IPPROTO_TCP, 0, wsa.SOCK_STREAM},
	{0, 0, wsa.IPPROTO_UDP, 0, wsa.SOCK_DGRAM},
	{0, 0, wsa.IPPROTO_RAW, 0, wsa.SOCK_RAW},
	{wsa.AF_INET, wsa.SOCK_RAW, wsa.IPPROTO_ICMP, 0, wsa.SOCK_RAW},
	{wsa.AF_INET, wsa.SOCK_RAW, wsa.IPPROTO_TCP, 0, wsa.SOCK_RAW},
	{0, wsa.SOCK_STREAM, 0, wsa.EINVAL, 0},
	{0, -1, 0, wsa.EINVAL, 0},
	{0, 0xdead, 0, wsa.EINVAL, 0},
	{0, wsa.SOCK_STREAM, -1, wsa.EPROTONOSUPPORT, 0},
	{0, -1, wsa.IPPROTO_UDP, wsa.ESOCKTNOSUPPORT, 0},
	{0, -1, -1, wsa.ESOCKTNOSUPPORT, 0},
	{wsa.AF_INET, -1, 0, wsa.ESOCKTNOSUPPORT, 0},
	{wsa.AF_INET, 0xdead, 0, wsa.ESOCKTNOSUPPORT, 0},
	{wsa.AF_INET, 0, -1, wsa.EPROTONOSUPPORT, 0},
	{0, 0, 0xdead, wsa.EPROTONOSUPPORT, 0},
	{-1, wsa.SOCK_STREAM, wsa.IPPROTO_UDP, wsa.EAFNOSUPPORT, 0},
	{wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_UDP, wsa.EPROTONOSUPPORT, 0},
	{wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_TCP, wsa.EPROTONOSUPPORT, 0},
}

// overrides are table B: a TCP entry that was edited to pi, and arguments.
var overrides = []struct {
	pi [3]int32
	choice
}{
	{[3]int32{wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP}, choice{-1, -1, -1, 0, wsa.SOCK_STREAM}},
	{[3]int32{-1, -1, -1}, choice{0, 0, wsa.IPPROTO_UDP, wsa.EAFNOSUPPORT, 0}},
	{[3]int32{0, 0, 0}, choice{0, 0, wsa.IPPROTO_UDP, wsa.EAFNOSUPPORT, 0}},
	{[3]int32{wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP}, choice{0, 0, 0, 0, wsa.SOCK_DGRAM}},
	{[3]int32{wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP}, choice{wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, 0, wsa.SOCK_STREAM}},
}

var _ = addChoices()

func addChoices() struct{} {
	for _, c := range choices {
		add(Row{Section: "2.8", Name: fmt.Sprintf("A (%d, %d, %d): %s", c.af, c.typ, c.protocol, c.outcome()), Run: func(w *Case) { c.run(w, nil) }})
	}
	for _, o := range overrides {
		add(Row{Section: "2.8", Name: fmt.Sprintf("B pi %v, (%d, %d, %d): %s", o.pi, o.af, o.typ, o.protocol, o.outcome()), Run: func(w *Case) {
			o.run(w, func(i *installed) *provider.ProtocolInfo {
				pi := i.infos[0]
				equal(w, "the first entry", pi.SocketType, wsa.SOCK_STREAM)
				pi.AddressFamily, pi.SocketType, pi.Protocol = o.pi[0], o.pi[1], o.pi[2]
				return &pi
			})
		}})
	}
	return struct{}{}
}

func (c choice) outcome() string {
	if c.want != 0 {
		return c.want.Name()
	}
	return "ok, " + wsa.TypeName(c.typeIs)
}

func (c choice) run(w *Case, pi func(*installed) *provider.ProtocolInfo) {
	i := w.install()
	var info *provider.ProtocolInfo
	if pi != nil {
		info = pi(i)
	}
	want := c.want
	if c.typeIs == wsa.SOCK_RAW && w.Pair.Can&NeedsNoRaw != 0 {
		want = wsa.EACCES // since Vista at creation: that it is not another code shows what was found
	}
	e := i.start(sockets.Config{})
	s, errno := e.WSPSocket(c.af, c.typ, c.protocol, info, 0, 0)
	w.Want("WSPSocket", errno, want)
	if want != 0 {
		equal(w, "socket", s, sockets.INVALID_SOCKET)
		return
	}
	v, errno := e.Option(s, sol, wsa.SO_TYPE)
	w.Want("SO_TYPE", errno, 0)
	equal(w, "SO_TYPE", int32(v), c.typeIs)
	w.Want("close", e.WSPCloseSocket(s), 0)
}
