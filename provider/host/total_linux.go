package host

import (
	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

var _ base.TotalQueuer = (*datagram)(nil)

// maxCounted bounds how many datagrams QueuedTotal looks at, one system call each.
const maxCounted = 4096

// QueuedTotal is the bytes of all datagrams queued. Linux' FIONREAD is the first's
// size, but a peek of a UDP socket can start behind what was peeked at before
// (SO_PEEK_OFF, socket(7)). Other sockets have no such thing: of them it is the first
// datagram's size.
func (d *datagram) QueuedTotal() int {
	if d.typ != wsa.SOCK_DGRAM || d.protocol != wsa.IPPROTO_UDP {
		return d.Queued()
	}
	if !d.enter() {
		return 0
	}
	defer d.leave()
	d.peeking.Lock()
	defer d.peeking.Unlock()
	if unix.SetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF, 0) != nil {
		n, _ := d.peekFirst()
		return n
	}
	defer unix.SetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF, -1)
	total := 0
	for range maxCounted {
		n, ok := d.peekFirst()
		if !ok {
			break
		}
		total += n
	}
	return total
}
