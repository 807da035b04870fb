package base

import (
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Batcher is an Endpoint of datagrams that moves several in one call, as
// [provider.BatchFunc] has it. A send that says ECONNRESET tells of an earlier
// datagram, and is tried again.
type Batcher interface {
	SendBatch(ds []provider.Datagram) (n int, e wsa.Errno)
	RecvBatch(ds []provider.Datagram) (n int, e wsa.Errno)
}

// Batch implements provider.Batcher, over every driver: one whose endpoints are
// not Batchers is asked once for each datagram.
func (*base) Batch() (send, recv provider.BatchFunc) { return sendBatch, recvBatch }

// sendBatch is transmit for several. The endpoint is shown those in front of the
// first that may not be sent.
func sendBatch(s *provider.Socket, ds []provider.Datagram) (sent int, e wsa.Errno) {
	k, e := readerForBatch(s, ds)
	if e != 0 || len(ds) == 0 {
		return 0, e
	}
	if !k.bound {
		k.mu.RUnlock()
		if e := sendFirst(s, &ds[0]); e != 0 {
			return 0, e
		}
		sent, e = sendBatch(s, ds[1:])
		return sent + 1, e
	}
	defer k.mu.RUnlock()
	if k.shutSend {
		return 0, wsa.ESHUTDOWN
	}
	may := 0
	for may < len(ds) && e == 0 {
		e = k.mayReach(ds[may].Addr, len(ds[may].Data), true)
		if e == 0 && k.row.Type == wsa.SOCK_RAW {
			e = k.ownHeader(&provider.Msg{Buffers: [][]byte{ds[may].Data}, Addr: ds[may].Addr}, true)
		}
		if e == 0 {
			may++
		}
	}
	sent, failed := k.sendDatagrams(ds[:may])
	if failed != 0 {
		e = failed
	}
	bytes := 0
	for i := range ds[:sent] {
		bytes += len(ds[i].Data)
	}
	s.Traffic.BytesOut.Add(uint64(bytes))
	s.Traffic.PacketsOut.Add(uint64(sent))
	return sent, e
}

// readerForBatch is reader, for a socket of datagrams. An empty batch is a success.
func readerForBatch(s *provider.Socket, ds []provider.Datagram) (*socket, wsa.Errno) {
	k, e := reader(s)
	if e != 0 {
		return nil, e
	}
	switch {
	case k.stream():
		e = wsa.EOPNOTSUPP
	case len(ds) > 0:
		return k, 0
	}
	k.mu.RUnlock()
	return k, e
}

// sendFirst binds implicitly, as WSPSendTo does.
func sendFirst(s *provider.Socket, d *provider.Datagram) wsa.Errno {
	c := getOne(d)
	defer c.release()
	_, e := transmit(s, &c.msg, true)
	return e
}

// sendDatagrams is sendDatagram for several.
func (k *socket) sendDatagrams(ds []provider.Datagram) (sent int, e wsa.Errno) {
	several, ok := k.link.Endpoint.(Batcher)
	if !ok || k.addressed(provider.Addr{}).Family != 0 {
		return k.sendOneByOne(ds)
	}
	for tries := 0; sent < len(ds); {
		n, e := several.SendBatch(ds[sent:])
		sent += n
		switch {
		case e == wsa.ECONNRESET && tries < maxResets:
			k.soft.Store(&softError{errno: e, to: ds[sent].Addr})
			tries++
		case e == wsa.ECONNRESET:
			return sent, wsa.EWOULDBLOCK
		case e != 0:
			return sent, e
		}
	}
	return sent, 0
}

func (k *socket) sendOneByOne(ds []provider.Datagram) (sent int, e wsa.Errno) {
	for i := range ds {
		c := getOne(&ds[i])
		c.msg.Addr = k.addressed(c.msg.Addr)
		_, e = k.sendDatagram(&c.msg)
		c.release()
		if e != 0 {
			return i, e
		}
	}
	return len(ds), 0
}

// recvBatch is receive for several.
func recvBatch(s *provider.Socket, ds []provider.Datagram) (got int, e wsa.Errno) {
	k, e := readerForBatch(s, ds)
	if e != 0 || len(ds) == 0 {
		return 0, e
	}
	defer k.mu.RUnlock()
	switch {
	case k.shutRecv:
		return 0, wsa.ESHUTDOWN
	case !k.bound:
		return 0, wsa.EINVAL
	}
	got, e = k.receiveDatagrams(ds)
	bytes := 0
	for i := range ds[:got] {
		bytes += ds[i].N
	}
	s.Traffic.BytesIn.Add(uint64(bytes))
	s.Traffic.PacketsIn.Add(uint64(got))
	return got, e
}

// receiveDatagrams is receiveDatagram for several: what the socket does not want
// to hear of is not among them.
func (k *socket) receiveDatagrams(ds []provider.Datagram) (got int, e wsa.Errno) {
	if w := k.soft.Load(); w != nil && k.soft.CompareAndSwap(w, nil) && k.wanted(w.errno) {
		ds[0].Addr, ds[0].ICMP = w.to, provider.ICMPError{}
		return 0, w.errno
	}
	if k.sift.on {
		k.sift.mu.Lock()
		defer k.sift.mu.Unlock()
	}
	several, ok := k.link.Endpoint.(Batcher)
	ok = ok && !k.sift.on
	for range maxSkipped {
		n := 0
		if ok {
			n, e = several.RecvBatch(ds[got:])
		} else {
			n, e = k.receiveOneByOne(ds[got:])
		}
		at := got
		got += k.fromPeers(ds[got : got+n])
		switch {
		case e == wsa.EWOULDBLOCK || got == len(ds):
			return got, e
		case e != 0 && k.wanted(e):
			ds[got].Addr, ds[got].ICMP = ds[at+n].Addr, ds[at+n].ICMP
			return got, e
		}
	}
	return got, wsa.EWOULDBLOCK
}

// fromPeers moves what the socket hears to the front and counts it. Rooms change
// places, none is lost.
func (k *socket) fromPeers(ds []provider.Datagram) (n int) {
	if !k.hasPeer {
		return len(ds)
	}
	for i := range ds {
		if k.fromPeer(ds[i].Addr) {
			ds[n], ds[i] = ds[i], ds[n]
			n++
		}
	}
	return n
}

func (k *socket) receiveOneByOne(ds []provider.Datagram) (got int, e wsa.Errno) {
	for unheard := 0; got < len(ds) && unheard < maxSkipped; {
		d := &ds[got]
		c := getOne(d)
		c.control = provider.Control{Has: provider.ControlTOS | provider.ControlICMP}
		c.msg.Control = &c.control
		var heard bool
		d.N, heard, e = k.next(&c.msg)
		d.Addr, d.TOS, d.ICMP = c.msg.Addr, c.control.TOS, c.control.ICMP
		d.Truncated = e == wsa.EMSGSIZE && !reported(&c.msg, e)
		c.release()
		switch {
		case e != 0 && !d.Truncated:
			return got, e
		case heard:
			got++
		default:
			unheard++
		}
	}
	return got, 0
}

// one is a Msg for a datagram: made per call it would escape.
type one struct {
	msg     provider.Msg
	buffer  [1][]byte
	room    [1]byte // for who wants no more of it
	control provider.Control
}

var ones = sync.Pool{New: func() any { return new(one) }}

func getOne(d *provider.Datagram) *one {
	c := ones.Get().(*one)
	c.buffer[0] = d.Data
	c.msg = provider.Msg{Buffers: c.buffer[:], Addr: d.Addr}
	if d.TOS != 0 {
		c.control = provider.Control{Has: provider.ControlTOS, TOS: d.TOS}
		c.msg.Control = &c.control
	}
	return c
}

func (c *one) release() {
	c.buffer[0], c.msg = nil, provider.Msg{}
	ones.Put(c)
}
