package netstack

import (
	"io"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/netnsd/netnsd/provider/wsa"
)

// associated notes that d has an address or a peer now. A raw endpoint of gVisor's
// receives from the start, Winsock's only then (winsock-spi 3.23), so that what came
// before is forgotten once: no more than the receive buffer could hold.
func (d *datagram) associated() {
	if d.kind != wsa.SOCK_RAW || d.heard {
		return
	}
	d.heard = true
	d.ahead.mu.Lock()
	defer d.ahead.mu.Unlock()
	for n, room := 0, d.room(); n <= room; {
		res, err := d.ep.Read(io.Discard, tcpip.ReadOptions{})
		if err != nil {
			return
		}
		n += res.Total + 1
	}
}
