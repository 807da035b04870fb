package tuntest_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netnsd/netnsd/tun"
	"github.com/netnsd/netnsd/tun/tuntest"
)

var (
	_ tuntest.Device = (*tuntest.PipeDevice)(nil)
	_ tuntest.Device = (*tun.Device)(nil)
)

func TestPipeConforms(t *testing.T) {
	for _, cfg := range []tuntest.Config{
		{},
		{HeaderLen: 10, Offloads: tun.OffloadCsum | tun.OffloadTSO4 | tun.OffloadTSO6, MTU: 9000},
		{TAP: true},
		{Queues: 3},
	} {
		t.Run(fmt.Sprintf("%+v", cfg), func(t *testing.T) {
			tuntest.Conform(t, func(t *testing.T) (a, b tuntest.Device) {
				x, y := tuntest.Pipe(cfg)
				t.Cleanup(func() { x.Close(); y.Close() })
				return x, y
			})
		})
	}
}

func TestPipeFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := tuntest.Pipe(tuntest.Config{Depth: 2})
		packet := [][]byte{{1, 2, 3}}
		for i := range 3 {
			_, err := a.WritePacket(0, packet)
			if want := map[bool]error{true: syscall.EAGAIN}[i == 2]; !errors.Is(err, want) {
				t.Fatalf("packet %d: %v, want %v", i, err, want)
			}
		}
		start := time.Now()
		if err := a.WaitWritable(0, start.Add(time.Hour)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Hour {
			t.Errorf("WaitWritable on a full pipe: %v after %v", err, time.Since(start))
		}
		done := make(chan error)
		go func() { done <- a.WaitWritable(0, time.Time{}) }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Errorf("WaitWritable on a full pipe returned %v", err)
		default:
		}
		if _, err := b.ReadPacket(0, [][]byte{make([]byte, 10)}); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestPipeStates(t *testing.T) {
	a, b := tuntest.Pipe(tuntest.Config{})
	s, changed := a.State()
	if want := (tun.State{Up: true, MTU: 1500}); s != want {
		t.Errorf("state %+v, want %+v", s, want)
	}
	a.SetUp(false)
	<-changed
	if n, err := b.WritePacket(0, [][]byte{{1}}); n != 1 || err != nil || a.Lost() != 1 {
		t.Errorf("write to a peer that is down: %d, %v, %d lost", n, err, a.Lost())
	}
	a.SetUp(true)
	a.SetMTU(576)
	if s, _ := a.State(); s != (tun.State{Up: true, Downs: 1, MTU: 576}) || a.MTU() != 576 {
		t.Errorf("state %+v, MTU %d", s, a.MTU())
	}
	a.Vanish()
	if s, _ := a.State(); s.Up || !errors.Is(s.Err, tun.ErrGone) {
		t.Errorf("state of a vanished device %+v", s)
	}
	a.Close()
	if s, _ := a.State(); !errors.Is(s.Err, os.ErrClosed) {
		t.Errorf("state of a closed device %+v", s)
	}
}

func TestUDPPacket(t *testing.T) {
	for _, c := range []struct{ src, dst string }{
		{"198.18.1.2:4001", "198.18.2.2:4002"},
		{"[fd00::1]:4001", "[fd00::2]:4002"},
	} {
		p := tuntest.UDPPacket(netip.MustParseAddrPort(c.src), netip.MustParseAddrPort(c.dst), []byte("odd"))
		if got, ok := tuntest.UDPPayload(p, 4002); !ok || string(got) != "odd" {
			t.Errorf("%s: payload %q, %v", c.src, got, ok)
		}
		if _, ok := tuntest.UDPPayload(p, 4001); ok {
			t.Errorf("%s: a packet for another port was taken", c.src)
		}
	}
}

func FuzzUDPPayload(f *testing.F) {
	f.Add(tuntest.UDPPacket(tuntest.AddrA, tuntest.AddrB, []byte("x")), uint16(4002))
	f.Fuzz(func(t *testing.T, packet []byte, port uint16) {
		if p, ok := tuntest.UDPPayload(packet, port); ok && len(p) > len(packet)-28 {
			t.Errorf("%d bytes of payload in %d", len(p), len(packet))
		}
	})
}
