package stacktest

import (
	"slices"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// delayLine keeps packets until they are due and hands them on in the order of
// their time: a timer per packet alone would reorder them.
type delayLine struct {
	clock tcpip.Clock
	out   func([]byte)

	mu      sync.Mutex
	packets []delayed // by due, then by arrival
}

type delayed struct {
	due    tcpip.MonotonicTime
	packet []byte
}

// send hands packet on after delay, without one at once.
func (l *delayLine) send(packet []byte, delay time.Duration) {
	if delay == 0 {
		l.out(packet)
		return
	}
	l.mu.Lock()
	due := l.clock.NowMonotonic().Add(delay)
	i := len(l.packets)
	for i > 0 && l.packets[i-1].due.After(due) {
		i--
	}
	l.packets = slices.Insert(l.packets, i, delayed{due, packet})
	l.mu.Unlock()
	l.clock.AfterFunc(delay, l.deliver)
}

// deliver hands on what is due.
func (l *delayLine) deliver() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.NowMonotonic()
	n := 0
	for n < len(l.packets) && !l.packets[n].due.After(now) {
		l.out(l.packets[n].packet)
		n++
	}
	l.packets = slices.Delete(l.packets, 0, n)
}
