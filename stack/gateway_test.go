package stack_test

import (
	"errors"
	"io"
	"sync"
	"syscall"

	"github.com/netnsd/netnsd/stack"
)

// gateway is a FlowHandler of functions; a nil one ignores.
type gateway struct {
	tcp  func(*stack.Flow)
	udp  func(*stack.Datagram)
	echo func(*stack.Echo)
}

func (g gateway) TCP(f *stack.Flow) {
	if g.tcp != nil {
		g.tcp(f)
	}
}

func (g gateway) UDP(d *stack.Datagram) {
	if g.udp != nil {
		g.udp(d)
	}
}

func (g gateway) Echo(e *stack.Echo) {
	if g.echo != nil {
		g.echo(e)
	}
}

// waiter turns Watch into blocking, for handlers on goroutines of their own.
type waiter struct{ c chan struct{} }

func watch(f *stack.Flow) waiter {
	w := waiter{make(chan struct{}, 1)}
	f.Watch(func(stack.FlowEvents) {
		select {
		case w.c <- struct{}{}:
		default:
		}
	})
	return w
}

// receive reads f to its end through leases.
func receive(f *stack.Flow, w waiter, sink io.Writer) error {
	for {
		_, err := f.Peek(1<<20, func(bufs [][]byte) int {
			n := 0
			for _, b := range bufs {
				m, _ := sink.Write(b)
				n += m
			}
			return n
		})
		switch {
		case errors.Is(err, syscall.EAGAIN):
			<-w.c
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// send fills f from data.
func send(f *stack.Flow, w waiter, data []byte) error {
	for len(data) > 0 {
		n, err := f.Fill(len(data), func(b []byte) (int, error) {
			n := copy(b, data)
			data = data[n:]
			return n, nil
		})
		_ = n
		if errors.Is(err, syscall.EAGAIN) {
			<-w.c
		} else if err != nil {
			return err
		}
	}
	return nil
}

// echoTCP accepts, returns everything that arrives when it has ended, and
// closes.
func echoTCP(f *stack.Flow) {
	if f.Accept() != nil {
		return
	}
	w := watch(f)
	defer f.Watch(nil)
	var b buffer
	if receive(f, w, &b) != nil || send(f, w, b.b) != nil {
		f.Abort()
		return
	}
	f.Close()
}

type buffer struct {
	mu sync.Mutex
	b  []byte
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b = append(b.b, p...)
	return len(p), nil
}
