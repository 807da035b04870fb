//go:build linux

package load

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
)

// streams opens the connections to port, then has each worked on by step.
func (c *client) streams(port uint16, step func(c *client, n conn, i int, b []byte) error) error {
	if err := c.open(port); err != nil {
		return err
	}
	size := chunk
	if c.Conns >= manyConns {
		size = chunkMany
	}
	for i, n := range c.conns {
		b := payload(size)
		if c.Hello != "" {
			if _, err := n.Write(hello(c.Hello)); err != nil {
				return err
			}
		}
		c.work(func() error { return step(c, n, i, b) })
	}
	return nil
}

// openers is how many connections are opened at a time: few, since Linux cuts its
// super-segments by the least round trip that a connection has seen, for minutes
// (tcp_tso_rtt_log), and of a crowd that opens at once most have seen only long
// ones: 64 at a time, 1.7 ms; 4 at a time, 0.1 ms through a TUN. No such crowd is
// asked for here, and a veth, whose SYN-ACK comes within connect, does not care.
const openers = 4

// open opens c.Conns connections.
func (c *client) open(port uint16) error {
	conns, err := openAll(c.Host, port, c.Conns)
	c.conns = conns
	return err
}

func openAll(host netip.Addr, port uint16, n int) ([]conn, error) {
	conns, errs := make([]conn, n), make([]error, n)
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(openers, n) {
		wg.Go(func() {
			for i := range next {
				conns[i], errs[i] = dial(host, port, n)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			for j := range conns {
				if errs[j] == nil {
					conns[j].Abort()
				}
			}
			return nil, fmt.Errorf("connection %d of %d: %w", i+1, n, err)
		}
	}
	return conns, nil
}

func (c *client) write(n conn, i int, b []byte) error {
	m, err := n.Write(b)
	c.per[i].Add(int64(m))
	return err
}

func (c *client) read(n conn, i int, b []byte) error {
	m, err := n.Read(b)
	c.per[i].Add(int64(m))
	return ended(err)
}

func (c *client) pingPong(n conn, i int, b []byte) error {
	if err := roundTrip(n, b); err != nil {
		return err
	}
	c.per[i].Add(1)
	return nil
}

func roundTrip(n conn, b []byte) error {
	if _, err := n.Write(b[:pingSize]); err != nil {
		return err
	}
	_, err := io.ReadFull(n, b[:pingSize])
	return ended(err)
}

// ended names what io.EOF is here.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the server's end of stream in the middle of a load")
	}
	return err
}

// connectors connect, send a byte, wait for one, and reset, over and over.
func (c *client) connectors() error {
	to := netip.AddrPortFrom(c.Host, oncePort)
	for i := range c.Conns {
		c.work(func() error {
			n, err := dialBlocking(to)
			if err != nil {
				return err
			}
			defer n.Abort()
			var b [1]byte
			if _, err := n.Write(b[:]); err != nil {
				return err
			}
			if _, err := n.Read(b[:]); err != nil {
				return ended(err)
			}
			c.per[i].Add(1)
			return nil
		})
	}
	return nil
}
