package gateway

import (
	"encoding/binary"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// flood makes a batch of n datagrams from one peer.
func flood(from netip.AddrPort, n int) provider.BatchFunc {
	var left atomic.Int32
	left.Store(int32(n))
	return func(_ *provider.Socket, ds []provider.Datagram) (int, wsa.Errno) {
		for i := range ds {
			if left.Add(-1) < 0 {
				return i, wsa.EWOULDBLOCK
			}
			binary.BigEndian.PutUint32(ds[i].Data, uint32(i))
			ds[i].N, ds[i].Addr = 100, provider.AddrFrom(from)
		}
		return len(ds), 0
	}
}

// What comes in batches reaches the program, counted, and nothing is allocated.
func TestBatchDown(t *testing.T) {
	b := newSeveral()
	l := newLane(t, b, Config{}, new(judge))
	l.nic.Stack().SetRoutes([]stack.Route{{Dest: netip.MustParsePrefix("0.0.0.0/0"), NIC: l.nic}})
	l.udp(guestB, dstA, "a")
	a := l.pair(guestB, dstA).a
	before := l.nic.Counters()[stack.TxPackets]
	b.comes(a.s, flood(dstB, 50))
	eventually(t, "50 unasked", func() bool { return l.g.UDPUnasked.Load() == 50 })
	l.same("none of them to the program", l.nic.Counters()[stack.TxPackets]-before, 0)
	b.comes(a.s, flood(dstA, slabSize)) // at once: the answer to one ends the rest
	eventually(t, "packets to the program", func() bool { return l.nic.Counters()[stack.TxPackets]-before == slabSize })
	l.same("received", l.g.UDPReceived.Load(), slabSize)
	// Nobody is there: the program's kernel says so, and the port is closed.
	eventually(t, "refusal", func() bool { return l.g.UDPRefused.Load() == 1 })
}

// 4096 sources do not have a goroutine each, and end together.
func TestManyAssociations(t *testing.T) {
	b := newSeveral()
	l := newLane(t, b, Config{}, new(judge))
	before := runtime.NumGoroutine()
	for i := range 4096 {
		l.udp(netip.AddrPortFrom(guest.Addr(), uint16(1000+i)), dstA, "x", "y")
	}
	l.c.Flush()
	if n := runtime.NumGoroutine() - before; n > 20 {
		t.Errorf("%d goroutines for 4096 associations", n)
	}
	l.same("sent", len(b.sent), 8192)
	l.same("sockets", len(l.g.dgram.byKey), 4096)
	l.udp(guestB, dstA, "x")
	l.same("evicted", l.g.UDPEvicted.Load(), 1)
	for i := range 1000 {
		l.udp(netip.AddrPortFrom(guest.Addr(), uint16(6000+i)), dstA, "x")
	}
	gone, dropped := l.g.UDPEvicted.Load(), l.g.UDPLimit.Load()
	l.same("evicted or dropped", gone+dropped, 1001)
	if most := 4 * (1 + uint64(l.g.dgram.now()/int64(time.Millisecond))); gone > most {
		t.Errorf("%d evicted, %d since the beginning are allowed", gone, most)
	}
	l.same("sockets", len(l.g.dgram.byKey), 4096)
	l.g.Close()
	for range l.g.cfg.Session.Sockets() {
		t.Fatal("a socket is left")
	}
}

// nowhere is a device that takes everything and brings nothing.
type nowhere struct{ closed chan struct{} }

func (nowhere) Queues() int                            { return 1 }
func (nowhere) MTU() int                               { return 1500 }
func (nowhere) HeaderLen() int                         { return 0 }
func (nowhere) Offloads() uint32                       { return 0 }
func (nowhere) TAP() bool                              { return false }
func (nowhere) WritePacket(int, [][]byte) (int, error) { return 1, nil }
func (nowhere) WaitWritable(int, time.Time) error      { return nil }
func (d nowhere) Close() error                         { close(d.closed); return nil }
func (d nowhere) ReadPacket(int, [][]byte) (int, error) {
	<-d.closed
	return 0, os.ErrClosed
}

// Nothing of ours is allocated on the way down.
func TestBatchDownAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool forgets at random")
	}
	b := newSeveral()
	var armed atomic.Bool
	b.recv = func(s *provider.Socket, ds []provider.Datagram) (int, wsa.Errno) {
		if !armed.Swap(false) {
			return 0, wsa.EWOULDBLOCK
		}
		for i := range ds[1:] {
			ds[i].N, ds[i].Addr = 1000+i%2, provider.AddrFrom([]netip.AddrPort{dstA, dstB}[i/16])
		}
		return len(ds) - 1, wsa.EWOULDBLOCK
	}
	g, _ := over(t, b, Config{}, new(judge))
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	nic, err := s.AddNIC(stack.NICConfig{Device: nowhere{make(chan struct{})}, Forward: g})
	if err != nil {
		t.Fatal(err)
	}
	l := &lane{t: t, g: g, nic: nic, c: g.Batch(nic, 0)}
	l.udp(guestB, dstA, "a")
	l.udp(guestB, dstB, "b")
	a := l.pair(guestB, dstA).a
	turn := func() { armed.Store(true); a.turn() }
	turn()
	if n := testing.AllocsPerRun(200, turn); n != 0 {
		t.Errorf("%v allocations for 31 datagrams", n)
	}
	l.same("delivered", g.UDPReceived.Load(), 31*202)
}
