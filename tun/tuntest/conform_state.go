package tuntest

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

func conformClose(t *testing.T, a, b Device) {
	if b.Queues() > 1 {
		for q := 1; q < b.Queues(); q++ {
			read(b, q, AddrB.Port())
		}
	}
	atB := read(b, 0, AddrB.Port())
	write(t, a, 0, frame(a, UDPPacket(AddrA, AddrB, []byte("x"))))
	if b.Queues() == 1 {
		atB.next(t) // so the reader runs
	}
	if err := b.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	closed := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, net.ErrClosed) || !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s after Close: %v, want net.ErrClosed and os.ErrClosed", what, err)
		}
	}
	closed("parked ReadPacket", atB.ended(t))
	_, err := b.ReadPacket(0, [][]byte{make([]byte, 100)})
	closed("ReadPacket", err)
	_, err = b.WritePacket(0, [][]byte{make([]byte, 100)})
	closed("WritePacket", err)
	closed("WaitWritable", b.WaitWritable(0, time.Time{}))
	if err := b.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func conformDown(t *testing.T, a, b Device) {
	link, ok := a.(interface{ SetUp(bool) error })
	if !ok {
		t.Skip("the device has no SetUp")
	}
	if err := link.SetUp(false); err != nil {
		t.Fatal(err)
	}
	f := frame(a, UDPPacket(AddrA, AddrB, []byte("down")))
	if _, err := a.WritePacket(0, [][]byte{f}); !errors.Is(err, syscall.EIO) {
		t.Errorf("WritePacket while down: %v, want EIO", err)
	}
	if err := a.WaitWritable(0, time.Now()); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("WaitWritable while down: %v, want os.ErrDeadlineExceeded", err)
	}
	woken := make(chan error, 2)
	for range 2 { // one waits on the descriptor, the other on the first
		go func() { woken <- a.WaitWritable(0, time.Now().Add(patience)) }()
	}
	if err := link.SetUp(true); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-woken; err != nil {
			t.Errorf("WaitWritable, link up again: %v", err)
		}
	}
	if _, err := a.WritePacket(0, [][]byte{f}); err != nil {
		t.Errorf("WritePacket, link up again: %v", err)
	}
}

func conformVanish(t *testing.T, a, b Device) {
	d, ok := b.(interface{ Vanish() error })
	if !ok {
		t.Skip("the device has no Vanish")
	}
	if b.Queues() > 1 {
		t.Skip("one queue is enough")
	}
	atB := read(b, 0, AddrB.Port())
	write(t, a, 0, frame(a, UDPPacket(AddrA, AddrB, []byte("x"))))
	atB.next(t)
	if err := d.Vanish(); err != nil {
		t.Fatal(err)
	}
	gone := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ebadfd) {
			t.Errorf("%s on a deleted device: %v, want EBADFD", what, err)
		}
	}
	gone("parked ReadPacket", atB.ended(t))
	_, err := b.ReadPacket(0, [][]byte{make([]byte, 100)})
	gone("ReadPacket", err)
	_, err = b.WritePacket(0, [][]byte{make([]byte, 100)})
	gone("WritePacket", err)
	gone("WaitWritable", b.WaitWritable(0, time.Time{}))
}
