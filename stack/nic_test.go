package stack_test

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

func TestConfigErrors(t *testing.T) {
	for name, c := range map[string]stack.Config{
		"buffers":    {SendBuffer: stack.BufferSizes{Min: 10, Default: 5, Max: 20}},
		"congestion": {CongestionControl: "bbr"},
	} {
		if s, err := stack.New(c); err == nil {
			s.Close()
			t.Errorf("%s: no error", name)
		}
	}
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.AddNIC(stack.NICConfig{}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("no device: %v, want EINVAL", err)
	}
	w := stacktest.NewWire(false)
	if _, err := s.AddNIC(stack.NICConfig{Device: w, Addrs: []netip.Prefix{netip.MustParsePrefix("224.0.0.1/8")}}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("multicast address: %v, want EINVAL", err)
	}
	if _, err := w.WritePacket(0, nil); err == nil {
		t.Error("the device of a failed AddNIC is open")
	}
	if _, err := s.AddNIC(stack.NICConfig{Name: "n", Device: stacktest.NewWire(false)}); err != nil {
		t.Error(err)
	}
	if _, err := s.AddNIC(stack.NICConfig{Name: "n", Device: stacktest.NewWire(false)}); !errors.Is(err, syscall.EEXIST) {
		t.Errorf("same name: %v, want EEXIST", err)
	}
	s.Close()
	if _, err := s.AddNIC(stack.NICConfig{Device: stacktest.NewWire(false)}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v, want net.ErrClosed", err)
	}
}

func TestAddresses(t *testing.T) {
	p := stacktest.NewPair(t, stacktest.PairConfig{})
	more := netip.MustParsePrefix("10.1.0.9/24")
	reachable := func() bool {
		_, err := dial(p.B, netip.AddrPortFrom(more.Addr(), 1)) // refused, or no answer
		return err != nil && err.Error() != "" && p.NA.Counters()[stack.RxPackets] > 0 && isRefused(err)
	}
	if err := p.NA.AddAddr(more); err != nil {
		t.Fatal(err)
	}
	if !reachable() {
		t.Error("the new address does not answer")
	}
	if err := p.NA.AddAddr(more); !errors.Is(err, syscall.EEXIST) {
		t.Errorf("again: %v, want EEXIST", err)
	}
	if err := p.NA.RemoveAddr(more); err != nil {
		t.Error(err)
	}
	if err := p.NA.RemoveAddr(more); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("remove again: %v, want EADDRNOTAVAIL", err)
	}
	if n := len(p.NA.Addrs()); n != 2 {
		t.Errorf("%d addresses left, want 2", n)
	}
}

func isRefused(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Err.Error() == "connection was refused"
}

// TestCloseLeavesNothing closes a stack with everything open: connections both
// ways, a listener, half-open ones, held packets.
func TestCloseLeavesNothing(t *testing.T) {
	leaks := providertest.Watch()
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	other, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	cable := stacktest.NewCable(stacktest.CableConfig{Offloads: true})
	n, err := s.AddNIC(stack.NICConfig{Device: cable.A, Forward: gateway{tcp: echoTCP}, Addrs: []netip.Prefix{netip.PrefixFrom(stacktest.A4, 24)}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := other.AddNIC(stack.NICConfig{Device: cable.B, Addrs: []netip.Prefix{netip.PrefixFrom(stacktest.B4, 24)}})
	if err != nil {
		t.Fatal(err)
	}
	other.SetRoutes([]stack.Route{{Dest: netip.MustParsePrefix("0.0.0.0/0"), NIC: m}})
	if _, err := dial(other, foreign); err != nil {
		t.Fatal(err)
	}
	c, _ := connect(t, other, s, netip.AddrPortFrom(stacktest.A4, 99))
	cable.B.Set(stacktest.Full)
	go c.Write(noise(4 << 20))
	eventually(t, "held packet", func() bool { return m.Counters()[stack.TxHeld] > 0 })
	s.Close()
	other.Close()
	s.Close()
	n.Close()
	if l := leaks(); l != "" {
		t.Error(l)
	}
	if n.State() != stack.Closed || !errors.Is(n.Err(), net.ErrClosed) {
		t.Errorf("NIC: %v, %v", n.State(), n.Err())
	}
}

// TestHold: what is held is bounded in bytes and time; what goes beyond is
// counted; the order is kept.
func TestHold(t *testing.T) {
	s, err := stack.New(stack.Config{HoldBytes: 10_000, HoldTime: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := stacktest.NewWire(false)
	n, err := s.AddNIC(stack.NICConfig{Device: w, Addrs: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/24")}})
	if err != nil {
		t.Fatal(err)
	}
	from, to := netip.MustParseAddrPort("10.1.0.1:1"), netip.MustParseAddrPort("10.1.0.2:2")
	send := func(first, last int) {
		for i := first; i <= last; i++ {
			if err := n.SendDatagram(from, to, append([]byte{byte(i)}, make([]byte, 971)...), 0); err != nil && !errors.Is(err, syscall.ENOBUFS) {
				t.Fatal(err)
			}
		}
	}
	w.Set(stacktest.Full)
	send(1, 15) // 10 of 1000 bytes fit
	if c := n.Counters(); c[stack.TxHeld] != 10 || c[stack.TxDropHeldOverflow] != 5 {
		t.Errorf("held %d, overflow %d; want 10, 5", c[stack.TxHeld], c[stack.TxDropHeldOverflow])
	}
	w.Set(stacktest.On)
	for i := 1; i <= 10; i++ {
		if p := w.Next(5 * time.Second); len(p) != 1000 || p[28] != byte(i) {
			t.Fatalf("packet %d: %d bytes", i, len(p))
		}
	}
	w.Set(stacktest.Down)
	send(20, 22)
	eventually(t, "ageing", func() bool { return n.Counters()[stack.TxDropHeldAge] == 3 })
	w.Set(stacktest.On)
	eventually(t, "state up", func() bool { return n.State() == stack.Up })
	send(30, 30)
	if p := w.Next(5 * time.Second); len(p) != 1000 || p[28] != 30 {
		t.Errorf("after ageing: %d bytes", len(p))
	}
}

// TestStorm: a device that says EAGAIN and EIO again and again, and Gone at
// last, neither loses packets nor makes anybody spin.
func TestStorm(t *testing.T) {
	p := stacktest.NewPair(t, stacktest.PairConfig{Stack: stack.Config{HoldBytes: 8 << 20}}) // the whole window
	c, d := connect(t, p.B, p.A, netip.AddrPortFrom(stacktest.A4, 80))
	stop, stopped := make(chan struct{}), make(chan struct{})
	p.Cable.B.Set(stacktest.Full)
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				p.Cable.B.Set(stacktest.On)
				return
			case <-time.After(2 * time.Millisecond):
				p.Cable.B.Set([]stacktest.Switch{stacktest.On, stacktest.Full}[i%2])
			}
		}
	}()
	if err := transfer(c, d, noise(8<<20)); err != nil {
		t.Fatal(err)
	}
	close(stop)
	<-stopped
	if n := p.NB.Counters(); n[stack.TxHeld] == 0 || n[stack.TxDropHeldOverflow]+n[stack.TxDropHeldAge] != 0 || p.Cable.Lost.Load() != 0 {
		t.Errorf("held %d, overflow %d, too old %d, lost %d; want some and 0, 0, 0", n[stack.TxHeld],
			n[stack.TxDropHeldOverflow], n[stack.TxDropHeldAge], p.Cable.Lost.Load())
	}
	p.Cable.B.Set(stacktest.Gone)
	select {
	case <-p.NB.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("nobody noticed that the device is gone")
	}
	if p.NB.State() != stack.Gone || !errors.Is(p.NB.Err(), syscall.ENETDOWN) {
		t.Errorf("NIC: %v, %v", p.NB.State(), p.NB.Err())
	}
}
