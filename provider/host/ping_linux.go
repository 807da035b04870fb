package host

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// ICMP numbers (RFC 792, RFC 4443).
const (
	echoReply4, echoRequest4 = 0, 8
	echoReply6, echoRequest6 = 129, 128
	icmpHeader               = 8 // type, code, checksum, identifier, sequence
)

// openPing opens a ping socket, or a raw one that plays it. The kernel says
// EACCES when net.ipv4.ping_group_range forbids, and EPERM when raw is too much.
func (h *Host) openPing(af, protocol int32) (base.Endpoint, wsa.Errno) {
	if (af == wsa.AF_INET6) != (protocol == wsa.IPPROTO_ICMPV6) {
		return nil, wsa.EPROTONOSUPPORT
	}
	if !h.config.rawPing {
		fd, e := h.socket(af, wsa.SOCK_DGRAM, protocol)
		if e != wsa.EACCES {
			if e != 0 {
				return nil, e
			}
			return h.newDatagram(fd, af, wsa.SOCK_DGRAM, protocol, nil)
		}
	}
	fd, e := h.socket(af, wsa.SOCK_RAW, protocol)
	if e != 0 {
		return nil, e
	}
	ping := &standIn{v6: af == wsa.AF_INET6}
	if e := ping.filter(fd); e != 0 {
		unix.Close(fd)
		return nil, e
	}
	return h.newDatagram(fd, af, wsa.SOCK_DGRAM, protocol, ping)
}

// standIn is what a raw socket needs to look like a ping socket (net/ipv4/ping.c):
// an identifier, which is the port, in place of the caller's; echo requests only;
// replies to that identifier only, and without IP header.
type standIn struct {
	v6         bool
	identifier atomic.Uint32 // 0 = none yet: nothing is received
}

func (p *standIn) id() uint16 { return uint16(p.identifier.Load()) }

// bindStandIn binds to an identifier: the port, or one that is free.
func (d *datagram) bindStandIn(a provider.Addr) wsa.Errno {
	id, ok := d.host.pings.take(d.af, a.Port())
	if !ok {
		return wsa.EADDRINUSE
	}
	e := d.bindTo(withPort(a, 0))
	if e == 0 {
		e = d.adoptIdentifier(id)
	}
	if e != 0 {
		d.host.pings.giveBack(d.af, id)
	}
	return e
}

// identify makes sure that there is an identifier.
func (d *datagram) identify() wsa.Errno {
	if d.ping.id() != 0 {
		return 0
	}
	id, ok := d.host.pings.take(d.af, 0)
	if !ok {
		return wsa.ENOBUFS
	}
	e := d.adoptIdentifier(id)
	if e != 0 {
		d.host.pings.giveBack(d.af, id)
	}
	return e
}

func (d *datagram) adoptIdentifier(id uint16) wsa.Errno {
	if !d.ping.identifier.CompareAndSwap(0, uint32(id)) {
		return wsa.EINVAL
	}
	return d.ping.filter(d.fd)
}

// filter makes the kernel drop all but replies to the identifier, and all while
// there is none: what is queued is what a ping socket would have, so readiness
// and sizes need no second look. A raw IPv4 socket's packets begin with the IP
// header, an IPv6 one's behind it.
func (p *standIn) filter(fd int) wsa.Errno {
	const (
		header = unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH // X = length of the IPv4 header
		byteX  = unix.BPF_LD | unix.BPF_B | unix.BPF_IND
		wordX  = unix.BPF_LD | unix.BPF_H | unix.BPF_IND
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		answer = unix.BPF_RET | unix.BPF_K
	)
	id, reply := uint32(p.id()), uint32(echoReply4)
	load := unix.SockFilter{Code: header}
	if p.v6 {
		load = unix.SockFilter{Code: unix.BPF_LDX | unix.BPF_W | unix.BPF_IMM}
		reply = echoReply6
	}
	program := []unix.SockFilter{
		load,
		{Code: byteX, K: 0},
		{Code: equal, K: reply, Jf: 3},
		{Code: wordX, K: 4},
		{Code: equal, K: id, Jf: 1},
		{Code: answer, K: 1 << 18},
		{Code: answer, K: 0},
	}
	if id == 0 {
		program = program[6:]
	}
	f := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	return translate(opSetOption, errnoOf(unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &f)))
}

// compose copies the message, with our identifier in it and the checksum over
// that; the kernel computes ICMPv6's. What a ping socket would not send is EINVAL.
func (p *standIn) compose(g *message, buffers [][]byte) wsa.Errno {
	g.flat = g.flat[:0]
	for _, b := range buffers {
		g.flat = append(g.flat, b...)
	}
	request := byte(echoRequest4)
	if p.v6 {
		request = echoRequest6
	}
	switch {
	case len(g.flat) > maxIP:
		return wsa.EMSGSIZE
	case len(g.flat) < icmpHeader || g.flat[0] != request || g.flat[1] != 0:
		return wsa.EINVAL
	}
	binary.BigEndian.PutUint16(g.flat[4:], p.id())
	if !p.v6 {
		binary.BigEndian.PutUint16(g.flat[2:], 0)
		binary.BigEndian.PutUint16(g.flat[2:], checksum(g.flat))
	}
	g.add(g.flat)
	return 0
}

// sent reports whether an error quotes a request of ours: a raw socket hears of
// everybody's.
func (p *standIn) sent(quoted []byte) bool {
	return len(quoted) >= 6 && binary.BigEndian.Uint16(quoted[4:]) == p.id()
}

// headerSize is the length of the IPv4 header of the first packet queued, which
// stays first: there is one receiver (law 4).
func (d *datagram) headerSize() int {
	if d.ping.v6 {
		return 0
	}
	var first [1]byte
	n, errno := receiveBytes(d.fd, first[:], unix.MSG_PEEK)
	if errno != 0 || n < 1 {
		return 0 // the receive that follows finds the same
	}
	return int(first[0]&0xf) * 4
}

// checksum is the Internet checksum (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint64
	for ; len(b) >= 2; b = b[2:] {
		sum += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint64(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// identifiers are those that the stand-ins of a Host use. Two processes may use
// the same one, and then both hear the replies; a ping socket's uniqueness ends
// at the kernel that we could not have.
type identifiers struct {
	mu   sync.Mutex
	used map[identifier]struct{}
}

type identifier struct {
	af int32
	id uint16
}

// take reserves id, or one that is free if that is 0.
func (t *identifiers) take(af int32, id uint16) (uint16, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.used == nil {
		t.used = make(map[identifier]struct{})
	}
	tries := 1
	if id == 0 {
		id, tries = uint16(rand.Uint32()), 1<<16
	}
	for range tries {
		k := identifier{af, id}
		if _, taken := t.used[k]; !taken && id != 0 {
			t.used[k] = struct{}{}
			return id, true
		}
		id++
	}
	return 0, false
}

func (t *identifiers) giveBack(af int32, id uint16) {
	t.mu.Lock()
	delete(t.used, identifier{af, id})
	t.mu.Unlock()
}
