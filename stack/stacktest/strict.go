package stacktest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"

	"github.com/netnsd/netnsd/stack"
)

// Check holds a packet against the rules of d: lengths, the IPv4 header
// checksum, a transport checksum that is either right or, announced, the sum of
// the pseudo header, a virtio_net_hdr that fits its packet, and nothing longer
// than the MTU but super-segments that d takes. ours wants besides what a stack
// can do and a kernel does not always: hdr_len exact, and no more segments asked
// for than there is data.
func Check(packet []byte, d stack.Device, ours bool) error {
	f, ok, err := parseFrame(packet, d)
	if !ok || err != nil {
		return err
	}
	errs := []error{f.checkIP(d), f.checkSum()}
	if f.gsoType() != gsoNone {
		errs = append(errs, f.checkGSO(d, ours))
	} else if ours && (f.gsoSize() != 0 || f.hdrLen() != 0) {
		errs = append(errs, fmt.Errorf("no segmentation, but gso_size %d and hdr_len %d", f.gsoSize(), f.hdrLen()))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w, in % x, %d bytes of IP", err, f.vnet, len(f.ip))
	}
	return nil
}

func (f *frame) checkIP(d stack.Device) error {
	if f.version == 4 && checksum.Checksum(f.ip[:f.l4], 0) != 0xffff {
		return errors.New("wrong IPv4 header checksum")
	}
	if f.gsoType() == gsoNone && len(f.ip) > d.MTU() {
		return fmt.Errorf("no super-segment, and longer than the MTU of %d", d.MTU())
	}
	return nil
}

func (f *frame) checkSum() error {
	at := f.sumField()
	if f.fragment || at < 0 {
		if f.flags()&vnetNeedsCsum != 0 {
			return errors.New("NEEDS_CSUM on a packet without a checksum to finish")
		}
		return nil
	}
	if f.flags()&^(vnetNeedsCsum|vnetDataValid) != 0 {
		return fmt.Errorf("flags %#x", f.flags())
	}
	field := binary.BigEndian.Uint16(f.ip[f.l4+at:])
	if f.flags()&vnetNeedsCsum == 0 {
		if f.proto == protoUDP && field == 0 && f.version == 4 || f.flags()&vnetDataValid != 0 {
			return nil
		}
		if f.sum() != 0xffff {
			return errors.New("wrong transport checksum")
		}
		return nil
	}
	if f.csumStart() != len(f.link)+f.l4 || f.csumField() != at {
		return fmt.Errorf("csum_start %d and csum_offset %d, want %d and %d", f.csumStart(), f.csumField(), len(f.link)+f.l4, at)
	}
	if want := f.pseudo(len(f.ip) - f.l4); field != want {
		return fmt.Errorf("partial checksum %#x, the pseudo header's sum is %#x", field, want)
	}
	return nil
}

func (f *frame) checkGSO(d stack.Device, ours bool) error {
	want, proto, bit := gsoTCP4, protoTCP, uint32(stack.OffloadTSO4)
	if f.version == 6 {
		want, bit = gsoTCP6, stack.OffloadTSO6
	}
	if f.proto == protoUDP {
		want, proto, bit = gsoUDP, protoUDP, stack.OffloadUSO4|stack.OffloadUSO6
	}
	header := len(f.link) + f.payload
	data := len(f.ip) - f.payload
	switch {
	case f.gsoType() != want || f.proto != proto:
		return fmt.Errorf("gso_type %d for IPv%d and protocol %d", f.gsoType(), f.version, f.proto)
	case d.Offloads()&bit == 0:
		return fmt.Errorf("gso_type %d without the offload", f.gsoType())
	case f.flags()&vnetNeedsCsum == 0:
		return errors.New("segmentation without NEEDS_CSUM")
	case f.gsoSize() == 0 || f.gsoSize()+f.payload > d.MTU():
		return fmt.Errorf("gso_size %d behind %d bytes of headers, the MTU is %d", f.gsoSize(), f.payload, d.MTU())
	case ours && f.hdrLen() != header, f.hdrLen() < header:
		return fmt.Errorf("hdr_len %d, the headers have %d", f.hdrLen(), header)
	case ours && data <= f.gsoSize():
		return fmt.Errorf("segmentation of %d bytes into parts of %d", data, f.gsoSize())
	}
	return nil
}

// Strict is a device that fails the test for each packet that breaks a rule of
// Check, from the stack and from the far side. It is transparent otherwise.
type Strict struct {
	stack.Device
	t testing.TB

	Written, Read     atomic.Int64 // packets checked
	WroteGSO, ReadGSO atomic.Int64 // of them, super-segments
	Partial, Sums     atomic.Int64 // of the written: NEEDS_CSUM, finished
	Longest           atomic.Int64 // bytes of the longest written, with all headers
	left              atomic.Int64 // errors still to be reported
}

// NewStrict wraps d. It is closed with d, before the test ends.
func NewStrict(t testing.TB, d stack.Device) *Strict {
	s := &Strict{Device: d, t: t}
	s.left.Store(5)
	return s
}

func (s *Strict) check(packet []byte, ours bool) {
	s.t.Helper()
	if err := Check(packet, s.Device, ours); err != nil && s.left.Add(-1) >= 0 {
		s.t.Errorf("from the stack %v: %v", ours, err)
	}
}

// WritePacket implements stack.Device.
func (s *Strict) WritePacket(q int, bufs [][]byte) (int, error) {
	packet := gather(bufs)
	s.check(packet, true)
	s.Written.Add(1)
	for n := int64(len(packet)); n > s.Longest.Load(); {
		if was := s.Longest.Load(); s.Longest.CompareAndSwap(was, max(was, n)) {
			break
		}
	}
	if s.HeaderLen() != 0 && packet[1] != gsoNone {
		s.WroteGSO.Add(1)
	}
	if s.HeaderLen() != 0 && packet[0]&vnetNeedsCsum != 0 {
		s.Partial.Add(1)
	} else {
		s.Sums.Add(1)
	}
	return s.Device.WritePacket(q, bufs)
}

// ReadPacket implements stack.Device.
func (s *Strict) ReadPacket(q int, bufs [][]byte) (int, error) {
	n, err := s.Device.ReadPacket(q, bufs)
	if err != nil {
		return n, err
	}
	packet := gather(bufs)[:n]
	s.check(packet, false)
	s.Read.Add(1)
	if s.HeaderLen() != 0 && packet[1] != gsoNone {
		s.ReadGSO.Add(1)
	}
	return n, nil
}

// gather joins bufs in memory of its own.
func gather(bufs [][]byte) []byte {
	var p []byte
	for _, b := range bufs {
		p = append(p, b...)
	}
	return p
}

// scatter spreads p over bufs and returns how much fitted.
func scatter(bufs [][]byte, p []byte) int {
	n := 0
	for _, b := range bufs {
		n += copy(b, p[n:])
	}
	return n
}
