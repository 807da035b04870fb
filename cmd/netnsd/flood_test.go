//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

// flood sends n packets of its own making, as of n hosts, 50 000 a second if the
// machine can: syn, udp or dns, to an address and a port, 0 for any.
func flood(args []string) error {
	to, err := netip.ParseAddrPort(args[1])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW) // IP_HDRINCL
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	const rate, step = 50_000, 10 * time.Millisecond
	random := rand.New(rand.NewPCG(1, 2))
	tick := time.NewTicker(step)
	defer tick.Stop()
	for i := range n {
		if i%(rate*int(step)/int(time.Second)) == 0 {
			<-tick.C
		}
		if args[0] == "none" {
			continue
		}
		sockaddr := &unix.SockaddrInet4{Addr: to.Addr().As4()}
		if err := unix.Sendto(fd, floodPacket(random, args[0], to), 0, sockaddr); err != nil && err != unix.ENOBUFS && err != unix.EAGAIN {
			return err
		}
	}
	return nil
}

// floodPacket is one from a host and a port of 10.0.0.0/8 (IP fills in its checksum).
func floodPacket(random *rand.Rand, kind string, to netip.AddrPort) []byte {
	b := make([]byte, 20, 128)
	b[0], b[8] = 0x45, 64
	b[12], b[13], b[14], b[15] = 10, byte(1+random.IntN(200)), byte(random.IntN(256)), byte(1+random.IntN(250))
	dst := to.Addr().As4()
	copy(b[16:], dst[:])
	port := to.Port()
	if port == 0 {
		port = uint16(1024 + random.IntN(60000))
	}
	be := binary.BigEndian
	ports := be.AppendUint16(be.AppendUint16(nil, uint16(1024+random.IntN(60000))), port)
	if kind == "syn" {
		b[9] = unix.IPPROTO_TCP
		b = append(append(b, ports...), 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0)
		be.PutUint32(b[24:], random.Uint32())
		be.PutUint16(b[36:], checksumOf(b[12:20], uint32(unix.IPPROTO_TCP+20), b[20:]))
		return b
	}
	b[9] = unix.IPPROTO_UDP
	data := []byte("flood")
	if kind == "dns" {
		data = be.AppendUint16(nil, uint16(random.Uint32()))
		data = append(data, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 8)
		data = append(data, fmt.Sprintf("%08x", random.Uint32())...)
		data = append(data, 4, 't', 'e', 's', 't', 0, 0, 1, 0, 1)
	}
	b = append(b, ports...)
	b = be.AppendUint16(b, uint16(8+len(data)))
	return append(append(b, 0, 0), data...) // no checksum (RFC 768)
}

func checksumOf(addrs []byte, rest uint32, data []byte) uint16 {
	for _, part := range [][]byte{addrs, data} {
		for i := 0; i < len(part); i += 2 {
			rest += uint32(binary.BigEndian.Uint16(part[i:]))
		}
	}
	for rest>>16 != 0 {
		rest = rest&0xffff + rest>>16
	}
	return ^uint16(rest)
}

// floodMemory is what a daemon may take, however it is flooded.
const floodMemory = 400 << 20

// A flood from one attachment ends at its bounds: the neighbour's connections live, its
// new ones begin, memory stays bounded, and afterwards everything is as before.
func TestDaemonFlood(t *testing.T) {
	const packets = 100_000
	l := newLab(t)
	l.web(8080, 1<<20)
	echo, _ := l.counting(7001)
	deaf := l.deafDNS(5399)
	a, b := l.inner(), l.inner()
	d := l.netnsd(fmt.Sprintf(`
defaults: {dns: {upstreams: ["udp://%s"]}}
attachments:
  - {name: a, netns: {name: %s}}
  - {name: b, netns: {name: %s}}
`, deaf, a, b))
	kept := []talk{l.talk(b, echo), l.talk(b, echo)}
	w := fetching(b, server4+":8080", 2, patience)
	w.fetched(t, 20)
	before := d.descriptors()
	for _, c := range []struct{ kind, to string }{
		{"none", "0.0.0.0:0"},
		{"syn", server4 + ":81"},
		{"syn", server4 + ":7001"},
		{"syn", silent4 + ":80"},
		{"syn", server4 + ":0"},
		{"udp", server4 + ":0"},
		{"udp", silent4 + ":0"},
		{"dns", "10.0.2.3:53"},
	} {
		t.Run(c.kind+" "+c.to, func(t *testing.T) {
			own, err := dialIn(a, echo, patience) // of the flooded attachment
			if err == nil { err = own.SetDeadline(time.Now().Add(patience)) }
			for _, k := range kept { k.SetDeadline(time.Now().Add(patience)) }
			if err != nil {
				t.Fatal(err)
			}
			defer own.Close()
			done, began := w.count(), time.Now()
			cmd := l.inside(a).command(t.Context(), root, "netnsd-client", "flood", c.kind, c.to, strconv.Itoa(packets))
			out, err := cmd.Output()
			if string(out) != "ok\n" || err != nil {
				t.Fatalf("%q, %v", out, err)
			}
			took := time.Since(began)
			talk{own}.say(t, "still")
			for _, k := range kept {
				k.say(t, "still")
			}
			t.Logf("%d packets in %v; the neighbour fetched %d MiB, %.0f/s; %d MiB resident, %d descriptors (%d)",
				packets, took.Round(time.Millisecond), w.count()-done, float64(w.count()-done)/took.Seconds(), d.resident()>>20, d.descriptors(), before)
			if m := d.resident(); m > floodMemory {
				t.Errorf("%d MiB of memory", m>>20)
			}
		})
	}
	for _, k := range kept {
		k.Close()
	}
	w.end(t)
	var s control.Status
	d.ask("/v1/status", &s)
	t.Logf("%+v", s.Attachments)
	d.stop()
}

// deafDNS is a name server that never answers.
func (l *lab) deafDNS(port int) string {
	addr := fmt.Sprintf("%s:%d", server4, port)
	l.answer(addr, func([]byte) []byte { return nil })
	return addr
}

// count is how many fetches have ended.
func (w *load) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done
}

// resident is the memory of the daemon, bytes.
func (d *served) resident() (n int) {
	d.l.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		d.l.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			fmt.Sscan(rest, &n)
		}
	}
	return n << 10
}
