package stack_test

import (
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// stormy is a device whose calls fail now and then.
type stormy struct {
	stack.Device
	err    syscall.Errno
	shut   atomic.Bool // every write fails
	writes atomic.Int64
	waits  atomic.Int64
	reads  atomic.Int64
	long   atomic.Int64 // packets with data
	short  atomic.Int64 // of which a read gave less
}

// Of 200 calls in a row three fail.
func (d *stormy) fails(n int64) bool { return n%200 < 3 }

func (d *stormy) WritePacket(q int, bufs [][]byte) (int, error) {
	if d.fails(d.writes.Add(1)) || d.shut.Load() {
		return 0, d.err
	}
	return d.Device.WritePacket(q, bufs)
}

// WaitWritable is as bad as it can be: it never waits.
func (d *stormy) WaitWritable(int, time.Time) error { d.waits.Add(1); return nil }

func (d *stormy) ReadPacket(q int, bufs [][]byte) (int, error) {
	n := d.reads.Add(1)
	if d.fails(n) {
		return 0, d.err
	}
	m, err := d.Device.ReadPacket(q, bufs)
	if m > 60 && d.long.Add(1)%100 == 50 {
		return m - 1 - int(d.short.Add(1))%(m-1), err
	}
	return m, err
}

// TestErrorStorm: a device whose writes and reads fail in bursts, and whose reads are
// short at times, costs no byte; and one that says that it can be written to, and
// fails each write, is not asked for it all the time.
func TestErrorStorm(t *testing.T) {
	for _, e := range []syscall.Errno{syscall.EAGAIN, syscall.ENOBUFS, syscall.ENOMEM, syscall.EINTR, syscall.EIO, syscall.ENETDOWN} {
		for _, offloads := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/offloads %v", e, offloads), func(t *testing.T) {
				t.Parallel()
				var storms []*stormy
				p := stacktest.NewPair(t, stacktest.PairConfig{Cable: stacktest.CableConfig{Offloads: offloads}, Wrap: func(_ string, d stack.Device) stack.Device {
					storms = append(storms, &stormy{Device: d, err: e})
					return storms[len(storms)-1]
				}})
				c, d := connect(t, p.B, p.A, netip.AddrPortFrom(stacktest.A4, 80))
				for _, x := range [][2]net.Conn{{c, d}, {d, c}} {
					if err := stacktest.StartPour(x[0], x[1], 512<<10, 30*time.Second).Wait(); err != nil {
						t.Fatal(err)
					}
				}
				for i, n := range []stack.Counters{p.NA.Counters(), p.NB.Counters()} {
					if n[stack.TxHeld] == 0 || n[stack.RxRetry] == 0 || storms[i].short.Load() == 0 && !offloads {
						t.Errorf("held %d, read again %d, short %d: there was no storm", n[stack.TxHeld], n[stack.RxRetry], storms[i].short.Load())
					}
					if lost := n[stack.TxDropHeldOverflow] + n[stack.TxDropHeldAge] + n[stack.TxDropRefused] + n[stack.TxDropGone]; lost != 0 {
						t.Errorf("%d packets were dropped", lost)
					}
				}
			})
		}
	}
}

// TestStormDoesNotSpin counts calls instead of time on a processor.
func TestStormDoesNotSpin(t *testing.T) {
	for _, e := range []syscall.Errno{syscall.EAGAIN, syscall.ENOBUFS, syscall.EIO} {
		t.Run(e.Error(), func(t *testing.T) {
			t.Parallel()
			w := stacktest.NewWire(false)
			d := &stormy{Device: w, err: e}
			s, err := stack.New(stack.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			n, err := s.AddNIC(stack.NICConfig{Device: d, Addrs: []netip.Prefix{netip.MustParsePrefix("10.2.0.1/24")}})
			if err != nil {
				t.Fatal(err)
			}
			d.shut.Store(true)
			begin := time.Now()
			n.SendDatagram(netip.MustParseAddrPort("10.2.0.1:1"), netip.MustParseAddrPort("10.2.0.2:1"), []byte("x"), 0)
			eventually(t, "more tries", func() bool { return d.waits.Load() >= 50 })
			tries, took := d.writes.Load(), time.Since(begin)
			if most := int64(took/time.Millisecond) + 2; tries > most {
				t.Errorf("%d tries in %v, want one in a millisecond", tries, took)
			}
		})
	}
}
