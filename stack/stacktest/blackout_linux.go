package stacktest

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Blackout is a trial: bytes flow, it is dark, they flow on and none is lost or
// changed.
type Blackout struct {
	Faults *Faults
	Silent bool // nobody is told; else the device is down
	For    time.Duration
	// Kernel is the connection's end in Linux, which resumes with its next RTO;
	// our end resumes within a second of the light.
	Kernel, From, To net.Conn
}

// TrialBlackout holds the trial and logs when what resumed.
func TrialBlackout(t testing.TB, b Blackout) {
	t.Helper()
	p := StartPour(b.From, b.To, -1, 30*time.Second)
	if _, ok := p.AwaitMore(0, 8<<20, 10*time.Second); !ok {
		t.Fatal("nothing passes before the blackout")
	}
	b.light(false)
	time.Sleep(b.For)
	at, rto := p.Received.Load(), kernelRTO(t, b.Kernel)
	b.light(true)
	on := time.Now()
	rto = max(rto, kernelRTO(t, b.Kernel)) // it may just have doubled
	limit := time.Second
	if b.From == b.Kernel {
		limit = rto + 500*time.Millisecond // beside other tests
	}
	first, ok := p.AwaitMore(at, 1, 20*time.Second)
	if !ok || first.Sub(on) > limit {
		t.Errorf("resumed %v after the light, want %v; the kernel's RTO is %v", first.Sub(on), limit, rto)
	}
	more, ok := p.AwaitMore(at, 8<<20, 20*time.Second)
	p.Stop()
	if err := p.Wait(); err != nil || !ok {
		t.Fatal(ok, err)
	}
	t.Logf("resumed %v after the light, 8 MiB after %v; the kernel's RTO: %v", first.Sub(on), more.Sub(on), rto)
}

func (b *Blackout) light(on bool) {
	switch {
	case b.Silent:
		b.Faults.Dark(!on)
	case on:
		b.Faults.Set(On)
	default:
		b.Faults.Set(Down)
	}
}

// kernelRTO is the time after which the kernel sends again next.
func kernelRTO(t testing.TB, c net.Conn) (rto time.Duration) {
	t.Helper()
	rc, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	rc.Control(func(fd uintptr) {
		var info *unix.TCPInfo
		if info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			rto = time.Duration(info.Rto) * time.Microsecond
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return rto
}
