package stacktest_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// super is a super-segment of TCP over IPv4 or IPv6 as a TUN carries it, with
// n bytes of data in parts of size.
func super(version, n, size int) []byte {
	ip := 20
	if version == 6 {
		ip = 40
	}
	b := make([]byte, 10+ip+20+n)
	h, p := b[:10], b[10:]
	h[0], h[1] = 1, 1
	binary.LittleEndian.PutUint16(h[2:], uint16(ip+20))
	binary.LittleEndian.PutUint16(h[4:], uint16(size))
	binary.LittleEndian.PutUint16(h[6:], uint16(ip))
	binary.LittleEndian.PutUint16(h[8:], 16)
	addrs := p[12:20]
	if version == 4 {
		p[0], p[8], p[9] = 0x45, 64, 6
		binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
		binary.BigEndian.PutUint16(p[4:], 0xfffe) // the identification wraps
		copy(addrs, []byte{10, 0, 0, 1, 10, 0, 0, 2})
		binary.BigEndian.PutUint16(p[10:], ^checksum.Checksum(p[:20], 0))
	} else {
		h[1] = 4
		p[0], p[6], p[7] = 0x60, 6, 64
		binary.BigEndian.PutUint16(p[4:], uint16(len(p)-40))
		p[8], p[24] = 0xfd, 0xfd
		addrs = p[8:40]
	}
	tcp := p[ip:]
	binary.BigEndian.PutUint32(tcp[4:], 0xffffff00)
	tcp[12], tcp[13] = 0x50, 0x99 // CWR, ACK, PSH, FIN
	for i := range tcp[20:] {
		tcp[20+i] = byte(i * 7)
	}
	binary.BigEndian.PutUint16(tcp[16:], checksum.Checksum(addrs, uint16(6+len(tcp))))
	return b
}

// TestSplit: the parts of a super-segment are packets that stand alone, and
// carry all of it.
func TestSplit(t *testing.T) {
	d := stacktest.NewCable(stacktest.CableConfig{Offloads: true}).A
	for _, version := range []int{4, 6} {
		whole := super(version, 5000, 1400)
		if err := stacktest.Check(whole, d, true); err != nil {
			t.Fatalf("IPv%d: %v", version, err)
		}
		head := 10 + 20 + 20
		if version == 6 {
			head += 20
		}
		parts := stacktest.Split(whole, d)
		if len(parts) != 4 {
			t.Fatalf("IPv%d: %d parts, want 4", version, len(parts))
		}
		var data []byte
		for i, p := range parts {
			if err := stacktest.Check(p, d, true); err != nil {
				t.Errorf("IPv%d, part %d: %v", version, i, err)
			}
			if p[0]|p[1] != 0 {
				t.Errorf("IPv%d, part %d: header % x", version, i, p[:10])
			}
			tcp := p[head-20:]
			if seq := binary.BigEndian.Uint32(tcp[4:]); seq != 0xffffff00+uint32(len(data)) {
				t.Errorf("IPv%d, part %d: sequence number %#x", version, i, seq)
			}
			want := byte(0x10)
			if i == 0 {
				want |= 0x80
			}
			if i == len(parts)-1 {
				want |= 0x09
			}
			if tcp[13] != want {
				t.Errorf("IPv%d, part %d: flags %#x, want %#x", version, i, tcp[13], want)
			}
			data = append(data, p[head:]...)
		}
		if !bytes.Equal(data, whole[head:]) {
			t.Errorf("IPv%d: the parts carry something else", version)
		}
	}
}

// TestCheck: what a strict device complains of.
func TestCheck(t *testing.T) {
	d := stacktest.NewCable(stacktest.CableConfig{Offloads: true}).A
	plain := stacktest.NewCable(stacktest.CableConfig{Bits: stack.OffloadCSUM}).A
	for _, c := range []struct {
		name string
		at   int // byte of the super-segment that is changed
		xor  byte
	}{
		{"sound", 0, 0},
		{"flags", 0, 8}, {"no NEEDS_CSUM", 0, 1}, {"type", 1, 5}, {"hdr_len", 2, 1}, {"gso_size beyond the MTU", 5, 2},
		{"csum_start", 6, 1}, {"csum_offset", 8, 2}, {"IP length", 10 + 3, 1}, {"IP checksum", 10 + 8, 1},
		{"partial checksum", 10 + 36, 1},
	} {
		b := super(4, 5000, 1400)
		b[c.at] ^= c.xor
		if err := stacktest.Check(b, d, true); (err == nil) != (c.xor == 0) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := stacktest.Check(super(4, 5000, 1400), plain, true); err == nil {
		t.Error("a super-segment is right on a device that does not take it")
	}
	part := stacktest.Split(super(6, 100, 1400), d)[0]
	part[len(part)-1] ^= 1
	if err := stacktest.Check(part, d, true); err == nil {
		t.Error("a wrong checksum is right")
	}
}

// TestFaults: each fault does what it says, both ways, and counts it.
func TestFaults(t *testing.T) {
	const n = 200 // below what is read ahead
	seen := func(t *testing.T, i stacktest.Impairment, in bool) (*stacktest.Way, []int, int) {
		c := stacktest.NewCable(stacktest.CableConfig{Offloads: true})
		f := stacktest.NewFaults(c.A, stacktest.FaultConfig{In: i, Out: i, Seed: 3})
		defer f.Close()
		from, to, way := stack.Device(f), stack.Device(c.B), &f.Out
		if in {
			from, to, way = c.B, f, &f.In
		}
		for k := range n {
			p := stacktest.Split(super(4, 100, 1400), c.A)[0]
			binary.BigEndian.PutUint16(p[10+20:], uint16(k)) // the port; the checksum is of no interest
			if _, err := from.WritePacket(0, [][]byte{p}); err != nil {
				t.Fatal(err)
			}
		}
		var got []int
		damaged := 0
		buf := make([]byte, 70000)
		for {
			// All but what waits in a delay line is there.
			for end := time.Now().Add(5 * time.Second); way.Lost.Load()+way.Passed.Load() < n && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
			want := int(way.Passed.Load() + way.Doubled.Load())
			if len(got) == want {
				return way, got, damaged
			}
			m, err := to.ReadPacket(0, [][]byte{buf})
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, int(binary.BigEndian.Uint16(buf[30:])))
			if !bytes.Equal(buf[32:46], super(4, 100, 1400)[32:46]) || !bytes.Equal(buf[50:m], super(4, 100, 1400)[50:m]) {
				damaged++
			}
		}
	}
	for _, in := range []bool{false, true} {
		way, got, _ := seen(t, stacktest.Impairment{Loss: 0.1}, in)
		if l := way.Lost.Load(); l < n/20 || l > n/5 || len(got) != n-int(l) {
			t.Errorf("in %v: %d of %d lost, %d arrived", in, l, n, len(got))
		}
		way, got, _ = seen(t, stacktest.Impairment{Duplicate: 0.1}, in)
		if d := way.Doubled.Load(); d < n/20 || d > n/5 || len(got) != n+int(d) {
			t.Errorf("in %v: %d of %d doubled, %d arrived", in, d, n, len(got))
		}
		way, got, _ = seen(t, stacktest.Impairment{Reorder: 0.1}, in)
		late := 0
		for i := 1; i < len(got); i++ {
			if got[i] < got[i-1] {
				late++
			}
		}
		if l := way.Late.Load(); l < n/20 || l > n/5 || late == 0 || len(got) != n {
			t.Errorf("in %v: %d of %d late, order broken %d times, %d arrived", in, l, n, late, len(got))
		}
		way, _, damaged := seen(t, stacktest.Impairment{Corrupt: 0.1}, in)
		// A damaged port or checksum field is not looked at.
		if d := int(way.Damaged.Load()); d < n/20 || d > n/5 || damaged > d || damaged < d/2 {
			t.Errorf("in %v: %d of %d damaged, %d seen", in, d, n, damaged)
		}
	}
}

// TestFaultsSwitch: the switch says what a device in trouble says, and the dark
// says nothing.
func TestFaultsSwitch(t *testing.T) {
	c := stacktest.NewCable(stacktest.CableConfig{})
	f := stacktest.NewFaults(c.A, stacktest.FaultConfig{})
	defer f.Close()
	packet := [][]byte{super(4, 10, 1400)[10:]}
	for s, want := range map[stacktest.Switch]error{stacktest.Down: syscall.EIO, stacktest.Full: syscall.EAGAIN, stacktest.On: nil} {
		f.Set(s)
		if _, err := f.WritePacket(0, packet); !errors.Is(err, want) {
			t.Errorf("switch %d: %v, want %v", s, err, want)
		}
	}
	f.Set(stacktest.Down)
	if err := f.WaitWritable(0, time.Now().Add(5*time.Millisecond)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("waiting while down: %v", err)
	}
	woken := make(chan error, 1)
	go func() { woken <- f.WaitWritable(0, time.Now().Add(5*time.Second)) }()
	f.Set(stacktest.On)
	if err := <-woken; err != nil {
		t.Errorf("waiting while it comes up: %v", err)
	}
	f.Dark(true)
	if n, err := f.WritePacket(0, packet); n != len(packet[0]) || err != nil || f.Out.Swallowed.Load() != 1 {
		t.Errorf("in the dark: %d bytes, %v, %d swallowed", n, err, f.Out.Swallowed.Load())
	}
	f.Set(stacktest.Gone)
	f.Set(stacktest.On)
	if _, err := f.ReadPacket(0, [][]byte{make([]byte, 2000)}); err != syscall.Errno(77) {
		t.Errorf("read of a device that is gone: %v", err)
	}
}
