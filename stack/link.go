package stack

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// link is gVisor's view of a Device: a link endpoint that speaks
// virtio_net_hdr and, on a TAP, Ethernet.
type link struct {
	nic   *NIC
	stack *Stack
	dev   Device

	vnet     bool // packets carry a virtio_net_hdr
	hostGSO  bool // the device splits super-segments
	trains   bool // and takes runs of datagrams as one packet, both ways (train.go)
	tap      bool
	complete bool // NICConfig.FullChecksums
	head     int  // bytes before the IP header: vnet header and Ethernet
	ether    int  // of them, Ethernet

	mtu        atomic.Uint32 // 0: the device's
	mac        atomic.Pointer[tcpip.LinkAddress]
	dispatcher atomic.Pointer[tcpstack.NetworkDispatcher]
	queues     []txQueue
	vectors    sync.Pool // *vector
	acks       delayedACKs

	// Fragments are delivered with unverified set, see Capabilities. A packet
	// that was verified must not meet that state: readers of several queues
	// exclude each other by fragments.
	unverified atomic.Bool
	fragments  sync.RWMutex

	stopOnce sync.Once
	closing  chan struct{}
	goneOnce sync.Once
	gone     chan struct{} // closed with goneErr set
	goneErr  error
	readers  sync.WaitGroup // readers, flushers, keeper
}

var (
	_ tcpstack.LinkEndpoint = (*link)(nil)
	_ tcpstack.GSOEndpoint  = (*link)(nil)
)

// maxGSO is the largest super-segment: what an IP header can express.
const maxGSO = 65536

func newLink(n *NIC, c NICConfig) (*link, error) {
	d := c.Device
	l := &link{
		nic: n, stack: n.stack, dev: d,
		tap: d.TAP(), complete: c.FullChecksums,
		closing: make(chan struct{}), gone: make(chan struct{}),
	}
	l.vectors.New = func() any { return &vector{} }
	l.acks.init(l)
	switch d.HeaderLen() {
	case 0:
	case vnetHeaderLen:
		l.vnet, l.head = true, vnetHeaderLen
		const both = OffloadTSO4 | OffloadTSO6
		l.hostGSO = d.Offloads()&both == both
		const uso = OffloadCSUM | OffloadUSO4 | OffloadUSO6
		l.trains = d.Offloads()&uso == uso
	default:
		return nil, fmt.Errorf("stack: NIC %q: device header of %d bytes, want 0 or %d: %w",
			c.Name, d.HeaderLen(), vnetHeaderLen, syscall.EINVAL)
	}
	if d.Queues() < 1 || d.MTU() < header.IPv4MinimumMTU {
		return nil, fmt.Errorf("stack: NIC %q: device with %d queues and MTU %d: %w", c.Name, d.Queues(), d.MTU(), syscall.EINVAL)
	}
	l.queues = make([]txQueue, d.Queues())
	for i := range l.queues {
		l.queues[i].link, l.queues[i].index = l, i
	}
	var mac tcpip.LinkAddress
	if l.tap {
		l.ether = header.EthernetMinimumSize
		l.head += l.ether
		hw, err := hardwareAddr(c.MAC)
		if err != nil {
			return nil, fmt.Errorf("stack: NIC %q: %w", c.Name, err)
		}
		mac = tcpip.LinkAddress(hw)
	}
	l.mac.Store(&mac)
	return l, nil
}

func hardwareAddr(hw net.HardwareAddr) (net.HardwareAddr, error) {
	switch len(hw) {
	case 6:
		return hw, nil
	case 0:
		hw = make(net.HardwareAddr, 6)
		rand.Read(hw)
		hw[0] = hw[0]&^1 | 2 // unicast, locally administered
		return hw, nil
	}
	return nil, fmt.Errorf("MAC %v is not 6 bytes: %w", hw, syscall.EINVAL)
}

// start begins to read. The goroutines end with stop or when the device goes.
func (l *link) start() {
	for q := range l.queues {
		l.readers.Go(func() { l.read(q) })
	}
	l.readers.Go(l.keep)
}

// keep waits for the end of the device and ends the NIC's flows with it.
// Nobody else may: a writer that finds the device gone holds gVisor's locks.
func (l *link) keep() {
	select {
	case <-l.closing:
	case <-l.gone:
		err := fmt.Errorf("stack: NIC %q: device gone: %w", l.nic.name, errors.Join(syscall.ENETDOWN, l.goneErr))
		l.nic.finish(err)
		l.stack.tcpip.DisableNIC(l.nic.id) // no route leads here any more: provider/netstack says ENETDOWN
		l.stack.flows.cut(l.nic, syscall.ENETDOWN)
		l.stack.abandon(l.nic)
	}
}

// stop closes the device and waits for every goroutine of the link.
func (l *link) stop() {
	l.stopOnce.Do(func() {
		close(l.closing)
		l.acks.close()
		for i := range l.queues {
			l.queues[i].drop() // no flusher starts after this
		}
		l.dev.Close()
	})
	l.readers.Wait()
}

func (l *link) vanish(err error) {
	l.goneOnce.Do(func() {
		l.goneErr = err
		close(l.gone)
	})
}

func (l *link) state() State {
	select {
	case <-l.closing:
		return Closed
	default:
	}
	select {
	case <-l.gone:
		return Gone
	default:
	}
	for i := range l.queues {
		if l.queues[i].down.Load() {
			return Down
		}
	}
	return Up
}

// trouble says what an error of the device means.
type trouble uint8

const (
	refused trouble = iota // this packet only
	full                   // no room now
	down                   // link down now
	gone                   // for good
)

// classify is the same for reading and writing, but that a reader has no
// packet to blame: it retries whatever is not gone.
func classify(err error) trouble {
	var e syscall.Errno
	if !errors.As(err, &e) {
		if errors.Is(err, os.ErrClosed) || errors.Is(err, net.ErrClosed) {
			return gone
		}
		return refused
	}
	switch e {
	case syscall.EAGAIN, syscall.ENOBUFS, syscall.ENOMEM, syscall.EINTR:
		return full
	case syscall.EIO, syscall.ENETDOWN:
		return down
	case syscall.EBADF, syscall.ENODEV, syscall.ENXIO, errBadFD:
		return gone
	}
	return refused
}

// MTU implements stack.LinkEndpoint.
func (l *link) MTU() uint32 {
	if mtu := l.mtu.Load(); mtu != 0 {
		return mtu
	}
	return uint32(l.dev.MTU())
}

// SetMTU implements stack.LinkEndpoint.
func (l *link) SetMTU(mtu uint32) { l.mtu.Store(mtu) }

// MaxHeaderLength implements stack.LinkEndpoint. The vnet header is not in
// the packet: it has a place of its own in the vector.
func (l *link) MaxHeaderLength() uint16 { return uint16(l.ether) }

// LinkAddress implements stack.LinkEndpoint.
func (l *link) LinkAddress() tcpip.LinkAddress { return *l.mac.Load() }

// SetLinkAddress implements stack.LinkEndpoint.
func (l *link) SetLinkAddress(a tcpip.LinkAddress) { l.mac.Store(&a) }

// Capabilities implements stack.LinkEndpoint.
//
// RX checksum offload makes gVisor trust every packet of the link
// (nic.DeliverNetworkPacket sets RXChecksumValidated from here, per packet), so
// the link verifies each itself. It cannot verify fragments; for those alone
// the capability is taken back, and gVisor verifies the whole datagram.
//
// TX checksum offload is never set: gVisor would leave UDP without a checksum,
// which IPv6 forbids. TCP gets it through GSO.NeedsCsum alone.
func (l *link) Capabilities() tcpstack.LinkEndpointCapabilities {
	var c tcpstack.LinkEndpointCapabilities
	if !l.unverified.Load() {
		c |= tcpstack.CapabilityRXChecksumOffload
	}
	if l.tap {
		c |= tcpstack.CapabilityResolutionRequired
	}
	return c
}

// GSOMaxSize implements stack.GSOEndpoint.
func (l *link) GSOMaxSize() uint32 { return maxGSO }

// SupportedGSO implements stack.GSOEndpoint.
func (l *link) SupportedGSO() tcpstack.SupportedGSO {
	if l.hostGSO {
		return tcpstack.HostGSOSupported
	}
	return tcpstack.GVisorGSOSupported
}

// Attach implements stack.LinkEndpoint. Readers run from start to stop, so
// that a NIC is configured before its first packet.
func (l *link) Attach(d tcpstack.NetworkDispatcher) {
	if d == nil {
		l.dispatcher.Store(nil)
		return
	}
	l.dispatcher.Store(&d)
}

// IsAttached implements stack.LinkEndpoint.
func (l *link) IsAttached() bool { return l.dispatcher.Load() != nil }

// Wait implements stack.LinkEndpoint. NIC.Close has waited already.
func (l *link) Wait() {}

// Close implements stack.LinkEndpoint; the device is closed by stop.
func (l *link) Close() {}

// SetOnCloseAction implements stack.LinkEndpoint; Close does nothing.
func (l *link) SetOnCloseAction(func()) {}

// ARPHardwareType implements stack.LinkEndpoint.
func (l *link) ARPHardwareType() header.ARPHardwareType {
	if l.tap {
		return header.ARPHardwareEther
	}
	return header.ARPHardwareNone
}

// AddHeader implements stack.LinkEndpoint.
func (l *link) AddHeader(pkt *tcpstack.PacketBuffer) {
	if !l.tap {
		return
	}
	header.Ethernet(pkt.LinkHeader().Push(header.EthernetMinimumSize)).Encode(&header.EthernetFields{
		SrcAddr: l.LinkAddress(),
		DstAddr: pkt.EgressRoute.RemoteLinkAddress,
		Type:    pkt.NetworkProtocolNumber,
	})
}

// ParseHeader implements stack.LinkEndpoint.
func (l *link) ParseHeader(pkt *tcpstack.PacketBuffer) bool {
	if !l.tap {
		return true
	}
	_, ok := pkt.LinkHeader().Consume(header.EthernetMinimumSize)
	return ok
}
