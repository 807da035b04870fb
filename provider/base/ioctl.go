package base

import (
	"encoding/binary"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// control is one row of winsock-spi 9.6. in and out are the sizes needed, or
// EFAULT; on is where the code applies, or misfit.
type control struct {
	in, out int
	on      kinds
	misfit  wsa.Errno
	do      func(k *socket, in, out []byte) wsa.Errno
	answer  func(*socket, *provider.IoctlRequest) (int, wsa.Errno) // instead of do, and of the sizes
}

var controls = map[uint32]control{
	wsa.FIONREAD:                  {out: 4, on: onAll, do: bytesQueued},
	wsa.FIONBIO:                   {in: 4, on: onAll, do: blockingMode},
	wsa.SIO_GET_BROADCAST_ADDRESS: {out: 16, on: onType | onIPv4, misfit: wsa.ENOPROTOOPT, do: broadcastAddress},
	wsa.SIO_KEEPALIVE_VALS:        {in: 12, on: onStream | onFamily, misfit: wsa.EINVAL, do: keepAliveValues},
	wsa.SIO_MULTIPOINT_LOOPBACK:   {in: 4, on: onMessage | onFamily, misfit: wsa.EINVAL, do: multipointLoopback},
	wsa.SIO_MULTICAST_SCOPE:       {in: 4, on: onMessage | onFamily, misfit: wsa.EINVAL, do: multicastScope},
	wsa.SIO_UDP_CONNRESET:         {in: 4, on: onDatagram | onFamily, misfit: wsa.EINVAL, do: reportReset},
	wsa.SIO_UDP_NETRESET:          {in: 4, on: onDatagram | onFamily, misfit: wsa.EINVAL, do: reportNetReset},
	wsa.SIO_BASE_HANDLE:           {out: 8, on: onAll, do: baseHandle},
	wsa.SIOCATMARK:                {out: 4, on: onStream | onFamily, misfit: wsa.EINVAL, do: atMark},
	wsa.SIO_REUSE_SOCKET:          {on: onStream | onFamily, misfit: wsa.EINVAL, do: reuse},
}

// ioctl is WSPIoctl: EINVAL for an unknown code or one for other sockets, EFAULT
// for a short buffer, with the size needed if it is the output's.
func ioctl(s *provider.Socket, r *provider.IoctlRequest) (int, wsa.Errno) {
	k, e := writer(s)
	if e != 0 {
		return 0, e
	}
	defer k.mu.Unlock()
	c, ok := controlOf(r.Code)
	switch {
	case !ok:
		return 0, wsa.EINVAL
	case c.on&k.kind() != k.kind():
		return 0, c.misfit
	case c.answer != nil:
		return c.answer(k, r)
	case len(r.In) < c.in:
		return 0, wsa.EFAULT
	case len(r.Out) < c.out:
		return c.out, wsa.EFAULT
	}
	if e := c.do(k, r.In, r.Out); e != 0 {
		return 0, e
	}
	return c.out, 0
}

func bytesQueued(k *socket, _, out []byte) wsa.Errno {
	if _, ok := k.link.Endpoint.(Queuer); !ok {
		return wsa.EOPNOTSUPP
	}
	n := 0
	if !k.sift.on || k.bound && k.link.State().Readable && k.announced() {
		n = k.total()
	}
	binary.LittleEndian.PutUint32(out, uint32(n))
	return 0
}

// blockingMode accepts FIONBIO: no operation of a base blocks, the mode is kept
// by package sockets.
func blockingMode(*socket, []byte, []byte) wsa.Errno { return 0 }

// broadcastAddress writes a sockaddr_in of the limited broadcast address.
func broadcastAddress(_ *socket, _, out []byte) wsa.Errno {
	clear(out[:16])
	binary.LittleEndian.PutUint16(out, uint16(wsa.AF_INET))
	ip := limitedBroadcast.As4()
	copy(out[4:], ip[:])
	return 0
}

// keepAliveValues is struct tcp_keepalive: onoff, time and interval, the latter
// two in milliseconds, which the network rounds up to seconds.
func keepAliveValues(k *socket, in, _ []byte) wsa.Errno {
	field := func(i int) uint32 { return binary.LittleEndian.Uint32(in[4*i:]) }
	row := func(level, name int32) *option { return k.option(level, name) }
	if field(0) == 0 {
		return k.set(row(wsa.SOL_SOCKET, wsa.SO_KEEPALIVE), 0)
	}
	seconds := func(ms uint32) int { return max(1, int((uint64(ms)+999)/1000)) }
	if e := k.set(row(wsa.IPPROTO_TCP, wsa.TCP_KEEPIDLE), seconds(field(1))); e != 0 {
		return e
	}
	if e := k.set(row(wsa.IPPROTO_TCP, wsa.TCP_KEEPINTVL), seconds(field(2))); e != 0 {
		return e
	}
	return k.set(row(wsa.SOL_SOCKET, wsa.SO_KEEPALIVE), 1)
}

func reportReset(k *socket, in, _ []byte) wsa.Errno {
	k.dropReset = binary.LittleEndian.Uint32(in) == 0
	return 0
}

func reportNetReset(k *socket, in, _ []byte) wsa.Errno {
	k.dropNetReset = binary.LittleEndian.Uint32(in) == 0
	return 0
}

// baseHandle is the operating system's handle where there is one, else the
// socket's own number: a non-IFS socket is its own base handle.
func baseHandle(k *socket, _, out []byte) wsa.Errno {
	h := uint64(0)
	if s := k.self.Load(); s != nil {
		h = s.Handle()
	}
	if o, ok := k.link.Endpoint.(Handler); ok {
		if v, ok := o.SysHandle(); ok {
			h = uint64(v)
		}
	}
	binary.LittleEndian.PutUint64(out, h)
	return 0
}
