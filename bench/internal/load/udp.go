//go:build linux

package load

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// socket is a connected UDP socket of the client.
func (c *client) socket(to netip.AddrPort) (fd int, err error) {
	if fd, err = udpSocket(); err != nil {
		return -1, err
	}
	if err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("connect to %s: %w", to, err)
	}
	c.conns = append(c.conns, datagrams(fd))
	return fd, nil
}

// datagrams is a conn so that stop ends it.
type datagrams int

func (d datagrams) Read(b []byte) (int, error)  { return unix.Read(int(d), b) }
func (d datagrams) Write(b []byte) (int, error) { return unix.Write(int(d), b) }
func (d datagrams) Wake()                       { _ = unix.Shutdown(int(d), unix.SHUT_RDWR) }
func (d datagrams) Abort()                      { unix.Close(int(d)) }

// sender sends as fast as it can. What the kernel does not take is not sent, and
// refusals that came back are not its business.
func (c *client) sender() error {
	fd, err := c.socket(netip.AddrPortFrom(c.Host, udpSink))
	if err != nil {
		return err
	}
	b := payload(c.Size)
	c.work(func() error {
		switch _, err := unix.Write(fd, b); {
		case err == nil:
			c.sent.Add(1)
		case errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.EINTR):
			c.errors.Add(1)
		default:
			return fmt.Errorf("send: %w", err)
		}
		return nil
	})
	return nil
}

// flooded asks the source for datagrams and counts what comes.
func (c *client) flooded() error {
	fd, err := c.socket(netip.AddrPortFrom(c.Host, udpSource))
	if err != nil {
		return err
	}
	question := payload(c.Size)
	c.work(func() error {
		if _, err := unix.Write(fd, question); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		time.Sleep(floodFor / 4)
		return nil
	})
	b := make([]byte, 2048)
	c.work(func() error {
		n, err := unix.Read(fd, b)
		if n > 0 {
			c.per[0].Add(1)
		}
		if err == unix.EINTR || n == 0 && err == nil {
			return nil
		}
		return err
	})
	return nil
}

// askWait is how long an answer may take before the question is given up and
// counted as failed.
const askWait = time.Second

// askers ask for the address of names that nobody has asked for before.
func (c *client) askers() error {
	for i := range c.Conns {
		fd, err := c.socket(c.DNS)
		if err != nil {
			return err
		}
		tv := unix.NsecToTimeval(askWait.Nanoseconds())
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
			return err
		}
		in := make([]byte, 2048)
		var id [10]byte
		_, _ = rand.Read(id[:])
		c.work(func() error {
			binary.BigEndian.PutUint64(id[:], binary.BigEndian.Uint64(id[:])+1)
			if err := ask(fd, id, in); err != nil {
				if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.ECONNREFUSED) {
					return err
				}
				c.errors.Add(1)
				return nil
			}
			c.per[i].Add(1)
			return nil
		})
	}
	return nil
}

// ask puts one question and waits for its answer.
func ask(fd int, id [10]byte, in []byte) error {
	name := dnsmessage.MustNewName(fmt.Sprintf("n%x.bench.test.", id))
	q := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: binary.BigEndian.Uint16(id[6:]), RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	out, err := q.Pack()
	if err != nil {
		return err
	}
	if _, err := unix.Write(fd, out); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	for {
		n, err := unix.Read(fd, in)
		if err == unix.EINTR { // SO_RCVTIMEO: such calls are not restarted, see signal(7)
			continue
		}
		if err != nil {
			return fmt.Errorf("wait for an answer: %w", err)
		}
		var p dnsmessage.Parser
		h, err := p.Start(in[:n])
		if err != nil || h.ID != q.ID {
			continue // the answer to a question given up
		}
		if h.RCode != dnsmessage.RCodeSuccess {
			return fmt.Errorf("the name service answered %v", h.RCode)
		}
		return nil
	}
}
