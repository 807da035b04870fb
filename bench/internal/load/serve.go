//go:build linux

package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"runtime"

	"golang.org/x/sys/unix"
)

// Ports of the servers, the same behind every contender. At port+many stands the
// same server for many connections.
const (
	sinkPort   = 5001
	sourcePort = 5002
	echoPort   = 5003
	oncePort   = 5004 // a byte each way
	udpSink    = 5005
	udpSource  = 5006
	HTTPPort   = 8080
	dnsPort    = 53

	many = 100
)

// PublishedTCP and PublishedUDP are the ports that lead to servers inside.
var (
	PublishedTCP = [2]uint16{sinkPort, oncePort}
	PublishedUDP = [2]uint16{udpSink, udpSource}
)

const (
	// chunk is what one write or read moves at most: what iperf3's large runs and
	// the prototype use.
	chunk = 256 << 10
	// chunkMany is the same where there are thousands.
	chunkMany = 32 << 10
	pingSize  = 64
)

// payload is n bytes to send: written to, since memory that never was is the
// kernel's one page of zeros, whoever reads it, and costs a sender next to nothing.
func payload(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

// A handler serves one connection to its end.
type handler func(c conn, p *Page, size int)

// tcp are the servers of one process: netstack's are the same.
var tcp = map[uint16]handler{sinkPort: sink, sourcePort: source, echoPort: echo, oncePort: once}

func sink(c conn, p *Page, size int) {
	f := p.flow()
	for b := make([]byte, size); ; {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		f.bytes.Add(int64(n))
		p.Bytes.Add(int64(n))
	}
}

func source(c conn, _ *Page, size int) {
	for b := payload(size); ; {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

func echo(c conn, _ *Page, _ int) {
	for b := make([]byte, 2*pingSize); ; {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}

// once answers a byte; the client ends the connection by a reset.
func once(c conn, _ *Page, _ int) {
	var b [1]byte
	if _, err := c.Read(b[:]); err != nil {
		return
	}
	if _, err := c.Write(b[:]); err != nil {
		return
	}
	_, _ = c.Read(b[:])
}

// ServeFew runs the servers for few connections at addr, on the kernel of the
// calling process, for as long as that lives.
func ServeFew(addr netip.Addr, p *Page) error {
	runtime.GOMAXPROCS(2 * manyConns) // threads in blocking calls keep their P
	for port, h := range tcp {
		if err := serveBlocking(netip.AddrPortFrom(addr, port), h, p); err != nil {
			return err
		}
	}
	return serveDatagrams(addr, p)
}

// ServeMany runs those for many, in a process of its own: with as many Ps as the
// others need, thousands of goroutines would run on a hundred threads.
func ServeMany(addr netip.Addr, p *Page) error {
	for port := range tcp {
		l, err := net.Listen("tcp4", netip.AddrPortFrom(addr, port+many).String())
		if err != nil {
			return err
		}
		go ServeListener(l, port, chunkMany, p)
	}
	l, err := net.Listen("tcp4", netip.AddrPortFrom(addr, HTTPPort).String())
	if err != nil {
		return err
	}
	body := payload(128)
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	return nil
}

// Listen is how a session listens.
type Listen func(ctx context.Context, network, address string) (net.Listener, error)

// ServeSession runs the TCP servers on a private stack.
func ServeSession(ctx context.Context, listen Listen, addr netip.Addr, p *Page) error {
	for port := range tcp {
		for at, size := range map[uint16]int{port: chunk, port + many: chunkMany} {
			l, err := listen(ctx, "tcp", netip.AddrPortFrom(addr, at).String())
			if err != nil {
				return err
			}
			go ServeListener(l, port, size, p)
		}
	}
	return nil
}

// ServeListener serves what l accepts as the server at port does, a goroutine a
// connection, until l is closed.
func ServeListener(l net.Listener, port uint16, size int, p *Page) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		go attend(polled{nc}, tcp[port], p, size)
	}
}

func attend(c conn, h handler, p *Page, size int) {
	p.Open.Add(1)
	h(c, p, size)
	c.Abort()
	p.Open.Add(-1)
}

// acceptors are threads that accept and serve: no hand-over in the way of a
// short connection. 16 ping-pongs and 8 streams fit; what comes on top waits.
const acceptors = manyConns

func serveBlocking(at netip.AddrPort, h handler, p *Page) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != nil {
		return fmt.Errorf("bench: bind %s: %w", at, err)
	}
	if err := unix.Listen(fd, 4096); err != nil {
		return fmt.Errorf("bench: listen at %s: %w", at, err)
	}
	for range acceptors {
		go accept(fd, h, p)
	}
	return nil
}

func accept(fd int, h handler, p *Page) {
	for {
		n, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		if err != nil {
			if err == unix.EINTR || err == unix.ECONNABORTED {
				continue
			}
			return
		}
		c := blocking(n)
		_ = unix.SetsockoptInt(n, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		attend(c, h, p, chunk)
	}
}
