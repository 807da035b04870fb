package base_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

var (
	allKinds     = []string{stream4, datagram4, raw4, stream6, datagram6, raw6}
	streamKinds  = []string{stream4, stream6}
	messageKinds = []string{datagram4, raw4, datagram6, raw6}
	sixKinds     = []string{stream6, datagram6, raw6}
	sixMessages  = []string{datagram6, raw6}
	nowhere      []string
)

// readOnly stands in place of a value to set.
const readOnly = -1 << 31

// TestOptionsKept are the rows of winsock-spi 9.1 to 9.3 that optionstate.go and
// optionsip.go have: where they are, their default, what setting one gives, values
// out of range, and the length rules. A socket of another kind: elsewhere.
func TestOptionsKept(t *testing.T) {
	const sol, tcp, udp, ip, ip6 = wsa.SOL_SOCKET, wsa.IPPROTO_TCP, wsa.IPPROTO_UDP, wsa.IPPROTO_IP, wsa.IPPROTO_IPV6
	const noOpt = wsa.ENOPROTOOPT
	for _, c := range []struct {
		name        string
		level, opt  int32
		on          []string
		def         int
		set, back   int
		bad         []int // EINVAL
		elsewhere   wsa.Errno
		onDualStack bool // IPPROTO_IP: on an IPv6 socket only once V6ONLY is off
	}{
		{"9.1 SO_SNDTIMEO", sol, wsa.SO_SNDTIMEO, allKinds, 0, 1500, 1500, nil, 0, false},
		{"9.1 SO_RCVTIMEO", sol, wsa.SO_RCVTIMEO, allKinds, 0, -1, -1, nil, 0, false}, // a DWORD: 0xFFFFFFFF
		{"9.1 SO_CONNECT_TIME", sol, wsa.SO_CONNECT_TIME, streamKinds, -1, readOnly, 0, nil, noOpt, false},
		{"9.1 SO_MAXDG", sol, wsa.SO_MAXDG, []string{datagram4}, 65507, readOnly, 0, nil, 0, false},
		{"9.1 SO_MAXDG IPv6", sol, wsa.SO_MAXDG, []string{datagram6}, 65527, readOnly, 0, nil, 0, false},
		{"9.1 SO_MAXPATHDG", sol, wsa.SO_MAXPATHDG, []string{raw4, raw6}, 65535, readOnly, 0, nil, 0, false},
		{"9.1 SO_REUSE_MULTICASTPORT", sol, wsa.SO_REUSE_MULTICASTPORT, allKinds, 0, readOnly, 0, nil, 0, false},
		{"9.1 SO_PORT_SCALABILITY", sol, wsa.SO_PORT_SCALABILITY, allKinds, 0, 1, 1, nil, 0, false},
		{"9.1 SO_COMPARTMENT_ID", sol, wsa.SO_COMPARTMENT_ID, nowhere, 0, 0, 0, nil, noOpt, false},
		{"9.1 SO_CONNDATA", sol, wsa.SO_CONNDATA, nowhere, 0, 0, 0, nil, noOpt, false},
		{"9.1 SO_CONNOPT", sol, wsa.SO_CONNOPT, nowhere, 0, 0, 0, nil, noOpt, false},
		{"9.1 SO_DISCDATA", sol, wsa.SO_DISCDATA, nowhere, 0, 0, 0, nil, noOpt, false},
		{"9.1 SO_DISCOPT", sol, wsa.SO_DISCOPT, nowhere, 0, 0, 0, nil, noOpt, false},
		{"9.1 SO_CONNDATALEN", sol, wsa.SO_CONNDATALEN, nowhere, 0, 0, 0, nil, noOpt, false},
		{"9.1 SO_CONNOPTLEN", sol, wsa.SO_CONNOPTLEN, nowhere, 0, 0, 0, nil, noOpt, false},
		{"9.1 SO_DISCDATALEN", sol, wsa.SO_DISCDATALEN, nowhere, 0, 0, 0, nil, noOpt, false},
		{"9.1 SO_DISCOPTLEN", sol, wsa.SO_DISCOPTLEN, nowhere, 0, 0, 0, nil, noOpt, false},
		{"9.1 SO_OPENTYPE", sol, wsa.SO_OPENTYPE, nowhere, 0, 0, 0, nil, noOpt, false},
		{"9.1 PVD_CONFIG", sol, wsa.PVD_CONFIG, nowhere, 0, 0, 0, nil, noOpt, false},

		{"9.2 TCP_EXPEDITED_1122", tcp, wsa.TCP_EXPEDITED_1122, streamKinds, 0, 7, 1, nil, noOpt, false},
		{"9.2 TCP_BSDURGENT", tcp, wsa.TCP_BSDURGENT, streamKinds, 1, 0, 0, nil, noOpt, false},
		{"9.2 TCP_TIMESTAMPS", tcp, wsa.TCP_TIMESTAMPS, streamKinds, 0, 1, 1, nil, noOpt, false},
		{"9.2 TCP_MAXRT", tcp, wsa.TCP_MAXRT, streamKinds, 0, 30, 30, []int{-2}, noOpt, false},
		{"9.2 TCP_MAXRTMS", tcp, wsa.TCP_MAXRTMS, streamKinds, 0, 1234, 1234, []int{-2}, noOpt, false},
		{"9.2 TCP_FASTOPEN", tcp, wsa.TCP_FASTOPEN, streamKinds, 0, 1, 1, nil, noOpt, false},
		{"9.2 TCP_CONGESTION_ALGORITHM", tcp, wsa.TCP_CONGESTION, streamKinds, 0, 0, 0, []int{1, 9}, noOpt, false},
		{"9.2 TCP_STDURG", tcp, wsa.TCP_STDURG, nowhere, 0, 0, 0, nil, noOpt, false},
		{"9.2 TCP_NOURG", tcp, wsa.TCP_NOURG, nowhere, 0, 0, 0, nil, noOpt, false},
		{"9.2 TCP_ATMARK", tcp, wsa.TCP_ATMARK, nowhere, 0, 0, 0, nil, noOpt, false},
		{"9.2 TCP_NOSYNRETRIES", tcp, wsa.TCP_NOSYNRETRIES, nowhere, 0, 0, 0, nil, noOpt, false},
		{"9.2 TCP_OFFLOAD_PREFERENCE", tcp, wsa.TCP_OFFLOAD_PREFERENCE, nowhere, 0, 0, 0, nil, noOpt, false},
		{"9.2 TCP_DELAY_FIN_ACK", tcp, wsa.TCP_DELAY_FIN_ACK, nowhere, 0, 0, 0, nil, noOpt, false},

		{"9.3 IP_RECEIVE_BROADCAST", ip, wsa.IP_RECEIVE_BROADCAST, messageKinds, 1, 0, 0, nil, noOpt, true},
		{"9.3 IP_RECVIF", ip, wsa.IP_RECVIF, messageKinds, 0, 1, 1, nil, noOpt, true},
		{"9.3 IP_RECVDSTADDR", ip, wsa.IP_RECVDSTADDR, messageKinds, 0, 1, 1, nil, noOpt, true},
		{"9.3 IP_IFLIST", ip, wsa.IP_IFLIST, messageKinds, 0, 1, 1, nil, noOpt, true},
		{"9.3 IP_UNICAST_IF", ip, wsa.IP_UNICAST_IF, allKinds, 0, 0x02000000, 2, nil, 0, true}, // network order in, host order out
		{"9.3 IP_ECN", ip, wsa.IP_ECN, messageKinds, 0, 1, 1, nil, noOpt, true},
		{"9.3 IP_MTU_DISCOVER", ip, wsa.IP_MTU_DISCOVER, allKinds, 0, 3, 3, []int{-1, 4}, 0, true},
		{"9.3 IP_RECVERR", ip, wsa.IP_RECVERR, messageKinds, 0, 1, 1, nil, noOpt, true},
		{"9.3 IP_USER_MTU", ip, wsa.IP_USER_MTU, allKinds, 0, 1300, 1300, []int{-1}, 0, true},
		{"9.3 IP_ORIGINAL_ARRIVAL_IF", ip, wsa.IP_ORIGINAL_ARRIVAL_IF, nowhere, 0, 0, 0, nil, noOpt, true},
		{"9.3 IP_WFP_REDIRECT_RECORDS", ip, wsa.IP_WFP_REDIRECT_RECORDS, nowhere, 0, 0, 0, nil, noOpt, true},
		{"9.3 IP_WFP_REDIRECT_CONTEXT", ip, wsa.IP_WFP_REDIRECT_CONTEXT, nowhere, 0, 0, 0, nil, noOpt, true},

		{"9.3 IPV6_PROTECTION_LEVEL", ip6, wsa.IPV6_PROTECTION_LEVEL, sixKinds, 10, 30, 30, []int{0, 11, 40}, noOpt, false},
		{"9.3 IPV6_RECVIF", ip6, wsa.IPV6_RECVIF, sixMessages, 0, 1, 1, nil, noOpt, false},
		{"9.3 IPV6_RECVDSTADDR", ip6, wsa.IPV6_RECVDSTADDR, sixMessages, 0, 1, 1, nil, noOpt, false},
		{"9.3 IPV6_CHECKSUM", ip6, wsa.IPV6_CHECKSUM, []string{raw6}, -1, 2, 2, []int{-2, 3}, noOpt, false},
		{"9.3 IPV6_IFLIST", ip6, wsa.IPV6_IFLIST, sixMessages, 0, 1, 1, nil, noOpt, false},
		{"9.3 IPV6_UNICAST_IF", ip6, wsa.IPV6_UNICAST_IF, sixKinds, 0, 2, 2, nil, noOpt, false},
		{"9.3 IPV6_ECN", ip6, wsa.IPV6_ECN, sixMessages, 0, 1, 1, nil, noOpt, false},
		{"9.3 IPV6_MTU_DISCOVER", ip6, wsa.IPV6_MTU_DISCOVER, sixKinds, 0, 1, 1, []int{-1, 4}, noOpt, false},
		{"9.3 IPV6_RECVERR", ip6, wsa.IPV6_RECVERR, sixMessages, 0, 1, 1, nil, noOpt, false},
		{"9.3 IPV6_USER_MTU", ip6, wsa.IPV6_USER_MTU, sixKinds, 0, 1300, 1300, []int{-1}, noOpt, false},

		{"9.3 UDP_NOCHECKSUM", udp, wsa.UDP_NOCHECKSUM, []string{datagram4}, 0, 1, 1, nil, noOpt, false},
		{"9.3 UDP_RECV_MAX_COALESCED_SIZE", udp, wsa.UDP_RECV_MAX_COALESCED_SIZE, []string{datagram4, datagram6}, 0, 60000, 60000, []int{-1}, noOpt, false},
		{"9.3 UDP_CHECKSUM_COVERAGE", udp, wsa.UDP_CHECKSUM_COVERAGE, []string{datagram4, datagram6}, 0, 8, 8, []int{-1, 65536}, noOpt, false},
		{"9.3 UDP_SEND_MSG_SIZE", udp, wsa.UDP_SEND_MSG_SIZE, nowhere, 0, 0, 0, nil, noOpt, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, kind := range allKinds {
				r := newRig(t, basetest.NewScript())
				s := r.of(kind)
				if c.onDualStack && kind[3] == '6' {
					_, e := r.get(s, c.level, c.opt)
					if contains(c.on, kind) {
						r.want(kind+" while V6ONLY", e, wsa.EINVAL)
					}
					r.want("V6ONLY off", r.set(s, ip6, wsa.IPV6_V6ONLY, 0), 0)
				}
				v, e := r.get(s, c.level, c.opt)
				if !contains(c.on, kind) {
					if c.elsewhere != 0 {
						r.want(kind+" get", e, c.elsewhere)
						r.want(kind+" set", r.set(s, c.level, c.opt, 1), c.elsewhere)
					}
					continue
				}
				r.want(kind+" get", e, 0)
				if v != c.def {
					t.Errorf("%s: default %d, want %d", kind, v, c.def)
				}
				n, e := r.table(s).WSPGetSockOpt(s, c.level, c.opt, make([]byte, 3))
				if n != 4 || e != wsa.EFAULT {
					t.Errorf("%s: short buffer: %d %s", kind, n, name(e))
				}
				if n, e := r.table(s).WSPGetSockOpt(s, c.level, c.opt, make([]byte, 9)); n != 4 || e != 0 {
					t.Errorf("%s: long buffer: %d %s", kind, n, name(e))
				}
				if c.set == readOnly {
					r.want(kind+" set", r.set(s, c.level, c.opt, 1), noOpt)
					continue
				}
				r.want(kind+" short value", r.table(s).WSPSetSockOpt(s, c.level, c.opt, make([]byte, 3)), wsa.EFAULT)
				for _, bad := range c.bad {
					r.want(kind+" bad value", r.set(s, c.level, c.opt, bad), wsa.EINVAL)
				}
				if v, _ := r.get(s, c.level, c.opt); v != c.def {
					t.Errorf("%s: %d after bad values, want %d", kind, v, c.def)
				}
				r.want(kind+" set", r.table(s).WSPSetSockOpt(s, c.level, c.opt, le32(c.set, 99)), 0) // longer than needed
				if v, _ := r.get(s, c.level, c.opt); v != c.back {
					t.Errorf("%s: reads back %d, want %d", kind, v, c.back)
				}
			}
		})
	}
}

// TestMaxRT: seconds and milliseconds are one limit; what was set reads back, and the
// one set last is what a new endpoint gets (9.2).
func TestMaxRT(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := r.tcp()
	check := func(what string, seconds, ms int) {
		t.Helper()
		a, _ := r.get(s, wsa.IPPROTO_TCP, wsa.TCP_MAXRT)
		b, _ := r.get(s, wsa.IPPROTO_TCP, wsa.TCP_MAXRTMS)
		if a != seconds || b != ms {
			t.Errorf("%s: %d s, %d ms; want %d, %d", what, a, b, seconds, ms)
		}
	}
	set := func(name int32, v int) { t.Helper(); r.want("set", r.set(s, wsa.IPPROTO_TCP, name, v), 0) }
	check("default", 0, 0)
	set(wsa.TCP_MAXRTMS, 1500)
	check("1500 ms", 2, 1500)
	set(wsa.TCP_MAXRT, 7)
	check("7 s", 7, 7000)
	set(wsa.TCP_MAXRT, -1)
	check("never", -1, -1)
	set(wsa.TCP_MAXRT, 1<<31-1)
	check("the longest", 1<<31-1, 2147483000)
	set(wsa.TCP_MAXRTMS, 250)

	r.want("connect", r.connect(s, "10.0.0.9:80"), wsa.EWOULDBLOCK)
	d.Last().Become(dead(wsa.ECONNREFUSED), wsa.FD_CONNECT)
	r.want("connect anew", r.connect(s, "10.0.0.9:80"), wsa.EWOULDBLOCK)
	if v, e := d.Last().Option(wsa.IPPROTO_TCP, wsa.TCP_MAXRTMS); v != 250 || e != 0 || len(d.Opened()) != 2 {
		t.Errorf("the new endpoint has %d %s", v, name(e))
	}
	if v, e := d.Last().Option(wsa.IPPROTO_TCP, wsa.TCP_MAXRT); e == 0 {
		t.Errorf("the new endpoint was told %d seconds too", v)
	}
}

// TestUrgentMode: TCP_EXPEDITED_1122 once and for ever, TCP_BSDURGENT its opposite (9.2).
func TestUrgentMode(t *testing.T) {
	for _, first := range [][2]int{{int(wsa.TCP_EXPEDITED_1122), 1}, {int(wsa.TCP_BSDURGENT), 0}} {
		r := newRig(t, basetest.NewScript())
		s := r.tcp()
		r.want("BSD as it is", r.set(s, wsa.IPPROTO_TCP, wsa.TCP_BSDURGENT, 1), 0)
		r.want("on", r.set(s, wsa.IPPROTO_TCP, int32(first[0]), first[1]), 0)
		a, _ := r.get(s, wsa.IPPROTO_TCP, wsa.TCP_EXPEDITED_1122)
		b, _ := r.get(s, wsa.IPPROTO_TCP, wsa.TCP_BSDURGENT)
		if a != 1 || b != 0 {
			t.Errorf("RFC 1122 %d, BSD %d", a, b)
		}
		r.want("off", r.set(s, wsa.IPPROTO_TCP, wsa.TCP_EXPEDITED_1122, 0), wsa.EINVAL)
		r.want("once more", r.set(s, wsa.IPPROTO_TCP, wsa.TCP_EXPEDITED_1122, 1), wsa.EINVAL)
		r.want("back to BSD", r.set(s, wsa.IPPROTO_TCP, wsa.TCP_BSDURGENT, 1), wsa.EINVAL)
	}
}

// TestJournalOrder: of two options that set the same thing the later wins, on a new
// endpoint too.
func TestJournalOrder(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := r.tcp()
	for _, v := range []int{1, 2, 1} { // DISCOVER, TOS, DISCOVER
		if v == 1 {
			r.want("set", r.set(s, wsa.IPPROTO_IP, wsa.IP_MTU_DISCOVER, v), 0)
		} else {
			r.want("set", r.set(s, wsa.IPPROTO_IP, wsa.IP_TOS, v), 0)
		}
	}
	r.want("connect", r.connect(s, "10.0.0.9:80"), wsa.EWOULDBLOCK)
	d.Last().Become(dead(wsa.ECONNREFUSED), wsa.FD_CONNECT)
	r.want("connect anew", r.connect(s, "10.0.0.9:80"), wsa.EWOULDBLOCK)
	calls := d.Last().Called("SetOption")
	if n := len(calls); n < 2 || calls[n-1].Name != wsa.IP_MTU_DISCOVER || calls[n-2].Name != wsa.IP_TOS {
		t.Errorf("replayed %+v", calls)
	}
}
