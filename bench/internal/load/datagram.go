//go:build linux

package load

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// udpBuffer is the receive buffer of both ends, in bytes: with the kernel's
// 208 KiB the receiver itself loses what comes while it is off its core.
const udpBuffer = 4 << 20

func udpSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("bench: socket: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, udpBuffer); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("bench: receive buffer: %w", err)
	}
	return fd, nil
}

func bound(at netip.AddrPort) (int, error) {
	fd, err := udpSocket()
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("bench: bind %s: %w", at, err)
	}
	return fd, nil
}

func serveDatagrams(addr netip.Addr, p *Page) error {
	for port, serve := range map[uint16]func(int, *Page){udpSink: countDatagrams, udpSource: flood, dnsPort: answerNames} {
		fd, err := bound(netip.AddrPortFrom(addr, port))
		if err != nil {
			return err
		}
		go serve(fd, p)
	}
	return nil
}

func countDatagrams(fd int, p *Page) {
	for b := make([]byte, 2048); ; {
		if _, err := unix.Read(fd, b); err == nil {
			p.Datagrams.Add(1)
		} else if err != unix.EINTR {
			return
		}
	}
}

// floodFor is how long the source goes on after it was last asked.
const floodFor = 200 * time.Millisecond

// flood sends datagrams of the size asked for, its length being that of the
// datagram that asks, to who asks.
func flood(fd int, p *Page) {
	b, out := make([]byte, 2048), payload(2048)
	for {
		n, from, err := unix.Recvfrom(fd, b, 0)
		if err != nil {
			continue
		}
		for until := time.Now().Add(floodFor); time.Now().Before(until); {
			for range 64 {
				if unix.Sendto(fd, out[:n], 0, from) == nil {
					p.Flooded.Add(1)
				}
			}
			if m, next, err := unix.Recvfrom(fd, b, unix.MSG_DONTWAIT); err == nil {
				n, from, until = m, next, time.Now().Add(floodFor)
			}
		}
	}
}

// answerNames answers every question of type A with 192.0.2.1 and every other
// with nothing.
func answerNames(fd int, _ *Page) {
	b := make([]byte, 2048)
	for {
		n, from, err := unix.Recvfrom(fd, b, 0)
		if err != nil {
			continue
		}
		if a, err := nameAnswer(b[:n]); err == nil {
			_ = unix.Sendto(fd, a, 0, from)
		}
	}
}

func nameAnswer(query []byte) ([]byte, error) {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	h.Response, h.RecursionAvailable = true, true
	w := dnsmessage.NewBuilder(nil, h)
	if err := w.StartQuestions(); err != nil {
		return nil, err
	}
	if err := w.Question(q); err != nil {
		return nil, err
	}
	if q.Type == dnsmessage.TypeA {
		if err := w.StartAnswers(); err != nil {
			return nil, err
		}
		rh := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60}
		if err := w.AResource(rh, dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}); err != nil {
			return nil, err
		}
	}
	return w.Finish()
}
