package tuntest

import (
	"sync/atomic"
	"testing"
	"time"
)

// conformIdle: whoever waits for packets says so before, each time, on the goroutine
// that reads, and not while there is something to read.
func conformIdle(t *testing.T, a, b Device) {
	d, ok := b.(interface{ OnIdle(q int, idle func()) })
	if !ok {
		t.Skip("the device has no OnIdle")
	}
	if b.Queues() > 1 {
		t.Skip("which queue a kernel chooses is not known")
	}
	idle := make(chan struct{}, 1000)
	var reading, elsewhere atomic.Bool
	d.OnIdle(0, func() {
		if !reading.Load() {
			elsewhere.Store(true)
		}
		select {
		case idle <- struct{}{}:
		default:
		}
	})
	got, failed := make(chan []byte, 100), make(chan error, 1)
	go func() { // ends with the device
		for {
			buf := make([]byte, 70000)
			reading.Store(true)
			n, err := b.ReadPacket(0, [][]byte{buf})
			reading.Store(false)
			if err != nil {
				failed <- err
				return
			}
			got <- buf[:n]
		}
	}()
	waiting := func(when string) {
		t.Helper()
		select {
		case <-idle:
		case err := <-failed:
			t.Fatalf("%s: ReadPacket: %v", when, err)
		case <-time.After(patience):
			t.Fatalf("%s: nobody said that nothing is there", when)
		}
	}
	waiting("before the first packet")
	for i := range 10 {
		for len(idle) > 0 {
			<-idle
		}
		write(t, a, 0, frame(a, UDPPacket(AddrA, AddrB, []byte{byte(i)})))
		waiting("after a packet")
	}
	if len(got) == 0 {
		t.Error("no packet was read")
	}
	if elsewhere.Load() {
		t.Error("OnIdle's function was called outside ReadPacket")
	}
}
