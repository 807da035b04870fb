package base_test

import (
	"fmt"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestEntries is winsock-spi 1.5, row by row.
func TestEntries(t *testing.T) {
	rows := basetest.Rows()
	got := base.New(base.Config{Driver: basetest.NewScript(rows...)}).Entries()
	want := []struct {
		name                        string
		af, typ, protocol, max, len int32
		flags, pfl                  uint32
		size                        uint32
	}{
		{"MSAFD Tcpip [TCP/IP]", 2, 1, 6, 0, 16, 0x26, 0x8, 0},
		{"MSAFD Tcpip [UDP/IP]", 2, 2, 17, 0, 16, 0x609, 0x8, 65467},
		{"MSAFD Tcpip [RAW/IP]", 2, 3, 0, 255, 16, 0x609, 0xC, 65467},
		{"MSAFD Tcpip [TCP/IPv6]", 23, 1, 6, 0, 28, 0x26, 0x8, 0},
		{"MSAFD Tcpip [UDP/IPv6]", 23, 2, 17, 0, 28, 0x609, 0x8, 65467},
		{"MSAFD Tcpip [RAW/IPv6]", 23, 3, 0, 255, 28, 0x609, 0xC, 65467},
	}
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		have := fmt.Sprint(g.Name, g.AddressFamily, g.SocketType, g.Protocol, g.ProtocolMaxOffset, g.MinSockAddr, g.MaxSockAddr, g.ServiceFlags1, g.ProviderFlags, g.MessageSize, g.Version)
		need := fmt.Sprint(w.name, w.af, w.typ, w.protocol, w.max, w.len, w.len, w.flags, w.pfl, w.size, 2)
		if have != need {
			t.Errorf("entry %d is\n%s, want\n%s", i, have, need)
		}
	}
}

// TestEntryFlags is winsock-spi 1.2: what a driver claims and no more.
func TestEntryFlags(t *testing.T) {
	for _, c := range []struct {
		p         base.Protocol
		flags, pf uint32
	}{
		{base.Protocol{Type: wsa.SOCK_STREAM, Expedited: true}, 0x66, 0x8},
		{base.Protocol{Type: wsa.SOCK_STREAM, Expedited: true, IFS: true}, 0x20066, 0x8},
		{base.Protocol{Type: wsa.SOCK_DGRAM, IFS: true}, 0x20609, 0x8},
		{base.Protocol{Type: wsa.SOCK_DGRAM, NoZero: true, Hidden: true}, 0x609, 0x4},
	} {
		e := base.New(base.Config{Driver: basetest.NewScript(c.p), Name: "x"}).Entries()[0]
		if e.ServiceFlags1 != c.flags || e.ProviderFlags != c.pf {
			t.Errorf("%+v: flags %#x %#x, want %#x %#x", c.p, e.ServiceFlags1, e.ProviderFlags, c.flags, c.pf)
		}
	}
}

// TestSelection is truth table A of winsock-spi 2.8: socket(af, type, protocol)
// without a protocol info, through Resolve, the builder and the base.
func TestSelection(t *testing.T) {
	const bad = 0xdead
	for _, c := range []struct {
		af, typ, protocol int32
		want              wsa.Errno
		gotType, gotProto int32
	}{
		{0, 0, 0, wsa.EINVAL, 0, 0},
		{wsa.AF_INET, 0, 0, 0, wsa.SOCK_STREAM, wsa.IPPROTO_TCP},
		{wsa.AF_INET, wsa.SOCK_STREAM, 0, 0, wsa.SOCK_STREAM, wsa.IPPROTO_TCP},
		{wsa.AF_INET, wsa.SOCK_DGRAM, 0, 0, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP}, // 12.6
		{wsa.AF_INET, 0, wsa.IPPROTO_TCP, 0, wsa.SOCK_STREAM, wsa.IPPROTO_TCP},
		{0, 0, wsa.IPPROTO_TCP, 0, wsa.SOCK_STREAM, wsa.IPPROTO_TCP},
		{0, 0, wsa.IPPROTO_UDP, 0, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP},
		{0, 0, wsa.IPPROTO_RAW, 0, wsa.SOCK_RAW, wsa.IPPROTO_RAW},
		{wsa.AF_INET, wsa.SOCK_RAW, wsa.IPPROTO_ICMP, 0, wsa.SOCK_RAW, wsa.IPPROTO_ICMP},
		{wsa.AF_INET, wsa.SOCK_RAW, wsa.IPPROTO_TCP, 0, wsa.SOCK_RAW, wsa.IPPROTO_TCP},
		{wsa.AF_INET6, wsa.SOCK_STREAM, 0, 0, wsa.SOCK_STREAM, wsa.IPPROTO_TCP},
		{0, wsa.SOCK_STREAM, 0, wsa.EINVAL, 0, 0},
		{0, -1, 0, wsa.EINVAL, 0, 0},
		{0, bad, 0, wsa.EINVAL, 0, 0},
		{0, wsa.SOCK_STREAM, -1, wsa.EPROTONOSUPPORT, 0, 0},
		{0, -1, wsa.IPPROTO_UDP, wsa.ESOCKTNOSUPPORT, 0, 0},
		{0, -1, -1, wsa.ESOCKTNOSUPPORT, 0, 0},
		{wsa.AF_INET, -1, 0, wsa.ESOCKTNOSUPPORT, 0, 0},
		{wsa.AF_INET, bad, 0, wsa.ESOCKTNOSUPPORT, 0, 0},
		{wsa.AF_INET, 0, -1, wsa.EPROTONOSUPPORT, 0, 0},
		{0, 0, bad, wsa.EPROTONOSUPPORT, 0, 0},
		{-1, wsa.SOCK_STREAM, wsa.IPPROTO_UDP, wsa.EAFNOSUPPORT, 0, 0},
		{wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_UDP, wsa.EPROTONOSUPPORT, 0, 0},
		{wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_TCP, wsa.EPROTONOSUPPORT, 0, 0},
		{wsa.AF_INET, wsa.SOCK_RAW, 0, wsa.EPROTONOSUPPORT, 0, 0}, // 3.29 item 7
	} {
		t.Run(fmt.Sprintf("%d,%d,%d", c.af, c.typ, c.protocol), func(t *testing.T) {
			r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{}))
			s, e := r.create(&provider.SocketRequest{AF: c.af, Type: c.typ, Protocol: c.protocol})
			r.want("socket", e, c.want)
			if e == 0 && (s.Type != c.gotType || s.Protocol != c.gotProto) {
				t.Errorf("type %d protocol %d, want %d %d", s.Type, s.Protocol, c.gotType, c.gotProto)
			}
		})
	}
}

// TestProtocolInfo is truth table B of winsock-spi 2.8, with rows added for the
// rest of the rules: the enumerated TCP entry, edited, and arguments.
func TestProtocolInfo(t *testing.T) {
	type triple struct{ af, typ, protocol int32 }
	const from = wsa.FROM_PROTOCOL_INFO
	tcp := triple{wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP}
	udp := triple{wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP}
	for _, c := range []struct {
		info, args triple
		want       wsa.Errno
		got        triple
	}{
		{tcp, triple{from, from, from}, 0, tcp},
		{triple{-1, -1, -1}, triple{0, 0, wsa.IPPROTO_UDP}, wsa.EAFNOSUPPORT, triple{}},
		{triple{0, 0, 0}, triple{0, 0, wsa.IPPROTO_UDP}, wsa.EAFNOSUPPORT, triple{}},
		{udp, triple{0, 0, 0}, 0, udp},
		{udp, tcp, 0, tcp},

		{tcp, triple{0, 0, 0}, 0, tcp},
		{tcp, triple{0, from, 0}, 0, tcp},
		{tcp, triple{from, 0, wsa.IPPROTO_TCP}, 0, tcp},
		{tcp, triple{wsa.AF_INET6, 0, 0}, 0, triple{wsa.AF_INET6, wsa.SOCK_STREAM, wsa.IPPROTO_TCP}},
		{tcp, triple{0, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP}, 0, udp},
		{tcp, triple{0, wsa.SOCK_RAW, wsa.IPPROTO_ICMP}, 0, triple{wsa.AF_INET, wsa.SOCK_RAW, wsa.IPPROTO_ICMP}},

		// A contradiction inside the info: EPROTOTYPE. As soon as one of the two was
		// given, it is what the dispatcher says: EPROTONOSUPPORT.
		{triple{wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_UDP}, triple{0, 0, 0}, wsa.EPROTOTYPE, triple{}},
		{triple{wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_TCP}, triple{from, from, from}, wsa.EPROTOTYPE, triple{}},
		{tcp, triple{0, wsa.SOCK_STREAM, wsa.IPPROTO_UDP}, wsa.EPROTONOSUPPORT, triple{}},
		{tcp, triple{0, 0, wsa.IPPROTO_UDP}, wsa.EPROTONOSUPPORT, triple{}},
		{tcp, triple{0, wsa.SOCK_DGRAM, 0}, wsa.EPROTONOSUPPORT, triple{}},
		{triple{wsa.AF_INET, wsa.SOCK_STREAM, 0xdead}, triple{0, 0, 0}, wsa.EPROTONOSUPPORT, triple{}},
		{tcp, triple{0, 0, 0xdead}, wsa.EPROTONOSUPPORT, triple{}},
		{tcp, triple{0, wsa.SOCK_SEQPACKET, 0}, wsa.ESOCKTNOSUPPORT, triple{}},
		{triple{wsa.AF_INET, 77, wsa.IPPROTO_TCP}, triple{0, 0, 0}, wsa.ESOCKTNOSUPPORT, triple{}},
		{tcp, triple{wsa.AF_UNIX, 0, 0}, wsa.EAFNOSUPPORT, triple{}},
		{tcp, triple{wsa.AF_UNIX, 77, 99}, wsa.EAFNOSUPPORT, triple{}},
	} {
		t.Run(fmt.Sprintf("%v %v", c.info, c.args), func(t *testing.T) {
			everywhere(t, func(t *testing.T, layers ...provider.Layer) {
				r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{}), layers...)
				info := r.snap.Entries[0].Info // TCP/IPv4, or its chain
				info.AddressFamily, info.SocketType, info.Protocol = c.info.af, c.info.typ, c.info.protocol
				s, e := r.create(&provider.SocketRequest{AF: c.args.af, Type: c.args.typ, Protocol: c.args.protocol, Info: &info})
				r.want("socket", e, c.want)
				if e != 0 {
					return
				}
				if got := (triple{s.Family, s.Type, s.Protocol}); got != c.got {
					t.Errorf("got %v, want %v", got, c.got)
				}
				if v, _ := r.get(s, wsa.SOL_SOCKET, wsa.SO_TYPE); v != int(c.got.typ) {
					t.Errorf("SO_TYPE %d, want %d", v, c.got.typ)
				}
			})
		})
	}
}

// TestSocketErrors is the rest of winsock-spi 3.29: each code under its cause.
func TestSocketErrors(t *testing.T) {
	stream := func() *provider.SocketRequest {
		return &provider.SocketRequest{AF: wsa.AF_INET, Type: wsa.SOCK_STREAM}
	}
	with := func(f func(*provider.SocketRequest)) *provider.SocketRequest {
		q := stream()
		f(q)
		return q
	}
	for _, c := range []struct {
		name    string
		request *provider.SocketRequest
		driver  wsa.Errno
		want    wsa.Errno
	}{
		{"group 0", stream(), 0, 0},
		{"SG_UNCONSTRAINED_GROUP", with(func(q *provider.SocketRequest) { q.Group = 1 }), 0, wsa.EINVAL},
		{"SG_CONSTRAINED_GROUP", with(func(q *provider.SocketRequest) { q.Group = 2 }), 0, wsa.EINVAL},
		{"an existing group", with(func(q *provider.SocketRequest) { q.Group = 4711 }), 0, wsa.EINVAL},
		{"overlapped", with(func(q *provider.SocketRequest) { q.Flags = wsa.WSA_FLAG_OVERLAPPED }), 0, 0},
		{"no handle inheritance", with(func(q *provider.SocketRequest) { q.Flags = wsa.WSA_FLAG_NO_HANDLE_INHERIT | 1 }), 0, 0},
		{"registered i/o", with(func(q *provider.SocketRequest) { q.Flags = wsa.WSA_FLAG_REGISTERED_IO }), 0, wsa.EOPNOTSUPP},
		{"system security", with(func(q *provider.SocketRequest) { q.Flags = wsa.WSA_FLAG_ACCESS_SYSTEM_SECURITY }), 0, wsa.EOPNOTSUPP},
		{"unknown flag", with(func(q *provider.SocketRequest) { q.Flags = 0x20 }), 0, wsa.EINVAL},
		{"unknown high flag", with(func(q *provider.SocketRequest) { q.Flags = 1 << 31 }), 0, wsa.EINVAL},
		{"multipoint on a stream", with(func(q *provider.SocketRequest) { q.Flags = 0x14 }), 0, wsa.EINVAL},
		{"network down", stream(), wsa.ENETDOWN, wsa.ENETDOWN},
		{"no descriptors", stream(), wsa.EMFILE, wsa.EMFILE},
		{"no buffers", stream(), wsa.ENOBUFS, wsa.ENOBUFS},
		{"IP version off", stream(), wsa.EAFNOSUPPORT, wsa.EAFNOSUPPORT},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := basetest.NewScript()
			d.FailOpen(c.driver)
			r := newRig(t, d)
			_, e := r.create(c.request)
			r.want("socket", e, c.want)
			if n := len(d.Opened()); e != 0 && n != 0 {
				t.Errorf("%d endpoints were opened for a socket that could not be", n)
			}
		})
	}
}

// TestDuplicateToken: no token is known, and g and dwFlags are not even looked at.
func TestDuplicateToken(t *testing.T) {
	r := newRig(t, basetest.NewScript())
	info := r.snap.Entries[0].Info
	info.ProviderReserved = 7
	for _, g := range []uint32{0, 99} {
		_, e := r.create(&provider.SocketRequest{Info: &info, Group: g, Flags: g})
		r.want("socket with a token", e, wsa.EINVAL)
	}
}

// TestRawCapability: winsock-spi 3.29 item 7.
func TestRawCapability(t *testing.T) {
	r := rigOf(t, base.Config{Driver: basetest.NewScript()})
	for _, af := range []int32{wsa.AF_INET, wsa.AF_INET6} {
		_, e := r.create(&provider.SocketRequest{AF: af, Type: wsa.SOCK_RAW, Protocol: wsa.IPPROTO_ICMP})
		r.want("raw without capability", e, wsa.EACCES)
	}
	r.tcp()
}

// TestPing: DGRAM with ICMP is served where the driver has it, and matches
// nothing but itself.
func TestPing(t *testing.T) {
	rows := append(basetest.Rows(),
		base.Protocol{Family: wsa.AF_INET, Type: wsa.SOCK_DGRAM, Protocol: wsa.IPPROTO_ICMP, Name: "ICMP/IP", NoZero: true, Hidden: true})
	r := rigOf(t, base.Config{Driver: basetest.NewScript(rows...)})
	s := r.socket(wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_ICMP)
	if s.Protocol != wsa.IPPROTO_ICMP {
		t.Errorf("protocol %d", s.Protocol)
	}
	if u := r.udp(); u.Protocol != wsa.IPPROTO_UDP {
		t.Errorf("DGRAM/0 is protocol %d", u.Protocol)
	}
	_, e := r.create(&provider.SocketRequest{AF: wsa.AF_INET6, Type: wsa.SOCK_DGRAM, Protocol: wsa.IPPROTO_ICMPV6})
	r.want("DGRAM/ICMPv6, which the driver lacks", e, wsa.EPROTONOSUPPORT)
}

// TestHandleLast: the handle is created last, and its error kept (winsock-spi 4.1).
func TestHandleLast(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	r.host.Limit = 1
	r.tcp()
	_, e := r.create(&provider.SocketRequest{AF: wsa.AF_INET, Type: wsa.SOCK_STREAM})
	r.want("socket above the quota", e, wsa.EMFILE)
	if abort, closed := d.Last().Closed(); !closed || !abort {
		t.Error("the endpoint was not undone")
	}
}

// TestMultipointFlags is the table of winsock-spi 7.2, every cell, by the
// combination of planes that an entry can have.
func TestMultipointFlags(t *testing.T) {
	const (
		cRoot, cLeaf = wsa.WSA_FLAG_MULTIPOINT_C_ROOT, wsa.WSA_FLAG_MULTIPOINT_C_LEAF
		dRoot, dLeaf = wsa.WSA_FLAG_MULTIPOINT_D_ROOT, wsa.WSA_FLAG_MULTIPOINT_D_LEAF
		S, C, D      = wsa.XP1_SUPPORT_MULTIPOINT, wsa.XP1_MULTIPOINT_CONTROL_PLANE, wsa.XP1_MULTIPOINT_DATA_PLANE
	)
	columns := []uint32{0, S, S | C, S | D, S | C | D}
	for _, c := range []struct {
		flags uint32
		ok    [5]bool
	}{
		{0, [5]bool{true, true, true, true, true}},
		{cLeaf, [5]bool{}},
		{cRoot, [5]bool{}},
		{dLeaf, [5]bool{}},
		{dRoot, [5]bool{}},
		{cRoot | cLeaf | dLeaf, [5]bool{}},
		{cLeaf | dRoot | dLeaf, [5]bool{}},
		{cRoot | cLeaf, [5]bool{}},
		{cRoot | cLeaf | dRoot | dLeaf, [5]bool{}},
		{cLeaf | dLeaf, [5]bool{false, true, true, true, true}},
		{cRoot | dLeaf, [5]bool{false, false, true, false, true}},
		{cLeaf | dRoot, [5]bool{false, false, false, true, true}},
		{cRoot | dRoot, [5]bool{false, false, false, false, true}},
	} {
		for i, service := range columns {
			e := base.MultipointFlags(service, c.flags|wsa.WSA_FLAG_OVERLAPPED)
			if want := wsa.EINVAL; c.ok[i] != (e == 0) || e != 0 && e != want {
				t.Errorf("flags %#x, column %d: %s", c.flags, i, name(e))
			}
		}
	}
	r := newRig(t, basetest.NewScript())
	for _, c := range []struct {
		typ, protocol int32
		flags         uint32
		want          wsa.Errno
	}{
		{wsa.SOCK_DGRAM, 0, cLeaf | dLeaf, 0},
		{wsa.SOCK_DGRAM, 0, cRoot | dLeaf, wsa.EINVAL},
		{wsa.SOCK_DGRAM, 0, cLeaf | dRoot, wsa.EINVAL},
		{wsa.SOCK_DGRAM, 0, cLeaf, wsa.EINVAL},
		{wsa.SOCK_RAW, wsa.IPPROTO_ICMP, cLeaf | dLeaf, 0},
		{wsa.SOCK_STREAM, 0, cLeaf | dLeaf, wsa.EINVAL},
	} {
		_, e := r.create(&provider.SocketRequest{AF: wsa.AF_INET, Type: c.typ, Protocol: c.protocol, Flags: c.flags})
		r.want(fmt.Sprintf("type %d flags %#x", c.typ, c.flags), e, c.want)
	}
}

// TestStartup is the version negotiation of winsock-spi 3.1, and a base without
// a network.
func TestStartup(t *testing.T) {
	b := base.New(base.Config{Driver: basetest.NewScript()})
	for _, c := range []struct {
		version uint16
		want    wsa.Errno
	}{{0x0101, wsa.VERNOTSUPPORTED}, {0x0002, wsa.VERNOTSUPPORTED}, {0x0102, wsa.VERNOTSUPPORTED}, {0x0202, 0}, {0x0302, 0}} {
		table, e := b.Startup(&provider.StartupRequest{Version: c.version})
		if e != c.want {
			t.Errorf("version %#x: %s, want %s", c.version, name(e), name(c.want))
		}
		if entry, e2 := table.Validate(); e == 0 && e2 != 0 {
			t.Errorf("entry %s is nil", entry)
		}
	}
	none := base.New(base.Config{})
	if _, e := none.Startup(&provider.StartupRequest{Version: provider.Version}); e != wsa.SYSNOTREADY || len(none.Entries()) != 0 {
		t.Errorf("without a driver: %s, %d entries", name(e), len(none.Entries()))
	}
}
