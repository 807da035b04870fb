package netstack

import (
	"bytes"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

var (
	_ base.TotalQueuer    = (*datagram)(nil)
	_ base.CircularQueuer = (*datagram)(nil)
)

// ahead are datagrams that were taken out of gVisor's queue so that they could be
// counted: gVisor tells the size of the first alone. They are received before what
// gVisor holds. There are none until somebody asks FIONREAD, and never more than
// SO_RCVBUF once over, or limit of them.
type ahead struct {
	count atomic.Int32 // of list, for State

	circular atomic.Bool // all is taken ahead as it comes, and the oldest is dropped

	mu    sync.Mutex // held while gVisor's queue is read, so that the order stays
	list  []parcel
	bytes int
}

type parcel struct {
	data []byte
	res  tcpip.ReadResult
}

// QueuedTotal is the bytes of all datagrams queued. Of more than are taken ahead,
// gVisor's first counts and those behind it do not.
func (d *datagram) QueuedTotal() int {
	d.ahead.mu.Lock()
	defer d.ahead.mu.Unlock()
	for !d.ahead.full(d.room()) {
		if !d.takeOne() {
			return d.ahead.bytes
		}
	}
	return d.ahead.bytes + d.first()
}

// room is SO_RCVBUF in bytes.
func (d *datagram) room() int {
	if stopped := d.flood.stopped.Load(); stopped != 0 {
		return int(stopped)
	}
	return int(d.ep.SocketOptions().GetReceiveBufferSize())
}

func (a *ahead) full(room int) bool {
	return a.bytes >= room || uint64(len(a.list)) >= limit(int64(room))
}

// takeOne takes gVisor's first datagram ahead; false if there is none. Called with mu
// held.
func (d *datagram) takeOne() bool {
	for {
		var b bytes.Buffer
		res, err := d.ep.Read(&b, tcpip.ReadOptions{NeedRemoteAddr: true})
		if _, icmp := err.(*tcpip.ErrConnectionRefused); icmp {
			d.keepSoft(wsa.ECONNRESET)
			continue
		}
		if err != nil {
			return false
		}
		d.flood.took()
		d.ahead.list = append(d.ahead.list, parcel{b.Bytes(), res})
		d.ahead.bytes += b.Len()
		d.ahead.count.Add(1)
		return true
	}
}

// dropFirst forgets the oldest. Called with mu held.
func (a *ahead) dropFirst() {
	a.bytes -= len(a.list[0].data)
	a.list[0] = parcel{}
	if a.list = a.list[1:]; len(a.list) == 0 {
		a.list = nil
	}
	a.count.Add(-1)
}

// DropOldest makes the queue of a UDP endpoint circular. gVisor drops what comes when
// its queue is full, so that is emptied by each wake, after which the next datagram
// wakes again: here none is ever full, and ours loses the oldest.
func (d *datagram) DropOldest() bool {
	if !d.isUDP() {
		return false // raw and ICMP endpoints may be woken with their locks held
	}
	d.ahead.circular.Store(true)
	d.turn()
	return true
}

// turn takes all ahead and keeps the newest. It runs in wakes of UDP endpoints, which
// hold no lock of gVisor's that a read takes.
func (d *datagram) turn() {
	d.ahead.mu.Lock()
	defer d.ahead.mu.Unlock()
	for room := d.room(); d.takeOne(); {
		for len(d.ahead.list) > 1 && (d.ahead.bytes > room || uint64(len(d.ahead.list)) > limit(int64(room))) {
			d.ahead.dropFirst()
		}
	}
}

// first is the size of gVisor's first datagram.
func (d *datagram) first() int {
	n, err := d.ep.GetSockOptInt(tcpip.ReceiveQueueSizeOption)
	if err != nil {
		return 0
	}
	return n
}

// recvAhead is Recv of what was taken ahead; false if there is nothing. Called with
// mu held.
func (d *datagram) recvAhead(m *provider.Msg, peek bool) (n int, e wsa.Errno, ok bool) {
	if len(d.ahead.list) == 0 {
		return 0, 0, false
	}
	p := &d.ahead.list[0]
	rest := p.data
	for _, b := range m.Buffers {
		rest = rest[copy(b, rest):]
	}
	n = len(p.data) - len(rest)
	if len(rest) > 0 {
		e = wsa.EMSGSIZE
	}
	d.told(m, &p.res)
	if !peek {
		d.ahead.dropFirst()
	}
	return n, e, true
}

// told is what a receive says beside the bytes.
func (d *datagram) told(m *provider.Msg, res *tcpip.ReadResult) {
	m.Addr = d.fromFull(res.RemoteAddr)
	if m.Control != nil {
		d.recvControl(m.Control, &res.ControlMessages)
	}
}
