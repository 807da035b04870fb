package tun_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/netnsd/netnsd/tun"
	"github.com/netnsd/netnsd/tun/tuntest"
)

// setUp gives the device what the opener of a sandbox gives it.
func setUp(t *testing.T, d *tun.Device) {
	t.Helper()
	l := link(t, d)
	must(t, l.AddAddr(netip.MustParsePrefix("10.9.0.1/24")))
	must(t, l.AddAddr(netip.MustParsePrefix("fd09::1/64")))
	must(t, l.SetTxQueueLen(10000))
	must(t, l.SetUp())
	await(t, d, "up", isUp)
	must(t, l.AwaitAddr(netip.MustParseAddr("fd09::1")))
}

// readUDP reads all queues, because the kernel chooses one by flow, and hands on UDP datagrams to port, headers and all.
func readUDP(d *tun.Device, port uint16) <-chan []byte {
	got := make(chan []byte, 16)
	for q := range d.Queues() {
		go func() { // ends with the device
			buf := make([]byte, 70000)
			h, p := buf[:d.HeaderLen()], buf[d.HeaderLen():]
			for {
				n, err := d.ReadPacket(q, [][]byte{h, p})
				if err != nil {
					return
				}
				if _, ok := tuntest.UDPPayload(p[:n-len(h)], port); ok {
					got <- bytes.Clone(buf[:n])
				}
			}
		}()
	}
	return got
}

// pingPong sends a datagram each way between a kernel socket behind the device and the test, over IPv4 and IPv6.
func pingPong(t *testing.T, ns string, d *tun.Device) {
	t.Helper()
	got := readUDP(d, 4002)
	for _, c := range []struct{ inside, outside string }{
		{"10.9.0.1:4001", "10.9.0.2:4002"},
		{"[fd09::1]:4001", "[fd09::2]:4002"},
	} {
		inside, outside := netip.MustParseAddrPort(c.inside), netip.MustParseAddrPort(c.outside)
		s := listen(t, ns, c.inside)
		_, err := s.WriteToUDPAddrPort([]byte("to the device"), outside)
		must(t, err)
		select {
		case packet := <-got:
			if p, _ := tuntest.UDPPayload(packet[d.HeaderLen():], outside.Port()); string(p) != "to the device" {
				t.Errorf("%s: the device got %q", c.inside, p)
			}
			checkSum(t, d, packet[:d.HeaderLen()], packet[d.HeaderLen():], inside, outside)
		case <-time.After(patience):
			t.Fatalf("%s: nothing came out of the device", c.inside)
		}
		// And back, in three buffers.
		p := tuntest.UDPPacket(outside, inside, []byte("to the socket"))
		buf := make([]byte, 100)
		_, err = d.WritePacket(0, [][]byte{make([]byte, d.HeaderLen()), p[:9], p[9:]})
		must(t, err)
		must(t, s.SetReadDeadline(time.Now().Add(patience)))
		n, from, err := s.ReadFromUDPAddrPort(buf)
		if err != nil || string(buf[:n]) != "to the socket" || netip.AddrPortFrom(from.Addr().Unmap(), from.Port()) != outside {
			t.Errorf("%s: the socket got %q from %v, %v", c.inside, buf[:n], from, err)
		}
		s.Close()
	}
}

// checkSum: with a header the kernel leaves the checksum to us and says so; without it is finished.
func checkSum(t *testing.T, d *tun.Device, hdr, packet []byte, src, dst netip.AddrPort) {
	t.Helper()
	const needsCsum = 1
	if d.HeaderLen() != 0 {
		start := map[bool]uint16{true: 20, false: 40}[src.Addr().Is4()]
		if hdr[0]&needsCsum == 0 || binary.LittleEndian.Uint16(hdr[6:]) != start || binary.LittleEndian.Uint16(hdr[8:]) != 6 {
			t.Errorf("header % x, want NEEDS_CSUM from %d at 6", hdr, start)
		}
		return
	}
	payload, _ := tuntest.UDPPayload(packet, dst.Port())
	whole := tuntest.UDPPacket(src, dst, payload)
	udp := len(packet) - 8 - len(payload)
	if !bytes.Equal(packet[udp:], whole[udp:]) {
		t.Errorf("datagram % x, want % x", packet[udp:], whole[udp:])
	}
}

func TestPacketsToAndFromTheKernel(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  tun.Config
	}{
		{"vnet", tun.Config{}},
		{"without offload", tun.Config{NoOffload: true}},
		{"three queues", tun.Config{Queues: 3}},
		{"water", tun.Config{Driver: tun.DriverWater}},
		{"water, two queues", tun.Config{Driver: tun.DriverWater, Queues: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Netns = tuntest.NetNS(t)
			d := open(t, c.cfg)
			setUp(t, d)
			pingPong(t, c.cfg.Netns, d)
		})
	}
}

// A kernel that was granted TSO hands over TCP segments longer than the MTU, on IPv4 and IPv6.
func TestSegmentsLongerThanTheMTU(t *testing.T) {
	for _, c := range []struct {
		name, dst string
		noOffload bool
	}{{"IPv4", "10.9.0.2:80", false}, {"IPv6", "[fd09::2]:80", false}, {"without offload", "10.9.0.2:80", true}} {
		t.Run(c.name, func(t *testing.T) {
			ns := tuntest.NetNS(t)
			d := open(t, tun.Config{Netns: ns, NoOffload: c.noOffload})
			setUp(t, d)
			sent := make(chan error, 1)
			go func() { // ends with the connection, which Close of the device does not end: the deadline does
				sent <- tun.InNetns(ns, func() error {
					conn, err := net.DialTimeout("tcp", c.dst, patience)
					if err != nil {
						return err
					}
					defer conn.Close()
					conn.(*net.TCPConn).SetLinger(0)
					_, err = conn.Write(make([]byte, 60000))
					return err
				})
			}()
			longest := longestSegment(t, d)
			if long := longest > d.MTU(); long == c.noOffload {
				t.Errorf("longest packet %d bytes at MTU %d", longest, d.MTU())
			}
			must(t, <-sent)
		})
	}
}

// longestSegment answers the SYN of a kernel by hand and returns the length of the longest packet of the first window.
func longestSegment(t *testing.T, d *tun.Device) (longest int) {
	t.Helper()
	stop := time.AfterFunc(patience, func() { d.Close() })
	defer stop.Stop()
	hl := d.HeaderLen()
	buf := make([]byte, 70000)
	for total := 0; total < 10000; {
		n, err := d.ReadPacket(0, [][]byte{buf})
		must(t, err)
		p := buf[hl:n]
		l3, proto := 20, p[9]
		if p[0]>>4 == 6 {
			l3, proto = 40, p[6]
		}
		if proto != 6 {
			continue
		}
		tcp := p[l3:]
		const syn = 2
		if tcp[13]&syn != 0 {
			_, err := d.WritePacket(0, [][]byte{make([]byte, hl), synAck(p[:l3], tcp)})
			must(t, err)
			continue
		}
		longest, total = max(longest, len(p)), total+len(tcp)-int(tcp[12]>>4)*4
	}
	return longest
}

// synAck answers a SYN, with MSS 1440 and an unscaled window of 65535.
func synAck(ip, tcp []byte) []byte {
	r := make([]byte, 24)
	copy(r[0:], tcp[2:4])
	copy(r[2:], tcp[0:2])
	binary.BigEndian.PutUint32(r[4:], 1000)
	binary.BigEndian.PutUint32(r[8:], binary.BigEndian.Uint32(tcp[4:])+1)
	r[12], r[13] = 6<<4, 0x12
	binary.BigEndian.PutUint16(r[14:], 65535)
	copy(r[20:], []byte{2, 4, 1440 >> 8, 1440 & 255})
	h := bytes.Clone(ip)
	if ip[0]>>4 == 4 {
		copy(h[12:16], ip[16:20])
		copy(h[16:20], ip[12:16])
		binary.BigEndian.PutUint16(h[2:], uint16(20+len(r)))
		binary.BigEndian.PutUint16(h[10:], 0)
		binary.BigEndian.PutUint16(h[10:], ^onesSum(h))
		binary.BigEndian.PutUint16(r[16:], ^onesSum(append(append(bytes.Clone(h[12:20]), 0, 6, 0, byte(len(r))), r...)))
	} else {
		copy(h[8:24], ip[24:40])
		copy(h[24:40], ip[8:24])
		binary.BigEndian.PutUint16(h[4:], uint16(len(r)))
		binary.BigEndian.PutUint16(r[16:], ^onesSum(append(append(bytes.Clone(h[8:40]), 0, 6, 0, byte(len(r))), r...)))
	}
	return append(h, r...)
}

func onesSum(b []byte) uint16 {
	var c uint32
	for ; len(b) >= 2; b = b[2:] {
		c += uint32(b[0])<<8 | uint32(b[1])
	}
	for c > 0xffff {
		c = c>>16 + c&0xffff
	}
	return uint16(c)
}

// What users of songgao/water know: Read and Write.
func TestReadWriter(t *testing.T) {
	ns := tuntest.NetNS(t)
	d := open(t, tun.Config{Netns: ns, Driver: tun.DriverWater})
	setUp(t, d)
	s := listen(t, ns, "10.9.0.1:4001")
	rw := d.ReadWriter(0)
	_, err := rw.Write(tuntest.UDPPacket(netip.MustParseAddrPort("10.9.0.2:4002"), netip.MustParseAddrPort("10.9.0.1:4001"), []byte("in")))
	must(t, err)
	buf := make([]byte, 2000)
	n, from, err := s.ReadFromUDPAddrPort(buf)
	if err != nil || string(buf[:n]) != "in" {
		t.Fatalf("the socket got %q, %v", buf[:n], err)
	}
	_, err = s.WriteToUDPAddrPort([]byte("out"), from)
	must(t, err)
	ended := make(chan error, 1)
	found := make(chan struct{}, 1)
	go func() { // ends with the device
		for {
			n, err := rw.Read(buf)
			if err != nil {
				ended <- err
				return
			}
			if p, ok := tuntest.UDPPayload(buf[:n], 4002); ok && string(p) == "out" {
				found <- struct{}{}
			}
		}
	}()
	select {
	case <-found:
	case <-time.After(patience):
		t.Error("nothing came out")
	}
	must(t, d.Close())
	if err := <-ended; !errors.Is(err, os.ErrClosed) && !errors.Is(err, io.EOF) {
		t.Errorf("parked Read after Close: %v", err)
	}
}
