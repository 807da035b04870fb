package host_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestOptions sets each option, reads it back, and looks at what the kernel has.
func TestOptions(t *testing.T) {
	const stream, dgram, raw = wsa.SOCK_STREAM, wsa.SOCK_DGRAM, wsa.SOCK_RAW
	tested := make(map[[2]int32]bool)
	for _, c := range []struct {
		af, typ     int32
		level, name int32
		set, get    int
		klevel      int
		kname, kget int
	}{
		{wsa.AF_INET, stream, wsa.SOL_SOCKET, wsa.SO_REUSEADDR, 1, 1, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1},
		{wsa.AF_INET, dgram, wsa.SOL_SOCKET, wsa.SO_REUSEADDR, 1, 1, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
		{wsa.AF_INET, stream, wsa.SOL_SOCKET, wsa.SO_KEEPALIVE, 1, 1, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{wsa.AF_INET, dgram, wsa.SOL_SOCKET, wsa.SO_BROADCAST, 1, 1, unix.SOL_SOCKET, unix.SO_BROADCAST, 1},
		{wsa.AF_INET, stream, wsa.SOL_SOCKET, wsa.SO_OOBINLINE, 1, 1, unix.SOL_SOCKET, unix.SO_OOBINLINE, 1},
		{wsa.AF_INET, stream, wsa.SOL_SOCKET, wsa.SO_SNDBUF, 10000, 10000, unix.SOL_SOCKET, unix.SO_SNDBUF, 20000},
		{wsa.AF_INET, dgram, wsa.SOL_SOCKET, wsa.SO_RCVBUF, 10000, 10000, unix.SOL_SOCKET, unix.SO_RCVBUF, 20000},
		{wsa.AF_INET, stream, wsa.IPPROTO_TCP, wsa.TCP_NODELAY, 1, 1, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{wsa.AF_INET, stream, wsa.IPPROTO_TCP, wsa.TCP_KEEPIDLE, 60, 60, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 60},
		{wsa.AF_INET, stream, wsa.IPPROTO_TCP, wsa.TCP_KEEPIDLE, 100000, 32767, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 32767},
		{wsa.AF_INET, stream, wsa.IPPROTO_TCP, wsa.TCP_KEEPINTVL, 5, 5, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 5},
		{wsa.AF_INET, stream, wsa.IPPROTO_TCP, wsa.TCP_KEEPCNT, 255, 127, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 127},
		{wsa.AF_INET, stream, wsa.IPPROTO_TCP, wsa.TCP_MAXRT, 30, 30, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 30000},
		{wsa.AF_INET, stream, wsa.IPPROTO_TCP, wsa.TCP_MAXRT, -1, 0, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 0},
		{wsa.AF_INET, stream, wsa.IPPROTO_TCP, wsa.TCP_MAXRT, 1<<31 - 1, 2147482, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 2147482000},
		{wsa.AF_INET, stream, wsa.IPPROTO_TCP, wsa.TCP_MAXRTMS, 1500, 1500, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 1500},
		{wsa.AF_INET, raw, wsa.IPPROTO_IP, wsa.IP_HDRINCL, 1, 1, unix.IPPROTO_IP, unix.IP_HDRINCL, 1},
		{wsa.AF_INET, dgram, wsa.IPPROTO_IP, wsa.IP_TOS, 0x20, 0x20, unix.IPPROTO_IP, unix.IP_TOS, 0x20},
		{wsa.AF_INET, stream, wsa.IPPROTO_IP, wsa.IP_TTL, 128, 128, unix.IPPROTO_IP, unix.IP_TTL, 128},
		{wsa.AF_INET, dgram, wsa.IPPROTO_IP, wsa.IP_MULTICAST_TTL, 9, 9, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 9},
		{wsa.AF_INET, dgram, wsa.IPPROTO_IP, wsa.IP_DONTFRAGMENT, 1, 1, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO},
		{wsa.AF_INET, dgram, wsa.IPPROTO_IP, wsa.IP_DONTFRAGMENT, 0, 0, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_WANT},
		{wsa.AF_INET, dgram, wsa.IPPROTO_IP, wsa.IP_MTU_DISCOVER, 2, 2, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT},
		{wsa.AF_INET, dgram, wsa.IPPROTO_IP, wsa.IP_PKTINFO, 1, 1, unix.IPPROTO_IP, unix.IP_PKTINFO, 1},
		{wsa.AF_INET, dgram, wsa.IPPROTO_IP, wsa.IP_RECVTTL, 1, 1, unix.IPPROTO_IP, unix.IP_RECVTTL, 1},
		{wsa.AF_INET, dgram, wsa.IPPROTO_IP, wsa.IP_RECVTOS, 1, 1, unix.IPPROTO_IP, unix.IP_RECVTOS, 1},
		{wsa.AF_INET6, dgram, wsa.IPPROTO_IPV6, wsa.IPV6_RECVTCLASS, 1, 1, unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1},
		{wsa.AF_INET6, raw, wsa.IPPROTO_IPV6, wsa.IPV6_HDRINCL, 1, 1, unix.IPPROTO_IPV6, unix.IPV6_HDRINCL, 1},
		{wsa.AF_INET6, dgram, wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY, 0, 0, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0},
		{wsa.AF_INET6, dgram, wsa.IPPROTO_IPV6, wsa.IPV6_TCLASS, 0x20, 0x20, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, 0x20},
		{wsa.AF_INET6, stream, wsa.IPPROTO_IPV6, wsa.IPV6_UNICAST_HOPS, 128, 128, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, 128},
		{wsa.AF_INET6, dgram, wsa.IPPROTO_IPV6, wsa.IPV6_MULTICAST_IF, 1, 1, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, 1},
		{wsa.AF_INET6, dgram, wsa.IPPROTO_IPV6, wsa.IPV6_MULTICAST_HOPS, 9, 9, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 9},
		{wsa.AF_INET6, dgram, wsa.IPPROTO_IPV6, wsa.IPV6_DONTFRAG, 1, 1, unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1},
		{wsa.AF_INET6, dgram, wsa.IPPROTO_IPV6, wsa.IPV6_PKTINFO, 1, 1, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1},
		{wsa.AF_INET, dgram, wsa.IPPROTO_UDP, wsa.UDP_NOCHECKSUM, 1, 1, unix.SOL_SOCKET, 11, 1},
		{wsa.AF_INET, dgram, wsa.IPPROTO_IP, wsa.IP_UNICAST_IF, 1, 1, unix.IPPROTO_IP, unix.IP_UNICAST_IF, 1 << 24},
		{wsa.AF_INET6, raw, wsa.IPPROTO_IPV6, wsa.IPV6_UNICAST_IF, 1, 1, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_IF, 1 << 24},
		{wsa.AF_INET6, dgram, wsa.IPPROTO_IPV6, wsa.IPV6_MTU_DISCOVER, 1, 1, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DO},
		{wsa.AF_INET6, raw, wsa.IPPROTO_IPV6, wsa.IPV6_CHECKSUM, 4, 4, unix.IPPROTO_IPV6, unix.IPV6_CHECKSUM, 4},
		{wsa.AF_INET6, dgram, wsa.IPPROTO_IPV6, wsa.IPV6_HOPLIMIT, 1, 1, unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1},
	} {
		tested[[2]int32{c.level, c.name}] = true
		if c.typ == raw && unix.Geteuid() != 0 {
			continue
		}
		h := newHost(t, host.Config{})
		protocol := map[int32]int32{stream: wsa.IPPROTO_TCP, dgram: wsa.IPPROTO_UDP, raw: 253}[c.typ]
		e := open(t, h, c.af, c.typ, protocol)
		if errno := e.SetOption(c.level, c.name, c.set); errno != 0 {
			t.Errorf("set %d/%d to %d: %s", c.level, c.name, c.set, errno.Name())
			continue
		}
		if v, errno := e.Option(c.level, c.name); v != c.get || errno != 0 {
			t.Errorf("%d/%d reads %d, %s; want %d", c.level, c.name, v, errno.Name(), c.get)
		}
		fd, ok := e.Endpoint.(base.Handler).SysHandle()
		if v, err := unix.GetsockoptInt(int(fd), c.klevel, c.kname); !ok || v != c.kget || err != nil {
			t.Errorf("%d/%d: the kernel has %d, %v; want %d", c.level, c.name, v, err, c.kget)
		}
	}
	measured := map[[2]int32]bool{{wsa.IPPROTO_TCP, wsa.TCP_MAXSEG}: true, {wsa.IPPROTO_IP, wsa.IP_MTU}: true, {wsa.IPPROTO_IPV6, wsa.IPV6_MTU}: true}
	for _, k := range host.OptionKeys() {
		if !tested[k] && !measured[k] {
			t.Errorf("option %d/%d is not tested", k[0], k[1])
		}
	}
}

func TestMeasuredOptions(t *testing.T) {
	h := newHost(t, host.Config{})
	a, _ := pair(t, h, wsa.AF_INET)
	for _, o := range [][2]int32{{wsa.IPPROTO_TCP, wsa.TCP_MAXSEG}, {wsa.IPPROTO_IP, wsa.IP_MTU}} {
		if v, errno := a.Option(o[0], o[1]); v < 500 || errno != 0 {
			t.Errorf("option %d/%d: %d, %s", o[0], o[1], v, errno.Name())
		}
	}
}

func TestOptionErrors(t *testing.T) {
	h := newHost(t, host.Config{})
	e := openTCP(t, h, wsa.AF_INET)
	equal(t, "SO_LINGER", e.SetOption(wsa.SOL_SOCKET, wsa.SO_LINGER, 1), wsa.ENOPROTOOPT)
	_, errno := e.Option(wsa.SOL_SOCKET, wsa.SO_LINGER)
	equal(t, "SO_LINGER", errno, wsa.ENOPROTOOPT)
	equal(t, "TTL 256", e.SetOption(wsa.IPPROTO_IP, wsa.IP_TTL, 256), wsa.EINVAL)
	equal(t, "PMTUD 9", e.SetOption(wsa.IPPROTO_IP, wsa.IP_MTU_DISCOVER, 9), wsa.EINVAL)
	_, errno = e.Option(wsa.IPPROTO_IP, wsa.IP_MTU)
	equal(t, "MTU, unconnected", errno, wsa.ENOTCONN)
	equal(t, "unicast interface of a stream", e.SetOption(wsa.IPPROTO_IP, wsa.IP_UNICAST_IF, 1), wsa.ENOPROTOOPT)
	six := openTCP(t, h, wsa.AF_INET6)
	equal(t, "unicast interface of a stream, IPv6", six.SetOption(wsa.IPPROTO_IPV6, wsa.IPV6_UNICAST_IF, 1), wsa.ENOPROTOOPT)
	_, errno = six.Option(wsa.IPPROTO_IPV6, wsa.IPV6_MTU)
	equal(t, "MTU, unconnected, IPv6", errno, wsa.ENOTCONN)
	v, errno := six.Option(wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY)
	must(t, "IPV6_V6ONLY", errno)
	equal(t, "IPV6_V6ONLY, unset", v, 1)
	six.Close(false)
	equal(t, "SetOption, closed", six.SetOption(wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY, 1), wsa.ENOTSOCK)
}
