package host

import (
	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

var _ base.Batcher = (*datagram)(nil)

// plain reports a UDP endpoint: for all others a batch is one call a datagram.
func (d *datagram) plain() bool { return d.typ == wsa.SOCK_DGRAM && !d.isPing() }

// SendBatch is Send for several. Runs of one size and destination leave as
// trains.
func (d *datagram) SendBatch(ds []provider.Datagram) (sent int, e wsa.Errno) {
	if !d.enter() {
		return 0, wsa.ENOTSOCK
	}
	defer d.leave()
	if d.soft.ended.Load() {
		return 0, wsa.ENETDOWN
	}
	if !d.plain() {
		return d.sendEach(ds)
	}
	b := getBatch()
	defer b.release()
	doubted := false
	for sent < len(ds) {
		b.compose(ds[sent:], d)
		seen := d.tx.load()
		n, errno := b.send(d)
		switch {
		case errno == 0:
			sent += b.first[n]
		case errno == unix.EAGAIN:
			d.tx.empty(seen)
			d.wantOut(true)
			return sent, wsa.EWOULDBLOCK
		case errno == unix.ENOBUFS: // the interface's queue dropped it, see doc.go
			sent += b.first[1]
		case b.first[1] > 1 && refused(errno) && (doubted || !asynchronous(errno)):
			d.trains.refuse(len(ds[sent].Data), errno)
		case b.first[1] > 1 && refused(errno):
			doubted = true // it may have been somebody else's: once more
		default:
			if e := d.sendAlone(&ds[sent]); e != 0 {
				return sent, e
			}
			sent++
		}
	}
	return sent, 0
}

func (d *datagram) sendEach(ds []provider.Datagram) (int, wsa.Errno) {
	for i := range ds {
		m := provider.Msg{Buffers: [][]byte{ds[i].Data}, Addr: ds[i].Addr}
		if ds[i].TOS != 0 {
			m.Control = &provider.Control{Has: provider.ControlTOS, TOS: ds[i].TOS}
		}
		if _, e := d.Send(&m); e != 0 {
			return i, e
		}
	}
	return len(ds), 0
}

// sendAlone is Send, in the middle of a batch.
func (d *datagram) sendAlone(a *provider.Datagram) wsa.Errno {
	g := getMessage()
	defer g.release()
	g.name.set(a.Addr)
	g.add(a.Data)
	size := 0
	if a.TOS != 0 {
		size = putTOS(g.controlBytes(), d.af == wsa.AF_INET6 && !d.mapped(a.Addr), a.TOS)
	}
	g.prepare(true, size)
	return d.send(g)
}

// RecvBatch is Recv for several.
func (d *datagram) RecvBatch(ds []provider.Datagram) (got int, e wsa.Errno) {
	if !d.enter() {
		return 0, wsa.ENOTSOCK
	}
	defer d.leave()
	if !d.plain() {
		return d.receiveEach(ds)
	}
	d.soft.ask()
	b := getBatch()
	defer b.release()
	for absorbed := 0; got < len(ds) && absorbed < maxAbsorb; {
		if soft, ok := d.soft.pop(); ok {
			ds[got].Addr, ds[got].ICMP = soft.to, soft.icmp
			return got, soft.err
		}
		seen := d.rx.load()
		asked := min(len(ds)-got, maxBatch)
		n, errno := b.receive(d.fd, ds[got:got+asked])
		switch {
		case errno == 0:
			d.rx.raise() // others may be behind them; State asks
			if got += n; n < asked {
				return got, wsa.EWOULDBLOCK
			}
		case errno == unix.EAGAIN:
			d.rx.empty(seen)
			return got, wsa.EWOULDBLOCK
		case !asynchronous(errno):
			return got, translate(opRecvFrom, errno)
		default:
			d.collect() // the error that the call took stands in the queue
			absorbed++
		}
	}
	if got < len(ds) {
		e = wsa.EWOULDBLOCK
	}
	return got, e
}

func (d *datagram) receiveEach(ds []provider.Datagram) (int, wsa.Errno) {
	for i := range ds {
		a := &ds[i]
		c := provider.Control{Has: provider.ControlTOS | provider.ControlICMP}
		m := provider.Msg{Buffers: [][]byte{a.Data}, Control: &c}
		n, e := d.Recv(&m)
		a.N, a.Addr, a.TOS, a.ICMP = n, m.Addr, c.TOS, c.ICMP
		a.Truncated = e == wsa.EMSGSIZE && c.ICMP.MTU == 0
		if e != 0 && !a.Truncated {
			return i, e
		}
	}
	return len(ds), 0
}
