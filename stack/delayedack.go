package stack

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// delayedACKs holds back acknowledgments that the answer to what they acknowledge
// may carry (RFC 9293, 3.8.6.3, RFC 1122, 4.2.3.2). gVisor sends each at once: in a
// ping-pong that is a packet, and a wake-up of the program's kernel, for nothing.
//
// Held is the ACK of one small segment, for ackDelay at most. A second one, an ACK
// of anything else, a change of the window, a duplicate and what brings SACK blocks
// leave at once, so that streams, slow start and loss recovery are not touched. A
// connection whose ACK was held in vain goes without for its next ones, ever more
// of them: its server is far, or its client speaks alone and may be waiting for the
// ACK (Nagle).
type delayedACKs struct {
	link  *link
	held  atomic.Int32
	slots [ackSlots]ackSlot

	mu     sync.Mutex
	listed []uint16 // slots that may hold something
	spare  []uint16
	timer  tcpip.Timer
	armed  bool
	closed bool
	fires  sync.WaitGroup
}

// ackSlot is what is known of the connection that last used it. Slots are direct-
// mapped: connections that clash take it from each other, and lose nothing but the
// delay.
type ackSlot struct {
	mu         sync.Mutex
	peer, ours netip.AddrPort
	due        uint32 // the ACK of what has just arrived
	may        bool   // be held
	listed     bool
	skip, vain uint8
	pkt        *tcpstack.PacketBuffer
	since      tcpip.MonotonicTime
}

const (
	ackSlots = 1024

	// ackDelay: an answer from this machine takes 20 to 100 us, and Linux's own
	// delay is 40 ms. Whoever waits for the ACK hardly notices a millisecond.
	ackDelay = time.Millisecond

	ackVainSkip = 8 // how many are not held after one in vain; doubled with each in a row
	ackMaxVain  = 5

	tcpFlagPSH = 0x08
)

func (d *delayedACKs) init(l *link) { d.link = l }

func (d *delayedACKs) slot(peer, ours uint16) *ackSlot {
	return &d.slots[d.index(peer, ours)]
}

func (d *delayedACKs) index(peer, ours uint16) uint16 {
	return (peer ^ ours*31) % ackSlots
}

// arrived is told of a received packet; head begins with its IP header.
func (d *delayedACKs) arrived(p *packet, head []byte) {
	if p.proto != protoTCP || p.fragment || p.payload >= p.end || p.payload > len(head) || p.end >= d.link.dev.MTU() {
		return
	}
	tcp := head[p.l4:]
	if tcp[13]&(tcpFlagSYN|tcpFlagFIN|tcpFlagRST|tcpFlagPSH) != tcpFlagPSH {
		return
	}
	peer, ours := binary.BigEndian.Uint16(tcp), binary.BigEndian.Uint16(tcp[2:])
	s := d.slot(peer, ours)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.peer.Port() != peer || s.ours.Port() != ours || s.peer.Addr() != p.src || s.ours.Addr() != p.dst {
		if s.pkt != nil {
			return
		}
		s.peer, s.ours = netip.AddrPortFrom(p.src, peer), netip.AddrPortFrom(p.dst, ours)
		s.skip, s.vain = 0, 0
	}
	due := binary.BigEndian.Uint32(tcp[4:]) + uint32(p.end-p.payload)
	s.may = s.pkt == nil && s.skip == 0 && due != s.due // what comes again was not acknowledged, its sender believes
	if s.skip > 0 {
		s.skip--
	}
	s.due = due
}

// holds takes pkt if it is an ACK to be held. Whatever else a connection sends
// makes the one that is held superfluous.
func (d *delayedACKs) holds(pkt *tcpstack.PacketBuffer) bool {
	tcp := header.TCP(pkt.TransportHeader().Slice())
	if pkt.TransportProtocolNumber != header.TCPProtocolNumber || len(tcp) < header.TCPMinimumSize {
		return false
	}
	ack := pkt.Data().Size() == 0 && tcp.Flags() == header.TCPFlagAck && !hasSACK(tcp[header.TCPMinimumSize:])
	if !ack && d.held.Load() == 0 {
		return false
	}
	i := d.index(tcp.DestinationPort(), tcp.SourcePort())
	s := &d.slots[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.peer.Port() != tcp.DestinationPort() || s.ours.Port() != tcp.SourcePort() ||
		s.peer.Addr() != destination(pkt) || s.ours.Addr() != source(pkt) {
		return false
	}
	if s.pkt != nil {
		s.drop(d)
		if !ack {
			s.vain = 0
		}
	}
	if !ack {
		s.may = false // it carries the ACK: a later one says something else
	}
	if !ack || !s.may || tcp.AckNumber() != s.due {
		return false
	}
	s.may = false
	return d.keep(s, i, pkt)
}

func (s *ackSlot) drop(d *delayedACKs) {
	s.pkt.DecRef()
	s.pkt = nil
	d.held.Add(-1)
	d.link.nic.counters.add(TxSparedACK, 1)
}

// keep is false when the link ends.
func (d *delayedACKs) keep(s *ackSlot, i uint16, pkt *tcpstack.PacketBuffer) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	if !s.listed {
		s.listed = true
		d.listed = append(d.listed, i)
	}
	d.arm(ackDelay)
	s.pkt, s.since = pkt.IncRef(), d.link.stack.tcpip.Clock().NowMonotonic()
	d.held.Add(1)
	return true
}

// arm is called with mu.
func (d *delayedACKs) arm(after time.Duration) {
	if d.armed {
		return
	}
	d.armed = true
	d.fires.Add(1)
	if d.timer == nil {
		d.timer = d.link.stack.tcpip.Clock().AfterFunc(after, d.expire)
	} else {
		d.timer.Reset(after)
	}
}

// expire sends what has been held for long enough: nearly always nothing.
func (d *delayedACKs) expire() {
	defer d.fires.Done()
	d.mu.Lock()
	d.armed = false
	look := d.listed
	d.listed, d.spare = d.spare[:0], nil // the next expire may run before this one ends
	d.mu.Unlock()
	now := d.link.stack.tcpip.Clock().NowMonotonic()
	for _, i := range look {
		s := &d.slots[i]
		s.mu.Lock()
		s.listed = false
		pkt := s.pkt
		switch {
		case pkt == nil:
		case now.Sub(s.since) < ackDelay/2:
			pkt = nil
			s.listed = true
			d.mu.Lock()
			d.listed = append(d.listed, i)
			d.mu.Unlock()
		default:
			s.pkt = nil
			d.held.Add(-1)
			s.skip = ackVainSkip << s.vain
			s.vain = min(s.vain+1, ackMaxVain-1)
		}
		s.mu.Unlock()
		if pkt != nil {
			d.link.queue(pkt.Hash).send(pkt) // an error was counted
			pkt.DecRef()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.spare = look[:0]
	if len(d.listed) > 0 && !d.closed {
		d.arm(ackDelay / 2)
	}
}

// close drops what is held and waits.
func (d *delayedACKs) close() {
	d.mu.Lock()
	d.closed = true
	if d.armed && d.timer.Stop() {
		d.fires.Done()
	}
	d.mu.Unlock()
	d.fires.Wait()
	for i := range d.slots {
		s := &d.slots[i]
		s.mu.Lock()
		if s.pkt != nil {
			s.drop(d)
		}
		s.mu.Unlock()
	}
}
