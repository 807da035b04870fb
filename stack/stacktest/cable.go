package stacktest

import (
	"slices"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/netnsd/netnsd/stack"
)

// CableConfig describes a Cable. The zero value is a perfect wire of MTU 1500
// without offloads.
type CableConfig struct {
	MTU      int  // bytes; default 1500
	Offloads bool // both ends speak virtio_net_hdr and take super-segments whole
	TAP      bool // both ends carry Ethernet frames

	// Bits are the stack.Offload bits that the ends claim, if not all: with
	// OffloadCSUM alone a link may leave checksums unfinished, and not segments.
	// They imply Offloads.
	Bits uint32

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
	dice dice
	Lost atomic.Int64 // packets that the dice or darkness took
}

// NewCable makes a Cable with both ends up.
func NewCable(cfg CableConfig) *Cable {
	if cfg.MTU == 0 {
		cfg.MTU = 1500
	}
	if cfg.ReorderBy == 0 {
		cfg.ReorderBy = defaultReorderBy
	}
	if cfg.Depth == 0 {
		cfg.Depth = 4096
	}
	if cfg.Clock == nil {
		cfg.Clock = tcpip.NewStdClock()
	}
	if cfg.Bits != 0 {
		cfg.Offloads = true
	} else if cfg.Offloads {
		cfg.Bits = stack.OffloadCSUM | stack.OffloadTSO4 | stack.OffloadTSO6
	}
	c := &Cable{cfg: cfg, dice: dice{
		loss: cfg.Loss, duplicate: cfg.Duplicate, corrupt: cfg.Corrupt, reorder: cfg.Reorder,
		delay: cfg.Delay, reorderBy: cfg.ReorderBy,
	}}
	c.dice.seed(cfg.Seed, 1)
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

// carry takes a packet from the end that wrote it to its peer.
func (c *Cable) carry(from *End, packet []byte) {
	lost, twice, corrupt, delay := c.dice.fate()
	if lost || from.dark.Load() {
		c.Lost.Add(1)
		return
	}
	if corrupt {
		c.dice.damage(packet, from.HeaderLen())
	}
	from.peer.line.send(packet, delay)
	if twice {
		from.peer.line.send(slices.Clone(packet), delay)
	}
}
