package bench

import (
	"io"
	"net"
	"sync"
)

// Ports of the servers, the same in every variant.
const (
	sinkPort   = 5001
	sourcePort = 5002
	echoPort   = 5003
)

// chunk is what one write or read moves at most: what iperf3 and the prototype use.
const chunk = 256 << 10

// servers run one server a workload until stop, which waits for all of it.
func servers(listen func(port int) (net.Listener, error)) (stop func(), err error) {
	s := &serving{open: make(map[io.Closer]struct{})}
	for port, serve := range map[int]func(net.Conn, []byte){sinkPort: sink, sourcePort: source, echoPort: echo} {
		l, err := listen(port)
		if err != nil {
			s.stop()
			return nil, err
		}
		s.keep(l)
		s.running.Go(func() { s.accept(l, serve) })
	}
	return s.stop, nil
}

// serving is what stop has to close.
type serving struct {
	running sync.WaitGroup
	mu      sync.Mutex
	open    map[io.Closer]struct{} // nil once stopped
}

func (s *serving) accept(l net.Listener, serve func(net.Conn, []byte)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if !s.keep(c) {
			c.Close()
			return
		}
		s.running.Go(func() {
			defer s.drop(c)
			serve(c, make([]byte, chunk))
		})
	}
}

// keep is false when it is too late.
func (s *serving) keep(c io.Closer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		return false
	}
	s.open[c] = struct{}{}
	return true
}

func (s *serving) drop(c io.Closer) {
	s.mu.Lock()
	delete(s.open, c)
	s.mu.Unlock()
	c.Close()
}

func (s *serving) stop() {
	s.mu.Lock()
	open := s.open
	s.open = nil
	s.mu.Unlock()
	for c := range open {
		c.Close()
	}
	s.running.Wait()
}

func sink(c net.Conn, b []byte) {
	for {
		if _, err := c.Read(b); err != nil {
			return
		}
	}
}

func source(c net.Conn, b []byte) {
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

func echo(c net.Conn, b []byte) {
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}
