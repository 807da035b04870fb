package stacktest

import (
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/netnsd/netnsd/stack"
)

// Impairment is what happens to packets that go one way. Probabilities are per
// packet; what a packet is says FaultConfig.Split.
type Impairment struct {
	Delay     time.Duration
	Loss      float64
	Duplicate float64
	Corrupt   float64       // one byte that a transport checksum covers is changed
	Reorder   float64       // a packet takes Delay+ReorderBy
	ReorderBy time.Duration // default 3 ms
}

// FaultConfig describes Faults. The zero value is transparent.
type FaultConfig struct {
	In  Impairment // what the stack reads
	Out Impairment // what the stack writes
	// Split segments super-segments both ways, and finishes checksums, before
	// the dice are thrown, so that a loss is that of one packet of wire size. The
	// stack and the kernel still send super-segments; neither receives one.
	// Without it the loss of a super-segment is the loss of up to 45 packets of
	// 1500 bytes, as on a TUN whose queue overflows.
	// A direction with Corrupt is always split: an unfinished checksum protects
	// nothing, and no receiver could tell the damage.
	Split bool
	Seed  uint64 // of the dice
}

// Faults is a device with faults: a *tun.Device, or any other, behind dice and a
// switch. Both ways packets may be lost, damaged, doubled and reordered; the
// switch makes the device dark, down, full or gone.
//
// It reads the device ahead, on a goroutine per queue that Close awaits.
type Faults struct {
	stack.Device
	split   bool
	In, Out Way

	mu     sync.Mutex
	wake   sync.Cond // pos or closed has changed
	pos    Switch
	closed bool
	dark   atomic.Bool

	inboxes []inbox
	lines   []delayLine // outward, by queue
	pumps   sync.WaitGroup
}

// Way is one direction of Faults, with what was done to its packets.
type Way struct {
	dice dice

	Passed, Lost, Doubled, Damaged, Late atomic.Int64
	Swallowed                            atomic.Int64 // in the dark, and towards us while down
}

var _ stack.Device = (*Faults)(nil)

// NewFaults puts faults before d and takes it over: Close closes it.
func NewFaults(d stack.Device, cfg FaultConfig) *Faults {
	f := &Faults{Device: d, split: cfg.Split}
	f.wake.L = &f.mu
	f.In.init(cfg.In, cfg.Seed, 1)
	f.Out.init(cfg.Out, cfg.Seed, 2)
	f.inboxes, f.lines = make([]inbox, d.Queues()), make([]delayLine, d.Queues())
	for q := range f.inboxes {
		box := &f.inboxes[q]
		box.init()
		f.lines[q].clock = tcpip.NewStdClock()
		f.lines[q].out = func(p []byte) { d.WritePacket(q, [][]byte{p}) } // late: nobody is left to hear of an error
		f.pumps.Go(func() { f.pump(q, box) })                             // ends with the device
	}
	return f
}

func (w *Way) init(i Impairment, seed, stream uint64) {
	if i.ReorderBy == 0 {
		i.ReorderBy = defaultReorderBy
	}
	w.dice = dice{loss: i.Loss, duplicate: i.Duplicate, corrupt: i.Corrupt, reorder: i.Reorder, delay: i.Delay, reorderBy: i.ReorderBy}
	w.dice.seed(seed, stream)
}

// Dark switches the light off and on. In the dark every packet is swallowed
// both ways, and nobody is told.
func (f *Faults) Dark(dark bool) { f.dark.Store(dark) }

// Set moves the switch: Down and Full are what the stack hears when it writes;
// while Down nothing arrives either. Gone is for good.
func (f *Faults) Set(s Switch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pos != Gone {
		f.pos = s
	}
	f.wake.Broadcast()
	if s == Gone {
		for q := range f.inboxes {
			f.inboxes[q].fail(errBadFD)
		}
	}
}

// packets are what the wire would carry of packet.
func (f *Faults) packets(w *Way, packet []byte) [][]byte {
	if f.split || w.dice.corrupt > 0 {
		return Split(packet, f.Device)
	}
	return [][]byte{packet}
}

// treat throws the dice for p and hands on what is left of it: now, or to line
// if it is to be late. The error is that of now.
func (f *Faults) treat(w *Way, p []byte, line *delayLine, now func([]byte) error) error {
	lost, twice, corrupt, delay := w.dice.fate()
	if lost {
		w.Lost.Add(1)
		return nil
	}
	if corrupt {
		if fr, ok, err := parseFrame(p, f.Device); ok && err == nil && fr.covered() {
			w.dice.damage(p, len(p)-len(fr.ip)+fr.l4)
			w.Damaged.Add(1)
		}
	}
	if delay > w.dice.delay {
		w.Late.Add(1)
	}
	w.Passed.Add(1)
	if twice {
		w.Doubled.Add(1)
		line.send(slices.Clone(p), delay)
	}
	if delay == 0 {
		return now(p)
	}
	line.send(p, delay)
	return nil
}

// pump reads queue q ahead.
func (f *Faults) pump(q int, box *inbox) {
	buf := make([]byte, 70000)
	for {
		n, err := f.Device.ReadPacket(q, [][]byte{buf})
		if err != nil {
			box.fail(err)
			return
		}
		if f.dark.Load() || f.position() == Down {
			f.In.Swallowed.Add(1)
			continue
		}
		for _, p := range f.packets(&f.In, slices.Clone(buf[:n])) {
			f.treat(&f.In, p, &box.line, func(p []byte) error { box.push(p); return nil })
		}
		box.room()
	}
}

func (f *Faults) position() Switch {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pos
}

// ReadPacket implements stack.Device.
func (f *Faults) ReadPacket(q int, bufs [][]byte) (int, error) { return f.inboxes[q].pop(bufs) }

// WritePacket implements stack.Device. An error of the device is reported if
// nothing of the packet was written.
func (f *Faults) WritePacket(q int, bufs [][]byte) (int, error) {
	switch f.position() {
	case Down:
		return 0, syscall.EIO
	case Full:
		return 0, syscall.EAGAIN
	case Gone:
		return 0, errBadFD
	}
	packet := gather(bufs)
	n := len(packet)
	if f.dark.Load() {
		f.Out.Swallowed.Add(1)
		return n, nil
	}
	for i, p := range f.packets(&f.Out, packet) {
		err := f.treat(&f.Out, p, &f.lines[q], func(p []byte) error {
			_, err := f.Device.WritePacket(q, [][]byte{p})
			return err
		})
		if err != nil && i == 0 {
			return 0, err
		}
	}
	return n, nil
}

// WaitWritable implements stack.Device.
func (f *Faults) WaitWritable(q int, deadline time.Time) error {
	if err := f.waitOn(deadline); err != nil {
		return err
	}
	return f.Device.WaitWritable(q, deadline)
}

func (f *Faults) waitOn(deadline time.Time) error {
	if !deadline.IsZero() {
		t := time.AfterFunc(time.Until(deadline), func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.wake.Broadcast()
		})
		defer t.Stop()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case f.closed:
			return os.ErrClosed
		case f.pos == Gone:
			return errBadFD
		case f.pos == On:
			return nil
		case !deadline.IsZero() && !time.Now().Before(deadline):
			return os.ErrDeadlineExceeded
		}
		f.wake.Wait()
	}
}

// Close closes the device and waits for the goroutines.
func (f *Faults) Close() error {
	f.mu.Lock()
	f.closed = true
	f.wake.Broadcast()
	f.mu.Unlock()
	err := f.Device.Close()
	for q := range f.inboxes {
		f.inboxes[q].fail(os.ErrClosed) // and wakes a pump that waits for room
	}
	f.pumps.Wait()
	return err
}
