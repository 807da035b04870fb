package winsocktest

import (
	"fmt"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// option is a row of winsock-spi 9.1 to 9.3: where an option exists, what it is
// before it was set, and what may be done with it. One of IPv4 or IPv6 alone has
// no level for the other.
type option struct {
	section, name string
	level, opt    int32
	level6, opt6  int32 // on IPv6; 0: as on IPv4
	only          int32 // a family: AF_INET or AF_INET6
	on            string
	def           int // anything: not looked at
	set           int // a value other than def; none: it is not set
	access        int
	bad           []int // values that are EINVAL
	needs         Needs
	dropped       string
}

const (
	anything = -1 << 30
	none     = -1<<30 + 1
)

// What may be done with an option.
const (
	readWrite = iota
	readOnly  // setting is ENOPROTOOPT
	refused   // EINVAL both ways (SO_SNDLOWAT since Vista)
	absent    // ENOPROTOOPT both ways
)

const (
	sol = wsa.SOL_SOCKET
	tcp = wsa.IPPROTO_TCP
	ip4 = wsa.IPPROTO_IP
	ip6 = wsa.IPPROTO_IPV6
	udp = wsa.IPPROTO_UDP
)

var kept = "spi-notes 4: Windows alone gives it a meaning"

var optionTable = []option{
	{section: "9.1", name: "SO_DEBUG", level: sol, opt: wsa.SO_DEBUG, on: "tu", def: 0, set: 1},
	{section: "9.1", name: "SO_ACCEPTCONN", level: sol, opt: wsa.SO_ACCEPTCONN, on: "tu", def: 0, access: readOnly},
	{section: "9.1", name: "SO_REUSEADDR", level: sol, opt: wsa.SO_REUSEADDR, on: "tu", def: 0, set: 1},
	{section: "9.1", name: "SO_KEEPALIVE", level: sol, opt: wsa.SO_KEEPALIVE, on: "t", def: 0, set: 1},
	{section: "9.1", name: "SO_DONTROUTE", level: sol, opt: wsa.SO_DONTROUTE, on: "tu", def: 0, set: 1, only: wsa.AF_INET},
	{section: "9.1", name: "SO_BROADCAST", level: sol, opt: wsa.SO_BROADCAST, on: "u", def: 0, set: 1, only: wsa.AF_INET},
	{section: "9.1", name: "SO_USELOOPBACK", level: sol, opt: wsa.SO_USELOOPBACK, on: "tu", access: refused},
	{section: "9.1", name: "SO_LINGER", level: sol, opt: wsa.SO_LINGER, on: "t", def: 0, set: 1 | 30<<16},
	{section: "9.1", name: "SO_OOBINLINE", level: sol, opt: wsa.SO_OOBINLINE, on: "t", def: 0, set: 1},
	{section: "9.1", name: "SO_DONTLINGER", level: sol, opt: wsa.SO_DONTLINGER, on: "t", def: 1, set: 0},
	{section: "9.1", name: "SO_EXCLUSIVEADDRUSE", level: sol, opt: wsa.SO_EXCLUSIVEADDRUSE, on: "tu", def: 0, set: 1},
	{section: "9.1", name: "SO_SNDBUF", level: sol, opt: wsa.SO_SNDBUF, on: "tu", def: anything, set: 12345},
	{section: "9.1", name: "SO_RCVBUF", level: sol, opt: wsa.SO_RCVBUF, on: "tu", def: anything, set: 54321},
	{section: "9.1", name: "SO_SNDLOWAT", level: sol, opt: wsa.SO_SNDLOWAT, on: "tu", access: refused},
	{section: "9.1", name: "SO_RCVLOWAT", level: sol, opt: wsa.SO_RCVLOWAT, on: "tu", access: refused},
	{section: "9.1", name: "SO_SNDTIMEO, milliseconds", level: sol, opt: wsa.SO_SNDTIMEO, on: "tu", def: 0, set: 1234},
	{section: "9.1", name: "SO_RCVTIMEO, milliseconds", level: sol, opt: wsa.SO_RCVTIMEO, on: "tu", def: 0, set: 4321},
	{section: "9.1", name: "SO_ERROR", level: sol, opt: wsa.SO_ERROR, on: "tu", def: 0, access: readOnly},
	{section: "9.1", name: "SO_TYPE", level: sol, opt: wsa.SO_TYPE, on: "tu", def: anything, access: readOnly},
	{section: "9.1", name: "SO_GROUP_ID", level: sol, opt: wsa.SO_GROUP_ID, on: "tu", def: 0, access: readOnly},
	{section: "9.1", name: "SO_GROUP_PRIORITY", level: sol, opt: wsa.SO_GROUP_PRIORITY, on: "tu", def: 0, set: 3},
	{section: "9.1", name: "SO_MAX_MSG_SIZE", level: sol, opt: wsa.SO_MAX_MSG_SIZE, on: "u", def: anything, access: readOnly},
	{section: "9.1", name: "PVD_CONFIG", dropped: kept},
	{section: "9.1", name: "SO_CONDITIONAL_ACCEPT", level: sol, opt: wsa.SO_CONDITIONAL_ACCEPT, on: "t", def: 0, set: 1, needs: NeedsConditionalAccept},
	{section: "9.1", name: "SO_PAUSE_ACCEPT", level: sol, opt: wsa.SO_PAUSE_ACCEPT, on: "t", def: 0, set: 1, needs: NeedsConditionalAccept},
	{section: "9.1", name: "SO_COMPARTMENT_ID", level: sol, opt: wsa.SO_COMPARTMENT_ID, on: "tu", access: absent},
	{section: "9.1", name: "SO_RANDOMIZE_PORT", level: sol, opt: wsa.SO_RANDOMIZE_PORT, on: "tu", def: 0, set: 1},
	{section: "9.1", name: "SO_PORT_SCALABILITY", level: sol, opt: wsa.SO_PORT_SCALABILITY, on: "tu", def: 0, set: 1},
	{section: "9.1", name: "SO_REUSE_UNICASTPORT", level: sol, opt: wsa.SO_REUSE_UNICASTPORT, on: "tu", def: 0, set: 1},
	{section: "9.1", name: "SO_REUSE_MULTICASTPORT", level: sol, opt: wsa.SO_REUSE_MULTICASTPORT, on: "tu", def: 0, access: readOnly},
	{section: "9.1", name: "SO_CONNDATA and the seven after it", level: sol, opt: wsa.SO_CONNDATA, on: "tu", access: absent},
	{section: "9.1", name: "SO_OPENTYPE", dropped: kept},
	{section: "9.1", name: "SO_MAXDG", level: sol, opt: wsa.SO_MAXDG, on: "u", def: anything, access: readOnly},
	{section: "9.1", name: "SO_MAXPATHDG", level: sol, opt: wsa.SO_MAXPATHDG, on: "u", def: anything, access: readOnly},
	{section: "9.1", name: "SO_CONNECT_TIME, not connected", level: sol, opt: wsa.SO_CONNECT_TIME, on: "t", def: -1, access: readOnly},

	{section: "9.2", name: "TCP_NODELAY", level: tcp, opt: wsa.TCP_NODELAY, on: "t", def: 0, set: 1},
	{section: "9.2", name: "TCP_EXPEDITED_1122", level: tcp, opt: wsa.TCP_EXPEDITED_1122, on: "t", def: 0, set: 1},
	{section: "9.2", name: "TCP_KEEPIDLE", level: tcp, opt: wsa.TCP_KEEPIDLE, on: "t", def: 7200, set: 60},
	{section: "9.2", name: "TCP_MAXSEG", level: tcp, opt: wsa.TCP_MAXSEG, on: "t", def: anything, access: readOnly},
	{section: "9.2", name: "TCP_MAXRT", level: tcp, opt: wsa.TCP_MAXRT, on: "t", def: anything, set: 30},
	{section: "9.2", name: "TCP_STDURG", level: tcp, opt: wsa.TCP_STDURG, on: "t", access: absent},
	{section: "9.2", name: "TCP_NOURG", level: tcp, opt: wsa.TCP_NOURG, on: "t", access: absent},
	{section: "9.2", name: "TCP_ATMARK", level: tcp, opt: wsa.TCP_ATMARK, on: "t", access: absent},
	{section: "9.2", name: "TCP_NOSYNRETRIES", level: tcp, opt: wsa.TCP_NOSYNRETRIES, on: "t", access: absent},
	{section: "9.2", name: "TCP_TIMESTAMPS", level: tcp, opt: wsa.TCP_TIMESTAMPS, on: "t", def: 0, set: 1},
	{section: "9.2", name: "TCP_OFFLOAD_PREFERENCE", level: tcp, opt: wsa.TCP_OFFLOAD_PREFERENCE, on: "t", access: absent},
	{section: "9.2", name: "TCP_CONGESTION_ALGORITHM", level: tcp, opt: wsa.TCP_CONGESTION, on: "t", def: 0, set: none},
	{section: "9.2", name: "TCP_DELAY_FIN_ACK", level: tcp, opt: wsa.TCP_DELAY_FIN_ACK, on: "t", access: absent},
	{section: "9.2", name: "TCP_MAXRTMS", level: tcp, opt: wsa.TCP_MAXRTMS, on: "t", def: anything, set: 2500},
	{section: "9.2", name: "TCP_FASTOPEN", level: tcp, opt: wsa.TCP_FASTOPEN, on: "t", def: 0, set: 1},
	{section: "9.2", name: "TCP_KEEPCNT", level: tcp, opt: wsa.TCP_KEEPCNT, on: "t", def: 10, set: 255, bad: []int{256}},
	{section: "9.2", name: "TCP_KEEPINTVL", level: tcp, opt: wsa.TCP_KEEPINTVL, on: "t", def: 1, set: 9},
	{section: "9.2", name: "TCP_FAIL_CONNECT_ON_ICMP_ERROR", level: tcp, opt: wsa.TCP_FAIL_CONNECT_ON_ICMP_ERROR, needs: NeedsConnectICMP, on: "t", def: 0, set: 1},
	{section: "9.2", name: "TCP_BSDURGENT", level: tcp, opt: wsa.TCP_BSDURGENT, on: "t", def: 1, set: 0},

	{section: "9.3", name: "IP_TOS, IPV6_TCLASS", level: ip4, opt: wsa.IP_TOS, level6: ip6, opt6: wsa.IPV6_TCLASS, on: "tu", def: 0, set: 16},
	{section: "9.3", name: "IP_TTL, IPV6_UNICAST_HOPS", level: ip4, opt: wsa.IP_TTL, level6: ip6, opt6: wsa.IPV6_UNICAST_HOPS, on: "tu", def: 128, set: 7, bad: []int{256}},
	{section: "9.3", name: "IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS", level: ip4, opt: wsa.IP_MULTICAST_TTL, level6: ip6, opt6: wsa.IPV6_MULTICAST_HOPS, on: "u", def: 1, set: 9, bad: []int{256}},
	{section: "9.3", name: "IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP", level: ip4, opt: wsa.IP_MULTICAST_LOOP, level6: ip6, opt6: wsa.IPV6_MULTICAST_LOOP, needs: NeedsMulticast, on: "u", def: 1, set: 0},
	{section: "9.3", name: "IP_DONTFRAGMENT, IPV6_DONTFRAG", level: ip4, opt: wsa.IP_DONTFRAGMENT, level6: ip6, opt6: wsa.IPV6_DONTFRAG, on: "u", def: 0, set: 1},
	{section: "9.3", name: "IP_PKTINFO, IPV6_PKTINFO", level: ip4, opt: wsa.IP_PKTINFO, level6: ip6, opt6: wsa.IPV6_PKTINFO, on: "u", def: 0, set: 1},
	{section: "9.3", name: "IP_RECVTTL, IPV6_HOPLIMIT", level: ip4, opt: wsa.IP_RECVTTL, level6: ip6, opt6: wsa.IPV6_HOPLIMIT, on: "u", def: 0, set: 1},
	{section: "9.3", name: "IP_RECEIVE_BROADCAST", level: ip4, opt: wsa.IP_RECEIVE_BROADCAST, on: "u", def: 1, set: 0, only: wsa.AF_INET},
	{section: "9.3", name: "IPV6_PROTECTION_LEVEL", level6: ip6, opt6: wsa.IPV6_PROTECTION_LEVEL, on: "tu", def: anything, set: none, only: wsa.AF_INET6},
	{section: "9.3", name: "IP_RECVIF, IPV6_RECVIF", level: ip4, opt: wsa.IP_RECVIF, level6: ip6, opt6: wsa.IPV6_RECVIF, on: "u", def: 0, set: 1},
	{section: "9.3", name: "IP_RECVDSTADDR", level: ip4, opt: wsa.IP_RECVDSTADDR, level6: ip6, opt6: wsa.IPV6_RECVDSTADDR, on: "u", def: 0, set: 1},
	{section: "9.3", name: "IPV6_V6ONLY", level6: ip6, opt6: wsa.IPV6_V6ONLY, on: "tu", def: 1, set: 0, only: wsa.AF_INET6},
	{section: "9.3", name: "IP_IFLIST", level: ip4, opt: wsa.IP_IFLIST, level6: ip6, opt6: wsa.IPV6_IFLIST, on: "u", def: 0, set: 1},
	{section: "9.3", name: "IP_RECVTOS, IPV6_RECVTCLASS", level: ip4, opt: wsa.IP_RECVTOS, level6: ip6, opt6: wsa.IPV6_RECVTCLASS, on: "u", def: 0, set: 1},
	{section: "9.3", name: "IP_ORIGINAL_ARRIVAL_IF", level: ip4, opt: wsa.IP_ORIGINAL_ARRIVAL_IF, on: "tu", access: absent, only: wsa.AF_INET},
	{section: "9.3", name: "IP_ECN", level: ip4, opt: wsa.IP_ECN, level6: ip6, opt6: wsa.IPV6_ECN, on: "u", def: 0, set: 1},
	{section: "9.3", name: "IP_WFP_REDIRECT_RECORDS", level: ip4, opt: wsa.IP_WFP_REDIRECT_RECORDS, level6: ip6, opt6: wsa.IPV6_WFP_REDIRECT_RECORDS, on: "tu", access: absent},
	{section: "9.3", name: "IP_WFP_REDIRECT_CONTEXT", level: ip4, opt: wsa.IP_WFP_REDIRECT_CONTEXT, level6: ip6, opt6: wsa.IPV6_WFP_REDIRECT_CONTEXT, on: "tu", access: absent},
	{section: "9.3", name: "IP_MTU_DISCOVER", level: ip4, opt: wsa.IP_MTU_DISCOVER, level6: ip6, opt6: wsa.IPV6_MTU_DISCOVER, on: "u", def: 0, set: none, bad: []int{4}},
	{section: "9.3", name: "IP_RECVERR", level: ip4, opt: wsa.IP_RECVERR, level6: ip6, opt6: wsa.IPV6_RECVERR, on: "u", def: 0, set: 1},
	{section: "9.3", name: "IP_USER_MTU", level: ip4, opt: wsa.IP_USER_MTU, level6: ip6, opt6: wsa.IPV6_USER_MTU, on: "tu", def: 0, set: 1400},
	{section: "9.3", name: "UDP_NOCHECKSUM", level: udp, opt: wsa.UDP_NOCHECKSUM, on: "u", def: 0, set: 1, only: wsa.AF_INET},
	{section: "9.3", name: "UDP_RECV_MAX_COALESCED_SIZE", level: udp, opt: wsa.UDP_RECV_MAX_COALESCED_SIZE, on: "u", def: 0, set: 9000},
	{section: "9.3", name: "UDP_CHECKSUM_COVERAGE", level: udp, opt: wsa.UDP_CHECKSUM_COVERAGE, on: "u", def: 0, set: 20},
	{section: "9.3", name: "UDP_SEND_MSG_SIZE", level: udp, opt: wsa.UDP_SEND_MSG_SIZE, on: "u", access: absent},
}

var _ = addOptions()

func addOptions() struct{} {
	for _, o := range optionTable {
		add(Row{Section: o.section, Name: o.name, Needs: o.needs, Dropped: o.dropped, Run: o.run})
	}
	return struct{}{}
}

// run looks at the option on sockets that have it, and on those that have not.
func (o option) run(w *Case) {
	if o.only != 0 && o.only != w.Family() {
		return // the other family's pair runs it
	}
	level, opt := o.level, o.opt
	if w.Family() == wsa.AF_INET6 && o.level6 != 0 {
		level, opt = o.level6, o.opt6
	}
	for _, kind := range "tu" {
		s := map[rune]func() sockets.SOCKET{'t': w.C.TCP, 'u': w.C.UDP}[kind]()
		at := fmt.Sprintf("%s on %c", o.name, kind)
		here := containsRune(o.on, kind)
		switch {
		case here && o.access == refused:
			o.denied(w, at, s, level, opt, wsa.EINVAL)
		case !here && (level == tcp || level == udp), here && o.access == absent, !here && level == sol:
			o.denied(w, at, s, level, opt, wsa.ENOPROTOOPT)
		case here:
			o.lives(w, at, s, level, opt)
		}
	}
}

func containsRune(s string, r rune) bool {
	for _, x := range s {
		if x == r {
			return true
		}
	}
	return false
}

func (o option) denied(w *Case, at string, s sockets.SOCKET, level, opt int32, want wsa.Errno) {
	w.Helper()
	_, e := w.C.Option(s, level, opt)
	w.Want("get "+at, e, want)
	w.Want("set "+at, w.C.SetOption(s, level, opt, 1), want)
}

func (o option) lives(w *Case, at string, s sockets.SOCKET, level, opt int32) {
	w.Helper()
	v, e := w.C.Option(s, level, opt)
	w.Want("get "+at, e, 0)
	if o.def != anything && v != o.def {
		w.Errorf("%s is %d, want %d", at, v, o.def)
	}
	if o.access == readOnly {
		w.Want("set "+at, w.C.SetOption(s, level, opt, 1), wsa.ENOPROTOOPT)
		return
	}
	for _, bad := range o.bad {
		w.Want(fmt.Sprintf("set %s to %d", at, bad), w.C.SetOption(s, level, opt, bad), wsa.EINVAL)
	}
	w.Want("set "+at+" by no bytes", w.C.WSPSetSockOpt(s, level, opt, nil), wsa.EFAULT)
	if o.set == none {
		return
	}
	w.Want("set "+at, w.C.SetOption(s, level, opt, o.set), 0)
	if v, e := w.C.Option(s, level, opt); v != o.set || e != 0 {
		w.Errorf("%s reads back %d, %v; want %d", at, v, e, o.set)
	}
}
