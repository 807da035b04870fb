package stacktest

import (
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// inbox keeps what Faults has read ahead of one queue.
type inbox struct {
	line delayLine

	mu      sync.Mutex
	wake    sync.Cond
	packets [][]byte
	err     error // first one stays
}

// inboxDepth bounds what is read ahead: half of a tun's default queue is still
// in the kernel then, where a real overflow belongs.
const inboxDepth = 256

func (b *inbox) init() {
	b.wake.L = &b.mu
	b.line = delayLine{clock: tcpip.NewStdClock(), out: b.push}
}

func (b *inbox) push(p []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.packets = append(b.packets, p)
		b.wake.Broadcast()
	}
}

// room waits until there is some.
func (b *inbox) room() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.err == nil && len(b.packets) >= inboxDepth {
		b.wake.Wait()
	}
}

func (b *inbox) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	b.wake.Broadcast()
}

func (b *inbox) pop(bufs [][]byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.packets) == 0 && b.err == nil {
		b.wake.Wait()
	}
	if b.err != nil {
		return 0, b.err
	}
	p := b.packets[0]
	b.packets[0] = nil
	b.packets = b.packets[1:]
	b.wake.Broadcast()
	return scatter(bufs, p), nil
}
