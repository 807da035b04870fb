package gateway_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets/gateway"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// TestSlowReader: a program that reads a kilobyte now and then holds what the buffers
// of one connection hold, and a hundred others are served as if it were not there.
func TestSlowReader(t *testing.T) {
	const most = 32 << 20 // both stacks' and the network's buffers of one connection, generously
	for name, layer := range map[string]provider.Layer{"shared": allowing{}, "own": new(looks)} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, gateway.Config{}, layer)
			endless := make(chan int, 1)
			w.listen(t, server4+":1", func(c net.Conn) {
				n, b := 0, make([]byte, 64<<10)
				for {
					m, err := c.Write(b)
					if n += m; err != nil {
						endless <- n
						return
					}
				}
			})
			w.listen(t, server4+":7", echo)
			slow, err := w.dial(t, "tcp", server4+":1")
			if err != nil {
				t.Fatal(err)
			}
			read := 0
			sip := func() {
				n, err := io.ReadFull(slow, make([]byte, 1<<10))
				if read += n; err != nil {
					t.Error(err)
				}
			}
			sip()
			data := payload(256 << 10)
			var fast sync.WaitGroup
			for range 100 {
				fast.Go(func() {
					c, err := w.program.DialContext(t.Context(), "tcp", server4+":7")
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					if err := stacktest.StartPour(c, c, int64(len(data)), 60*time.Second).Wait(); err != nil {
						t.Error(err)
					}
				})
			}
			fast.Wait()
			sip()
			slow.(interface{ SetLinger(int) error }).SetLinger(0)
			slow.Close()
			if n := <-endless; n-read > most {
				t.Errorf("%d bytes were taken for a program that has read %d", n, read)
			}
		})
	}
}

// A layer whose answers cannot be: the flow errs or stands still, others go on.
type talksRubbish struct {
	first   chan *provider.Socket
	of      *provider.Socket
	rubbish func(m *provider.Msg) (int, wsa.Errno)
}

func (l *talksRubbish) Startup(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	var mu sync.Mutex
	say := func(next func(*provider.Socket, *provider.Msg) (int, wsa.Errno)) func(*provider.Socket, *provider.Msg) (int, wsa.Errno) {
		return func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
			mu.Lock()
			if l.of == nil {
				l.of = s
				close(l.first)
			}
			mine := l.of == s
			mu.Unlock()
			if mine {
				return l.rubbish(m)
			}
			return next(s, m)
		}
	}
	return provider.ProcTable{
		WSPRecv: say(next.WSPRecv), WSPRecvFrom: next.WSPRecvFrom,
		WSPSend: say(next.WSPSend), WSPSendTo: next.WSPSendTo,
	}, 0
}

// TestLayerTalksRubbish: what a layer answers that no socket would costs its own flow,
// in the end, and nobody else's.
func TestLayerTalksRubbish(t *testing.T) {
	for name, rubbish := range map[string]func(*provider.Msg) (int, wsa.Errno){
		"too much":            func(m *provider.Msg) (int, wsa.Errno) { return 1 << 30, 0 },
		"less than nothing":   func(*provider.Msg) (int, wsa.Errno) { return -1, 0 },
		"nothing":             func(*provider.Msg) (int, wsa.Errno) { return 0, 0 },
		"bytes and an error":  func(*provider.Msg) (int, wsa.Errno) { return 1, wsa.ECONNRESET },
		"no error of anybody": func(*provider.Msg) (int, wsa.Errno) { return 0, 12345 },
		"a panic":             func(*provider.Msg) (int, wsa.Errno) { panic("rubbish") },
	} {
		t.Run(name, func(t *testing.T) {
			l := &talksRubbish{first: make(chan *provider.Socket), rubbish: rubbish}
			w := newWorld(t, gateway.Config{}, l)
			w.listen(t, server4+":7", echo)
			a, err := w.dial(t, "tcp", server4+":7")
			if err != nil {
				t.Fatal(err)
			}
			a.Write([]byte("x"))
			<-l.first
			for range 10 {
				b, err := w.dial(t, "tcp", server4+":7")
				if err != nil {
					t.Fatal(err)
				}
				pingPong(t, b)
				b.Close()
			}
			a.Close()
			settles(t, "ended", 0)
		})
	}
}

// TestLayerErrorEndsTheFlow: a send that a layer fails ends the flow also while the
// other side has always something to say.
func TestLayerErrorEndsTheFlow(t *testing.T) {
	w := newWorld(t, gateway.Config{}, failsSends{})
	w.listen(t, server4+":1", func(c net.Conn) {
		for b := make([]byte, 64<<10); ; {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	})
	c, err := w.dial(t, "tcp", server4+":1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	c.Write([]byte("x"))
	if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want a reset", err)
	}
}

type failsSends struct{}

func (failsSends) Startup(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	fail := func(*provider.Socket, *provider.Msg) (int, wsa.Errno) { return 0, wsa.EACCES }
	return provider.ProcTable{WSPSend: fail, WSPSendTo: next.WSPSendTo}, 0
}

// TestResetWaitsForTheProgram: what a server sent before its reset waits for a program
// that does not read yet, however much the program itself says meanwhile.
func TestResetWaitsForTheProgram(t *testing.T) {
	for range 5 {
		if resetWaits(t) {
			return
		}
	}
	t.Skip("five times this machine stood still for about as long as a reset waits")
}

// resetWaits is false if the program was too slow for a verdict.
func resetWaits(t *testing.T) bool {
	w := newWorld(t, gateway.Config{}, allowing{})
	data := payload(64 << 20)
	sent := make(chan int, 1)
	w.listen(t, server4+":1", func(c net.Conn) {
		c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		n, _ := c.Write(data) // as much as there is room for
		c.(interface{ SetLinger(int) error }).SetLinger(0)
		c.Close()
		sent <- n
	})
	c, err := w.dial(t, "tcp", server4+":1")
	if err != nil {
		t.Fatal(err)
	}
	n, begin := <-sent, time.Now()
	for range 3000 { // wakes beyond the looks that a reset takes
		if _, err := c.Write([]byte("x")); err != nil {
			break
		}
		runtime.Gosched()
	}
	if time.Since(begin) > 300*time.Millisecond {
		return false
	}
	got, err := io.ReadAll(c)
	if !bytes.Equal(got, data[:n]) || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%d of %d bytes, and %v; want ECONNRESET", len(got), n, err)
	}
	return true
}
