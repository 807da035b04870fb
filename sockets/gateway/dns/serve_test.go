package dns

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// answering makes what a server sends back for a query, each in a message.
type answering func(q dnsmessage.Message, network string) []dnsmessage.Message

func (a answering) bytes(query []byte, network string) (all [][]byte) {
	var q dnsmessage.Message
	if q.Unpack(query) != nil {
		return nil
	}
	for _, m := range a(q, network) {
		if b, err := m.Pack(); err == nil {
			all = append(all, b)
		}
	}
	return all
}

// serve answers on a port of loopback, by UDP and TCP, until the test ends.
func serve(t testing.TB, a answering) netip.AddrPort {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		pc, err := net.ListenPacket("udp", l.Addr().String())
		if err != nil { // somebody has that port
			l.Close()
			continue
		}
		var wg sync.WaitGroup
		wg.Go(func() { serveUDP(pc, a) })
		wg.Go(func() { serveStreams(l, a) })
		t.Cleanup(func() { l.Close(); pc.Close(); wg.Wait() })
		return netip.MustParseAddrPort(l.Addr().String())
	}
}

func serveUDP(pc net.PacketConn, a answering) {
	b := make([]byte, 1<<16)
	for {
		n, from, err := pc.ReadFrom(b)
		if err != nil {
			return
		}
		for _, m := range a.bytes(b[:n], "udp") {
			pc.WriteTo(m, from)
		}
	}
}

// serveStreams serves a listener and closes every connection at its end.
func serveStreams(l net.Listener, a answering) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	open := map[net.Conn]bool{}
	for {
		c, err := l.Accept()
		if err != nil {
			break
		}
		mu.Lock()
		open[c] = true
		mu.Unlock()
		wg.Go(func() {
			defer c.Close()
			var size [2]byte
			for {
				if _, err := io.ReadFull(c, size[:]); err != nil {
					return
				}
				b := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := io.ReadFull(c, b); err != nil {
					return
				}
				for _, m := range a.bytes(b, "tcp") {
					c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
				}
			}
		})
	}
	mu.Lock()
	for c := range open {
		c.Close()
	}
	mu.Unlock()
	wg.Wait()
}

// certified is a certificate of a CA of the test, for a name, and that CA.
func certified(t testing.TB, name string) (*tls.Config, *x509.CertPool) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: k, Leaf: leaf}}}, roots
}
