package stack_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netnsd/netnsd/stack"
)

// filling is a flow behind a gateway that accepts everything, and its program.
func filling(t *testing.T, c stack.Config) (f *stack.Flow, program io.Reader, more func()) {
	flows := make(chan *stack.Flow, 100)
	p := pairWith(t, gateway{tcp: func(f *stack.Flow) {
		if err := f.Accept(); err != nil {
			t.Error(err)
		}
		flows <- f
	}}, c)
	open := func() io.Reader {
		c, err := dial(p.B, foreign)
		if err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		t.Cleanup(func() { c.Close() })
		return c
	}
	program = open()
	return <-flows, program, func() { open() }
}

// What fn gave is queued, also if the connection's share of the buffers becomes
// smaller while fn runs.
func TestFillWhileBuffersShrink(t *testing.T) {
	for _, short := range []bool{false, true} {
		f, program, more := filling(t, stack.Config{BufferBudget: 2 << 20})
		data := noise(512 << 10)
		given, first := 0, true
		n, err := f.Fill(len(data), func(b []byte) (int, error) {
			if first {
				first = false
				for range 40 {
					more()
				}
			}
			if short && given > 300<<10 {
				return 0, syscall.EAGAIN
			}
			k := copy(b, data[given:])
			given += k
			return k, nil
		})
		if n != given || err != nil && !(short && errors.Is(err, syscall.EAGAIN)) {
			t.Errorf("fn gave %d bytes, %d were queued, %v", given, n, err)
		}
		f.CloseWrite()
		if got, err := io.ReadAll(program); err != nil || !bytes.Equal(got, data[:given]) {
			t.Errorf("fn gave %d bytes, the program got %d, %v", given, len(got), err)
		}
	}
}

// Abort within fn takes effect when Fill returns.
func TestAbortDuringFill(t *testing.T) {
	f, program, _ := filling(t, stack.Config{})
	aborted := make(chan struct{})
	n, err := f.Fill(10, func(b []byte) (int, error) {
		go func() { f.Abort(); close(aborted) }()
		<-aborted
		return copy(b, "0123456789"), nil
	})
	if n != 10 || err != nil {
		t.Errorf("fill: %d, %v", n, err)
	}
	if _, err := io.ReadAll(program); err == nil || !strings.Contains(err.Error(), "reset") { // gonet gives text
		t.Errorf("the program saw %v, want a reset", err)
	}
	if _, err := f.Fill(1, func([]byte) (int, error) { t.Error("fn is called"); return 0, nil }); err == nil {
		t.Error("an aborted flow can be filled")
	}
}
