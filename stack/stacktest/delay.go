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
	mu      sync.Mutex
	packets []delayed // by due, then by arrival
}

type delayed struct {
	due    tcpip.MonotonicTime
	packet []byte
}

// arrive gives e a packet after delay.
func (e *End) arrive(packet []byte, delay time.Duration) {
	if delay == 0 {
		e.push(packet)
		return
	}
	clock := e.cable.cfg.Clock
	l := &e.line
	l.mu.Lock()
	due := clock.NowMonotonic().Add(delay)
	i := len(l.packets)
	for i > 0 && l.packets[i-1].due.After(due) {
		i--
	}
	l.packets = slices.Insert(l.packets, i, delayed{due, packet})
	l.mu.Unlock()
	clock.AfterFunc(delay, e.deliver)
}

// deliver pushes what is due.
func (e *End) deliver() {
	l := &e.line
	l.mu.Lock()
	defer l.mu.Unlock()
	now := e.cable.cfg.Clock.NowMonotonic()
	n := 0
	for n < len(l.packets) && !l.packets[n].due.After(now) {
		e.push(l.packets[n].packet)
		n++
	}
	l.packets = slices.Delete(l.packets, 0, n)
}
