package stacktest

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// CableConfig describes a Cable. The zero value is a perfect wire of MTU 1500
// without offloads.
type CableConfig struct {
	MTU      int  // bytes; default 1500
	Offloads bool // both ends speak virtio_net_hdr and take super-segments whole
	TAP      bool // both ends carry Ethernet frames

	Delay     time.Duration // one way
	Loss      float64       // probabilities, per packet (or super-segment)
	Duplicate float64
	Corrupt   float64       // one byte behind the device header is changed
	Reorder   float64       // a packet takes Delay+ReorderBy
	ReorderBy time.Duration // default 3 ms
	Seed      uint64        // of the dice

	Depth int         // packets in flight each way before a writer sees EAGAIN; default 4096
	Clock tcpip.Clock // for Delay; default: the system's
}

// Cable is a wire between two devices.
type Cable struct {
	A, B *End

	cfg  CableConfig
	mu   sync.Mutex
	dice *rand.Rand
	Lost atomic.Int64 // packets that the dice or darkness took
}

// NewCable makes a Cable with both ends up.
func NewCable(cfg CableConfig) *Cable {
	if cfg.MTU == 0 {
		cfg.MTU = 1500
	}
	if cfg.ReorderBy == 0 {
		cfg.ReorderBy = 3 * time.Millisecond
	}
	if cfg.Depth == 0 {
		cfg.Depth = 4096
	}
	if cfg.Clock == nil {
		cfg.Clock = tcpip.NewStdClock()
	}
	c := &Cable{cfg: cfg, dice: rand.New(rand.NewPCG(cfg.Seed, 1))}
	c.A, c.B = newEnd(c), newEnd(c)
	c.A.peer, c.B.peer = c.B, c.A
	return c
}

// Dark switches the light off and on: in the dark every packet is lost.
func (c *Cable) Dark(dark bool) {
	for _, e := range []*End{c.A, c.B} {
		e.dark.Store(dark)
	}
}

// fate throws the dice for one packet.
func (c *Cable) fate() (lost, twice, corrupt bool, delay time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	roll := func(p float64) bool { return p > 0 && c.dice.Float64() < p }
	delay = c.cfg.Delay
	if roll(c.cfg.Reorder) {
		delay += c.cfg.ReorderBy
	}
	return roll(c.cfg.Loss), roll(c.cfg.Duplicate), roll(c.cfg.Corrupt), delay
}

// carry takes a packet from the end that wrote it to its peer.
func (c *Cable) carry(from *End, packet []byte) {
	lost, twice, corrupt, delay := c.fate()
	if lost || from.dark.Load() {
		c.Lost.Add(1)
		return
	}
	if corrupt {
		c.mu.Lock()
		i := from.HeaderLen() + c.dice.IntN(len(packet)-from.HeaderLen())
		packet[i] ^= byte(1 + c.dice.IntN(255))
		c.mu.Unlock()
	}
	from.peer.arrive(packet, delay)
	if twice {
		from.peer.arrive(slices.Clone(packet), delay)
	}
}
