package stack

import (
	"encoding/binary"
	"io"
	"net/netip"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// gated is a device whose writes wait for the gate.
type gated struct {
	entered, gate, closed chan struct{}
	once                  sync.Once
}

func (g *gated) Queues() int                           { return 1 }
func (g *gated) HeaderLen() int                        { return 0 }
func (g *gated) Offloads() uint32                      { return 0 }
func (g *gated) TAP() bool                             { return false }
func (g *gated) MTU() int                              { return 1500 }
func (g *gated) WaitWritable(int, time.Time) error     { return nil }
func (g *gated) ReadPacket(int, [][]byte) (int, error) { <-g.closed; return 0, io.EOF }
func (g *gated) Close() error                          { g.once.Do(func() { close(g.closed) }); return nil }
func (g *gated) WritePacket(_ int, b [][]byte) (int, error) {
	select {
	case g.entered <- struct{}{}:
	case <-g.gate:
	}
	<-g.gate
	return len(b), nil
}

var ackServer, ackClient = netip.MustParseAddrPort("10.2.0.1:80"), netip.MustParseAddr("10.2.0.2")

// heldACK has the link hold an ACK of the connection from port.
func heldACK(t *testing.T, l *link, port uint16) {
	t.Helper()
	segment := make([]byte, 140)
	binary.BigEndian.PutUint16(segment[20:], port)
	binary.BigEndian.PutUint16(segment[22:], ackServer.Port())
	segment[33] = 0x18 // ACK, PSH
	l.acks.arrived(&packet{version: 4, proto: protoTCP, l4: 20, payload: 40, end: 140, src: ackClient, dst: ackServer.Addr()}, segment)
	p := tcpstack.NewPacketBuffer(tcpstack.PacketBufferOptions{ReserveHeaderBytes: 60})
	defer p.DecRef()
	header.TCP(p.TransportHeader().Push(20)).Encode(&header.TCPFields{SrcPort: ackServer.Port(), DstPort: port, SeqNum: 1, AckNum: 100,
		DataOffset: 20, Flags: header.TCPFlagAck, WindowSize: 1000})
	p.TransportProtocolNumber, p.NetworkProtocolNumber = header.TCPProtocolNumber, header.IPv4ProtocolNumber
	header.IPv4(p.NetworkHeader().Push(20)).Encode(&header.IPv4Fields{TotalLength: 40, TTL: 64, Protocol: protoTCP,
		SrcAddr: tcpip.AddrFrom4(ackServer.Addr().As4()), DstAddr: tcpip.AddrFrom4(ackClient.As4())})
	if !l.acks.holds(p) {
		t.Fatalf("the ACK of port %d was not held", port)
	}
}

// What is held is sent also when the timer runs again before its last run has
// ended, as a device that is slow for a moment has it.
func TestHeldACKsSurviveOverlap(t *testing.T) {
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	dev := &gated{entered: make(chan struct{}), gate: make(chan struct{}), closed: make(chan struct{})}
	nic, err := s.AddNIC(NICConfig{Device: dev, Addrs: []netip.Prefix{netip.MustParsePrefix("10.2.0.1/24")}})
	if err != nil {
		t.Fatal(err)
	}
	nic.link.acks.spare = make([]uint16, 0, 16) // as after the first run
	port := uint16(1000)
	for range 4 { // runs of the timer, each of which finds the one before still writing
		for range 3 {
			heldACK(t, nic.link, port)
			port++
		}
		<-dev.entered
	}
	close(dev.gate)
	for end := time.Now().Add(20 * time.Second); nic.link.acks.held.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d ACKs are held for ever", nic.link.acks.held.Load())
		}
	}
}
