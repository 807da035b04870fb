package stack_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"

	"github.com/netnsd/netnsd/stack"
)

func full(a netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{Addr: stack.ToAddress(a.Addr()), Port: a.Port()}
}

func proto(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}

// listen on s, at a's address.
func listen(t testing.TB, s *stack.Stack, a netip.AddrPort) net.Listener {
	t.Helper()
	l, err := gonet.ListenTCP(s.TCPIP(), full(a), proto(a.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(s *stack.Stack, a netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return gonet.DialContextTCP(ctx, s.TCPIP(), full(a), proto(a.Addr()))
}

// noise is n bytes that no error leaves alike.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// transfer sends data from c to d, closes c for writing, and compares.
func transfer(c, d net.Conn, data []byte) error {
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(c, bytes.NewReader(data))
		if err == nil {
			err = c.(interface{ CloseWrite() error }).CloseWrite()
		}
		sent <- err
	}()
	h := sha256.New()
	n, err := io.Copy(h, d)
	if err != nil {
		return err
	}
	if err := <-sent; err != nil {
		return err
	}
	want := sha256.Sum256(data)
	if n != int64(len(data)) || !bytes.Equal(h.Sum(nil), want[:]) {
		return &mismatch{n, len(data)}
	}
	return nil
}

type mismatch struct {
	got  int64
	want int
}

func (m *mismatch) Error() string { return "content differs" }

// connect gives both ends of a connection from one stack to the other.
func connect(t testing.TB, from, to *stack.Stack, a netip.AddrPort) (c, d net.Conn) {
	t.Helper()
	l := listen(t, to, a)
	type result struct {
		c   net.Conn
		err error
	}
	accepted := make(chan result, 1)
	go func() {
		c, err := l.Accept()
		accepted <- result{c, err}
	}()
	c, err := dial(from, a)
	if err != nil {
		t.Fatal(err)
	}
	r := <-accepted
	if r.err != nil {
		t.Fatal(r.err)
	}
	t.Cleanup(func() { c.Close(); r.c.Close() })
	return c, r.c
}
