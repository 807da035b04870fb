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
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := make(map[io.Closer]struct{})
	stop = func() {
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	}
	for port, serve := range map[int]func(net.Conn, []byte){sinkPort: sink, sourcePort: source, echoPort: echo} {
		l, err := listen(port)
		if err != nil {
			stop()
			return nil, err
		}
		open[l] = struct{}{}
		wg.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				mu.Lock()
				open[c] = struct{}{}
				mu.Unlock()
				wg.Go(func() {
					serve(c, make([]byte, chunk))
					mu.Lock()
					delete(open, c)
					mu.Unlock()
					c.Close()
				})
			}
		})
	}
	return stop, nil
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
