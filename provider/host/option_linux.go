package host

import (
	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// option is one of Winsock's as Linux has it.
type option struct {
	level, name int
	// to and from translate values; nil: they are the same.
	to, from func(int) int
}

type optionKey struct{ level, name int32 }

// options are those with an effect in the kernel. What is not here is
// ENOPROTOOPT: among them SO_LINGER (a Close says what it wants) and SO_DONTROUTE
// (Windows ignores it). SO_EXCLUSIVEADDRUSE counts among the Host's own sockets:
// towards others exclusive is what a Linux socket is without the opposite.
var options = map[optionKey]option{
	{wsa.SOL_SOCKET, wsa.SO_REUSEADDR}: {level: unix.SOL_SOCKET, name: unix.SO_REUSEADDR}, // datagrams; see of
	{wsa.SOL_SOCKET, wsa.SO_KEEPALIVE}: {level: unix.SOL_SOCKET, name: unix.SO_KEEPALIVE},
	{wsa.SOL_SOCKET, wsa.SO_BROADCAST}: {level: unix.SOL_SOCKET, name: unix.SO_BROADCAST},
	{wsa.SOL_SOCKET, wsa.SO_OOBINLINE}: {level: unix.SOL_SOCKET, name: unix.SO_OOBINLINE},
	// The kernel doubles what is set, for its own overhead, and shows that (socket(7)).
	{wsa.SOL_SOCKET, wsa.SO_SNDBUF}: {level: unix.SOL_SOCKET, name: unix.SO_SNDBUF, from: half},
	{wsa.SOL_SOCKET, wsa.SO_RCVBUF}: {level: unix.SOL_SOCKET, name: unix.SO_RCVBUF, from: half},

	{wsa.IPPROTO_TCP, wsa.TCP_NODELAY}:   {level: unix.IPPROTO_TCP, name: unix.TCP_NODELAY},
	{wsa.IPPROTO_TCP, wsa.TCP_MAXSEG}:    {level: unix.IPPROTO_TCP, name: unix.TCP_MAXSEG},
	{wsa.IPPROTO_TCP, wsa.TCP_KEEPIDLE}:  {level: unix.IPPROTO_TCP, name: unix.TCP_KEEPIDLE, to: keepAliveSeconds},
	{wsa.IPPROTO_TCP, wsa.TCP_KEEPINTVL}: {level: unix.IPPROTO_TCP, name: unix.TCP_KEEPINTVL, to: keepAliveSeconds},
	{wsa.IPPROTO_TCP, wsa.TCP_KEEPCNT}:   {level: unix.IPPROTO_TCP, name: unix.TCP_KEEPCNT, to: keepAliveCount},
	// Seconds, -1 for never, which is what the kernel's 0 is nearest to: its own
	// limit of about 15 minutes (net.ipv4.tcp_retries2).
	{wsa.IPPROTO_TCP, wsa.TCP_MAXRT}:   {level: unix.IPPROTO_TCP, name: unix.TCP_USER_TIMEOUT, to: milliseconds, from: seconds},
	{wsa.IPPROTO_TCP, wsa.TCP_MAXRTMS}: {level: unix.IPPROTO_TCP, name: unix.TCP_USER_TIMEOUT},

	{wsa.IPPROTO_IP, wsa.IP_HDRINCL}:       {level: unix.IPPROTO_IP, name: unix.IP_HDRINCL},
	{wsa.IPPROTO_IP, wsa.IP_TOS}:           {level: unix.IPPROTO_IP, name: unix.IP_TOS},
	{wsa.IPPROTO_IP, wsa.IP_TTL}:           {level: unix.IPPROTO_IP, name: unix.IP_TTL},
	{wsa.IPPROTO_IP, wsa.IP_MULTICAST_TTL}: {level: unix.IPPROTO_IP, name: unix.IP_MULTICAST_TTL},
	{wsa.IPPROTO_IP, wsa.IP_DONTFRAGMENT}:  {level: unix.IPPROTO_IP, name: unix.IP_MTU_DISCOVER, to: dontFragment, from: fragmentsNot},
	{wsa.IPPROTO_IP, wsa.IP_MTU_DISCOVER}:  {level: unix.IPPROTO_IP, name: unix.IP_MTU_DISCOVER, to: discover, from: discovers},
	{wsa.IPPROTO_IP, wsa.IP_MTU}:           {level: unix.IPPROTO_IP, name: unix.IP_MTU},
	{wsa.IPPROTO_IP, wsa.IP_PKTINFO}:       {level: unix.IPPROTO_IP, name: unix.IP_PKTINFO},
	{wsa.IPPROTO_IP, wsa.IP_RECVTTL}:       {level: unix.IPPROTO_IP, name: unix.IP_RECVTTL},

	{wsa.IPPROTO_IP, wsa.IP_RECVTOS}: {level: unix.IPPROTO_IP, name: unix.IP_RECVTOS},

	{wsa.IPPROTO_IPV6, wsa.IPV6_RECVTCLASS}:     {level: unix.IPPROTO_IPV6, name: unix.IPV6_RECVTCLASS},
	{wsa.IPPROTO_IPV6, wsa.IPV6_HDRINCL}:        {level: unix.IPPROTO_IPV6, name: unix.IPV6_HDRINCL},
	{wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY}:         {level: unix.IPPROTO_IPV6, name: unix.IPV6_V6ONLY},
	{wsa.IPPROTO_IPV6, wsa.IPV6_TCLASS}:         {level: unix.IPPROTO_IPV6, name: unix.IPV6_TCLASS},
	{wsa.IPPROTO_IPV6, wsa.IPV6_UNICAST_HOPS}:   {level: unix.IPPROTO_IPV6, name: unix.IPV6_UNICAST_HOPS},
	{wsa.IPPROTO_IPV6, wsa.IPV6_MULTICAST_IF}:   {level: unix.IPPROTO_IPV6, name: unix.IPV6_MULTICAST_IF},
	{wsa.IPPROTO_IPV6, wsa.IPV6_MULTICAST_HOPS}: {level: unix.IPPROTO_IPV6, name: unix.IPV6_MULTICAST_HOPS},
	{wsa.IPPROTO_IPV6, wsa.IPV6_DONTFRAG}:       {level: unix.IPPROTO_IPV6, name: unix.IPV6_DONTFRAG},
	{wsa.IPPROTO_IPV6, wsa.IPV6_PKTINFO}:        {level: unix.IPPROTO_IPV6, name: unix.IPV6_RECVPKTINFO},
	{wsa.IPPROTO_IPV6, wsa.IPV6_HOPLIMIT}:       {level: unix.IPPROTO_IPV6, name: unix.IPV6_RECVHOPLIMIT},

	{wsa.IPPROTO_UDP, wsa.UDP_NOCHECKSUM}:     {level: unix.SOL_SOCKET, name: soNoCheck},
	{wsa.IPPROTO_IP, wsa.IP_UNICAST_IF}:       {level: unix.IPPROTO_IP, name: unix.IP_UNICAST_IF, to: networkIndex, from: networkIndex}, // see of
	{wsa.IPPROTO_IPV6, wsa.IPV6_UNICAST_IF}:   {level: unix.IPPROTO_IPV6, name: unix.IPV6_UNICAST_IF, to: networkIndex, from: networkIndex},
	{wsa.IPPROTO_IPV6, wsa.IPV6_MTU}:          {level: unix.IPPROTO_IPV6, name: unix.IPV6_MTU},
	{wsa.IPPROTO_IPV6, wsa.IPV6_MTU_DISCOVER}: {level: unix.IPPROTO_IPV6, name: unix.IPV6_MTU_DISCOVER, to: discover, from: discovers},
	{wsa.IPPROTO_IPV6, wsa.IPV6_CHECKSUM}:     {level: unix.IPPROTO_IPV6, name: unix.IPV6_CHECKSUM},
}

// soNoCheck is SO_NO_CHECK of asm-generic/socket.h, which package unix lacks.
const soNoCheck = 11

// networkIndex is an interface index in network byte order, as the kernel has it, and
// back.
func networkIndex(v int) int { return int(int32(network32(uint32(v)))) }

// of is the row of an option, as this endpoint needs it. Sharing an address that
// somebody listens on is SO_REUSEPORT for a stream: Linux' SO_REUSEADDR does not
// allow it, and is set by Bind for what it does mean. Linux' IP_UNICAST_IF counts
// for datagrams alone.
func (e *endpoint) of(level, name int32) (option, bool) {
	o, ok := options[optionKey{level, name}]
	if ok && e.typ == wsa.SOCK_STREAM && level == wsa.SOL_SOCKET && name == wsa.SO_REUSEADDR {
		o.name = unix.SO_REUSEPORT
	}
	if e.typ == wsa.SOCK_STREAM && name == wsa.IP_UNICAST_IF && (level == wsa.IPPROTO_IP || level == wsa.IPPROTO_IPV6) {
		return option{}, false
	}
	return o, ok
}

// SetOption sets what has an effect in the kernel; ENOPROTOOPT for all else.
func (e *endpoint) SetOption(level, name int32, value int) wsa.Errno {
	if level == wsa.SOL_SOCKET && name == wsa.SO_EXCLUSIVEADDRUSE && e.typ != wsa.SOCK_RAW {
		e.share(base.BindExclusive, value != 0)
		return 0
	}
	o, ok := e.of(level, name)
	if !ok {
		return wsa.ENOPROTOOPT
	}
	if !e.enter() {
		return wsa.ENOTSOCK
	}
	defer e.leave()
	if level == wsa.SOL_SOCKET && name == wsa.SO_REUSEADDR {
		e.share(base.BindReuse, value != 0)
	}
	if o.to != nil {
		value = o.to(value)
	}
	return translate(opSetOption, errnoOf(unix.SetsockoptInt(e.fd, o.level, o.name, value)))
}

// Option is what the kernel says, which may be more, or less, than was asked.
func (e *endpoint) Option(level, name int32) (int, wsa.Errno) {
	o, ok := e.of(level, name)
	if !ok {
		return 0, wsa.ENOPROTOOPT
	}
	if !e.enter() {
		return 0, wsa.ENOTSOCK
	}
	defer e.leave()
	v, err := unix.GetsockoptInt(e.fd, o.level, o.name)
	if err != nil {
		return 0, translate(opGetOption, errnoOf(err))
	}
	if o.from != nil {
		v = o.from(v)
	}
	return v, 0
}

func half(v int) int         { return v / 2 }
func seconds(v int) int      { return v / 1000 }
func milliseconds(v int) int { return min(max(v, 0), 1<<31/1000-1) * 1000 }

// Linux takes at most 32767 s and 127 probes (MAX_TCP_KEEPIDLE, -CNT); Winsock
// more, and nobody can tell 9 hours from 10.
func keepAliveSeconds(v int) int { return min(v, 32767) }
func keepAliveCount(v int) int   { return min(v, 127) }

func dontFragment(v int) int {
	if v != 0 {
		return unix.IP_PMTUDISC_DO
	}
	return unix.IP_PMTUDISC_WANT
}

func fragmentsNot(v int) int {
	if v == unix.IP_PMTUDISC_DO || v == unix.IP_PMTUDISC_PROBE {
		return 1
	}
	return 0
}

// PMTUD_STATE of ws2ipdef.h: NOT_SET, DO, DONT, PROBE.
var pmtud = [...]int{unix.IP_PMTUDISC_WANT, unix.IP_PMTUDISC_DO, unix.IP_PMTUDISC_DONT, unix.IP_PMTUDISC_PROBE}

func discover(v int) int {
	if v < 0 || v >= len(pmtud) {
		return -1 // EINVAL
	}
	return pmtud[v]
}

func discovers(v int) int {
	for i, p := range pmtud {
		if p == v {
			return i
		}
	}
	return 0
}
