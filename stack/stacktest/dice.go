package stacktest

import (
	"math/rand/v2"
	"sync"
	"time"
)

// dice decide what becomes of each packet. Seeded: the same packets in the same
// order have the same fate.
type dice struct {
	loss, duplicate, corrupt, reorder float64
	delay, reorderBy                  time.Duration

	mu  sync.Mutex
	rng *rand.Rand
}

func (d *dice) seed(a, b uint64) { d.rng = rand.New(rand.NewPCG(a, b)) }

// fate throws the dice for one packet.
func (d *dice) fate() (lost, twice, corrupt bool, delay time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	roll := func(p float64) bool { return p > 0 && d.rng.Float64() < p }
	delay = d.delay
	if roll(d.reorder) {
		delay += d.reorderBy
	}
	return roll(d.loss), roll(d.duplicate), roll(d.corrupt), delay
}

// damage changes one byte of b from offset on.
func (d *dice) damage(b []byte, offset int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b[offset+d.rng.IntN(len(b)-offset)] ^= byte(1 + d.rng.IntN(255))
}

// defaultReorderBy is long against the round trip of a TUN, so that a packet
// that takes it is late by far more than the three segments of TCP's threshold.
const defaultReorderBy = 3 * time.Millisecond
