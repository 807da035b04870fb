package netstack

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/netnsd/netnsd/provider/wsa"
)

// optionKey is an option by Winsock's level and name.
type optionKey struct{ level, name int32 }

// option reaches gVisor; kinds says for which SOCK_* (as bits) it exists.
type option struct {
	kinds uint
	set   func(*endpoint, int) wsa.Errno
	get   func(*endpoint) (int, wsa.Errno)
}

const (
	onStream   = 1 << wsa.SOCK_STREAM
	onDatagram = 1 << wsa.SOCK_DGRAM
	onRaw      = 1 << wsa.SOCK_RAW
	onMessage  = onDatagram | onRaw
	onAll      = onStream | onMessage
)

// IPV6 options with IPv4's numbers stand for both families on a dual-stack
// endpoint, as gVisor keeps them apart.
var options = map[optionKey]option{
	{wsa.SOL_SOCKET, wsa.SO_REUSEADDR}:        {onStream | onDatagram, setReuse, getReuse},
	{wsa.SOL_SOCKET, wsa.SO_EXCLUSIVEADDRUSE}: {onStream | onDatagram, setExclusive, getExclusive},
	{wsa.SOL_SOCKET, wsa.SO_KEEPALIVE}:        {onStream, setKeepAlive, flag((*tcpip.SocketOptions).GetKeepAlive)},
	{wsa.SOL_SOCKET, wsa.SO_BROADCAST}:        {onMessage, setFlag((*tcpip.SocketOptions).SetBroadcast), flag((*tcpip.SocketOptions).GetBroadcast)},
	{wsa.SOL_SOCKET, wsa.SO_SNDBUF}:           {onAll, setSendBuffer, func(e *endpoint) (int, wsa.Errno) { return int(e.ep.SocketOptions().GetSendBufferSize()), 0 }},
	{wsa.SOL_SOCKET, wsa.SO_RCVBUF}:           {onAll, setReceiveBuffer, func(e *endpoint) (int, wsa.Errno) { return int(e.ep.SocketOptions().GetReceiveBufferSize()), 0 }},

	{wsa.IPPROTO_TCP, wsa.TCP_NODELAY}:   {onStream, setNoDelay, func(e *endpoint) (int, wsa.Errno) { return number(!e.ep.SocketOptions().GetDelayOption()), 0 }},
	{wsa.IPPROTO_TCP, wsa.TCP_KEEPIDLE}:  {onStream, setKeepIdle, getKeepIdle},
	{wsa.IPPROTO_TCP, wsa.TCP_KEEPINTVL}: {onStream, setKeepInterval, getKeepInterval},
	{wsa.IPPROTO_TCP, wsa.TCP_KEEPCNT}:   {onStream, setKeepCount, intOption(tcpip.KeepaliveCountOption)},
	{wsa.IPPROTO_TCP, wsa.TCP_MAXSEG}:    {onStream, setInt(tcpip.MaxSegOption, 1, 65535), intOption(tcpip.MaxSegOption)},
	{wsa.IPPROTO_TCP, wsa.TCP_MAXRT}:     {onStream, setUserTimeout(time.Second), getUserTimeout(time.Second)},
	{wsa.IPPROTO_TCP, wsa.TCP_MAXRTMS}:   {onStream, setUserTimeout(time.Millisecond), getUserTimeout(time.Millisecond)},

	{wsa.IPPROTO_IP, wsa.IP_TTL}:           {onAll, setInt(tcpip.IPv4TTLOption, 1, 255), intOption(tcpip.IPv4TTLOption)},
	{wsa.IPPROTO_IP, wsa.IP_TOS}:           {onAll, setInt(tcpip.IPv4TOSOption, 0, 255), intOption(tcpip.IPv4TOSOption)},
	{wsa.IPPROTO_IP, wsa.IP_MULTICAST_TTL}: {onMessage, setInt(tcpip.MulticastTTLOption, 0, 255), intOption(tcpip.MulticastTTLOption)},
	{wsa.IPPROTO_IP, wsa.IP_HDRINCL}:       {onRaw, setFlag((*tcpip.SocketOptions).SetHeaderIncluded), flag((*tcpip.SocketOptions).GetHeaderIncluded)},
	{wsa.IPPROTO_IP, wsa.IP_DONTFRAGMENT}:  {onMessage, setDontFragment, getDontFragment},
	{wsa.IPPROTO_IP, wsa.IP_MTU_DISCOVER}:  {onAll, setDiscover, getDiscover},

	{wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY}:         {onStream | onDatagram, setV6Only, flag((*tcpip.SocketOptions).GetV6Only)},
	{wsa.IPPROTO_IPV6, wsa.IPV6_UNICAST_HOPS}:   {onAll, setInt(tcpip.IPv6HopLimitOption, 0, 255), intOption(tcpip.IPv6HopLimitOption)},
	{wsa.IPPROTO_IPV6, wsa.IPV6_TCLASS}:         {onAll, setInt(tcpip.IPv6TrafficClassOption, 0, 255), intOption(tcpip.IPv6TrafficClassOption)},
	{wsa.IPPROTO_IPV6, wsa.IPV6_MULTICAST_HOPS}: {onMessage, setInt(tcpip.MulticastTTLOption, 0, 255), intOption(tcpip.MulticastTTLOption)},
	{wsa.IPPROTO_IPV6, wsa.IPV6_DONTFRAG}:       {onMessage, setDontFragment, getDontFragment},
	{wsa.IPPROTO_IPV6, wsa.IP_MTU_DISCOVER}:     {onAll, setDiscover, getDiscover},

	{wsa.IPPROTO_UDP, wsa.UDP_NOCHECKSUM}:   {onDatagram, setNoChecksum, getNoChecksum},
	{wsa.IPPROTO_IP, wsa.IP_UNICAST_IF}:     {onAll, setUnicastIF(false), getUnicastIF(false)},
	{wsa.IPPROTO_IP, wsa.IP_MTU}:            {onAll, readOnly, getMTU},
	{wsa.IPPROTO_IPV6, wsa.IPV6_UNICAST_IF}: {onAll, setUnicastIF(true), getUnicastIF(true)},
	{wsa.IPPROTO_IPV6, wsa.IPV6_MTU}:        {onAll, readOnly, getMTU},
	{wsa.IPPROTO_IPV6, wsa.IPV6_CHECKSUM}:   {onRaw, setInt(tcpip.IPv6Checksum, -1, 65534), intOption(tcpip.IPv6Checksum)},
}

func (e *endpoint) option(level, name int32) (option, bool) {
	o, ok := options[optionKey{level, name}]
	return o, ok && o.kinds>>e.kind&1 != 0 && (level != wsa.IPPROTO_IPV6 || e.family == wsa.AF_INET6)
}

// SetOption sets what gVisor has. ENOPROTOOPT: it has no such thing for this
// kind of endpoint. EINVAL: out of range.
func (e *endpoint) SetOption(level, name int32, value int) wsa.Errno {
	if o, ok := e.option(level, name); ok {
		return o.set(e, value)
	}
	return wsa.ENOPROTOOPT
}

// Option reads what gVisor uses, which for buffers and timers need not be what was set.
func (e *endpoint) Option(level, name int32) (int, wsa.Errno) {
	if o, ok := e.option(level, name); ok {
		return o.get(e)
	}
	return 0, wsa.ENOPROTOOPT
}

// SetOption as of endpoint, with SO_RCVBUF known to the flood guard.
func (d *datagram) SetOption(level, name int32, value int) wsa.Errno {
	if level == wsa.SOL_SOCKET && name == wsa.SO_RCVBUF && d.flood.stats != nil {
		size, e := receiveBuffer(&d.endpoint, value)
		if e == 0 {
			d.flood.resize(size)
		}
		return e
	}
	return d.endpoint.SetOption(level, name, value)
}

// Option as of endpoint: SO_RCVBUF is not 0 because the flood guard says so.
func (d *datagram) Option(level, name int32) (int, wsa.Errno) {
	if size := d.flood.stopped.Load(); size != 0 && level == wsa.SOL_SOCKET && name == wsa.SO_RCVBUF {
		return int(size), 0
	}
	return d.endpoint.Option(level, name)
}

// Windows' defaults where gVisor's differ. An accepted endpoint needs them too:
// gVisor hands on next to nothing (propagateInheritableOptionsLocked).
const defaultTTL = 128

func (e *endpoint) setDefaults() {
	e.ep.SetSockOptInt(tcpip.IPv4TTLOption, defaultTTL)
	if e.family == wsa.AF_INET6 {
		e.ep.SetSockOptInt(tcpip.IPv6HopLimitOption, defaultTTL)
		e.ep.SocketOptions().SetV6Only(true)
	}
	if e.kind == wsa.SOCK_STREAM {
		e.ep.SocketOptions().SetDelayOption(true) // TCP_NODELAY 0
	}
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

func flag(get func(*tcpip.SocketOptions) bool) func(*endpoint) (int, wsa.Errno) {
	return func(e *endpoint) (int, wsa.Errno) { return number(get(e.ep.SocketOptions())), 0 }
}

func setFlag(set func(*tcpip.SocketOptions, bool)) func(*endpoint, int) wsa.Errno {
	return func(e *endpoint, v int) wsa.Errno {
		set(e.ep.SocketOptions(), v != 0)
		return 0
	}
}

func setInt(o tcpip.SockOptInt, least, most int) func(*endpoint, int) wsa.Errno {
	return func(e *endpoint, v int) wsa.Errno {
		if v < least || v > most {
			return wsa.EINVAL
		}
		return errno(opOption, e.ep.SetSockOptInt(o, v))
	}
}

func intOption(o tcpip.SockOptInt) func(*endpoint) (int, wsa.Errno) {
	return func(e *endpoint) (int, wsa.Errno) {
		v, err := e.ep.GetSockOptInt(o)
		return v, errno(opOption, err)
	}
}

func setReuse(e *endpoint, v int) wsa.Errno {
	e.sharing.reuse = v != 0
	return 0
}

func getReuse(e *endpoint) (int, wsa.Errno) { return number(e.sharing.reuse), 0 }

func setExclusive(e *endpoint, v int) wsa.Errno {
	e.sharing.exclusive = v != 0
	return 0
}

func getExclusive(e *endpoint) (int, wsa.Errno) { return number(e.sharing.exclusive), 0 }

func setNoDelay(e *endpoint, v int) wsa.Errno {
	e.ep.SocketOptions().SetDelayOption(v == 0)
	return 0
}

func setV6Only(e *endpoint, v int) wsa.Errno {
	e.ep.SocketOptions().SetV6Only(v != 0)
	return 0
}

// setSendBuffer keeps to the stack's limits: gVisor would take 0, and nothing
// could be sent any more.
func setSendBuffer(e *endpoint, v int) wsa.Errno {
	if v < 0 {
		return wsa.EINVAL
	}
	least, most := e.ep.SocketOptions().SendBufferLimits()
	e.ep.SocketOptions().SetSendBufferSize(min(max(int64(v), least), most), true)
	return 0
}

func receiveBuffer(e *endpoint, v int) (int64, wsa.Errno) {
	if v < 0 {
		return 0, wsa.EINVAL
	}
	least, most := e.ep.SocketOptions().ReceiveBufferLimits()
	return min(max(int64(v), least, 1), most), 0
}

func setReceiveBuffer(e *endpoint, v int) wsa.Errno {
	size, bad := receiveBuffer(e, v)
	if bad == 0 {
		e.ep.SocketOptions().SetReceiveBufferSize(size, true)
	}
	return bad
}
