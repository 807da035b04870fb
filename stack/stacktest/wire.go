package stacktest

import (
	"testing"
	"time"

	"github.com/netnsd/netnsd/stack"
)

// Wire is a device whose other side is the test.
type Wire struct {
	*End // the side of the stack
	far  *End
}

// NewWire makes a Wire of MTU 1500; offloads gives its packets a
// virtio_net_hdr.
func NewWire(offloads bool) *Wire {
	c := NewCable(CableConfig{Offloads: offloads})
	return &Wire{End: c.A, far: c.B}
}

var _ stack.Device = (*Wire)(nil)

// Inject gives the stack a packet, with its header if the Wire has one.
func (w *Wire) Inject(packet []byte) { w.far.WritePacket(0, [][]byte{packet}) }

// Next returns the next packet from the stack, or nil after d.
func (w *Wire) Next(d time.Duration) []byte {
	buf := make([]byte, 70000)
	end := time.Now().Add(d) // before the timer, or that fires before it is too late
	t := time.AfterFunc(d, w.far.expire)
	defer t.Stop()
	n, ok := w.far.next(buf, end)
	if !ok {
		return nil
	}
	return buf[:n]
}

// Expect returns the first packet from the stack that match takes, within d;
// the ones before it are skipped.
func (w *Wire) Expect(t testing.TB, d time.Duration, what string, match func([]byte) bool) []byte {
	t.Helper()
	for end := time.Now().Add(d); ; {
		p := w.Next(time.Until(end))
		if p == nil {
			t.Fatalf("no %s within %v", what, d)
		}
		if match(p) {
			return p
		}
	}
}

func (e *End) expire() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wake.Broadcast()
}

func (e *End) next(buf []byte, end time.Time) (int, bool) {
	e.mu.Lock()
	for len(e.in) == 0 {
		if e.err() != nil || !time.Now().Before(end) {
			e.mu.Unlock()
			return 0, false
		}
		e.wake.Wait()
	}
	e.mu.Unlock()
	n, err := e.ReadPacket(0, [][]byte{buf})
	return n, err == nil
}
