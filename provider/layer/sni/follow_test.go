package sni_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider/layer/sni"
)

// A server that takes no key share of the program's asks for a second hello, and gets
// it; one of TLS 1.2 goes on another way, and sends a Finished where the other hello
// would be when a session is resumed.
func TestSecondHello(t *testing.T) {
	s := session(t, sni.Config{}, "good.example")
	for what, c := range map[string]*tls.Config{
		"retry": {CurvePreferences: []tls.CurveID{tls.CurveP384}},
		"1.3":   {},
		"1.2":   {MaxVersion: tls.VersionTLS12},
	} {
		addr, hellos := serverOf(t, c)
		sessions := tls.NewLRUClientSessionCache(1)
		for _, piece := range []int{1 << 20, 1} {
			conn, err := s.DialContext(t.Context(), "tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			client := tls.Client(piecewise{conn, piece}, &tls.Config{
				ServerName: "good.example", InsecureSkipVerify: true, ClientSessionCache: sessions, CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP384, tls.CurveP256},
			})
			io.WriteString(client, "GET / HTTP/1.0\r\n\r\n")
			got, err := io.ReadAll(client)
			state := client.ConnectionState()
			if err != nil || !bytes.HasPrefix(got, []byte("HTTP/1.0 404 ")) || state.HelloRetryRequest != (what == "retry") || state.DidResume != (piece == 1) {
				t.Errorf("%s, in pieces of %d: %q, %v; a second hello: %v; resumed: %v", what, piece, got, err, state.HelloRetryRequest, state.DidResume)
			}
			conn.Close()
		}
		if n := hellos.Load(); n != 2 {
			t.Errorf("%s: %d hellos", what, n)
		}
	}
}

// asks makes a hello for name with these further extensions, by which TLS 1.3 is offered.
func asks(name string, more ...byte) []byte {
	return asks12(name, append([]byte{0, 43, 0, 3, 2, 3, 4}, more...)...)
}

// asks12 is asks for TLS 1.2.
func asks12(name string, more ...byte) []byte {
	n := byte(len(name))
	return with(append(append([]byte{0, 0, 0, n + 5, 0, n + 3, 0, 0, n}, name...), more...)...)
}

// finished is a Finished of TLS 1.2, in a record of the type of a handshake that is
// encrypted.
func finished(ciphertext ...byte) []byte {
	b := append([]byte{22, 3, 3, 0, 64}, ciphertext...)
	return append(b, make([]byte, 5+64-len(b))...)
}

// A second hello that says something else than the first, whatever stands between
// them, does not get to the server; what is none does.
func TestSecondHelloLies(t *testing.T) {
	good, evil := asks("good.example"), asks("evil.example")
	early := asks("good.example", 0, 42, 0, 0)
	ccs, warning, data, key := []byte{20, 3, 3, 0, 1, 1}, []byte{21, 3, 3, 0, 2, 1, 90}, []byte{23, 3, 3, 0, 3, 1, 2, 3}, []byte{22, 3, 3, 0, 4, 16, 0, 0, 0}
	both := slices.Concat([]byte{22, 3, 1, 0, byte(len(good) + len(evil) - 10)}, good[5:], evil[5:])
	for what, c := range map[string]struct {
		says [][]byte
		ok   bool
	}{
		"the same":                       {[][]byte{good, ccs, good, evil}, true}, // servers ask once
		"without early data now":         {[][]byte{early, data, good}, true},
		"another":                        {[][]byte{good, evil}, false},
		"after what servers pass over":   {[][]byte{good, ccs, warning, ccs, evil}, false},
		"after data that they skip":      {[][]byte{early, ccs, data, data, evil}, false},
		"in records of a byte":           {[][]byte{good, ccs, cut(evil, 1)}, false},
		"in the record of the first":     {[][]byte{both}, false},
		"of a version that is none":      {[][]byte{good, {22, 0, 0}, evil[3:]}, false},
		"behind a record of nothing":     {[][]byte{good, {22, 3, 3, 0, 0}, evil}, false},
		"behind data of nothing":         {[][]byte{good, {23, 3, 3, 0, 0}, evil}, false},
		"with ECH":                       {[][]byte{good, asks("good.example", 0xfe, 0x0d, 0, 1, 0)}, false},
		"without a name":                 {[][]byte{good, with(0, 43, 0, 3, 2, 3, 4)}, false},
		"one that OpenSSL takes":         {[][]byte{good, ccs, evil[:6], {2}, evil[7:]}, false},
		"none, a session is resumed":     {[][]byte{good, ccs, finished(1, 3, 0, 0), evil}, true},
		"none, likewise":                 {[][]byte{good, ccs, finished(append([]byte{1, 0, 0, 200}, bytes.Repeat([]byte{0xff}, 60)...)...)}, true},
		"none, and data follows":         {[][]byte{good, ccs, finished(1, 0, 0, 200), data}, true},
		"perhaps, and data follows":      {[][]byte{early, ccs, finished(1, 0, 0, 200), data}, false},
		"perhaps, and a warning follows": {[][]byte{good, ccs, finished(1, 0, 0, 200), warning, data}, false},
		"none, as nobody asks for one":   {[][]byte{asks12("good.example"), ccs, finished(1, 0, 0, 200), evil}, true},
		"none, data":                     {[][]byte{good, ccs, data, evil}, true}, // is ciphertext to a server
		"none, a key":                    {[][]byte{good, key, evil}, true},
		"none, as the data was too much": {append([][]byte{early}, slices.Repeat([][]byte{slices.Concat([]byte{23, 3, 3, 0x40, 0}, make([]byte, 1<<14))}, 6)...), true},
		"none, not TLS any more":         {[][]byte{good, []byte("GET / HTTP/1.1\r\n")}, true},
		"none, the end":                  {[][]byte{good}, true},
		"none, the end in a record":      {[][]byte{good, ccs[:4]}, true},
	} {
		for _, piece := range []int{1 << 20, 1} {
			says := bytes.Join(c.says, nil)
			if piece == 1 && len(says) > 1<<12 {
				continue
			}
			addr, heard := recorder(t)
			conn, err := session(t, sni.Config{}, "good.example").DialContext(t.Context(), "tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err = (piecewise{conn, piece}).Write(says); err == nil {
				err = conn.(interface{ CloseWrite() error }).CloseWrite()
			}
			if err == nil {
				_, err = io.Copy(io.Discard, conn)
			}
			conn.Close()
			got := <-heard
			if c.ok && (err != nil || !bytes.Equal(got, says)) {
				t.Errorf("%s, in pieces of %d: %d of %d bytes got there, %v", what, piece, len(got), len(says), err)
			}
			if !c.ok && (!errors.Is(err, syscall.EACCES) || strings.Contains(string(got), "evil") || !bytes.HasPrefix(says, got) || len(got) >= len(says)) {
				t.Errorf("%s, in pieces of %d: %v; the server has seen %q", what, piece, err, got)
			}
		}
	}
}

// recorder is a server that says nothing, and tells what its one client has said.
func recorder(t *testing.T) (addr string, heard <-chan []byte) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	all := make(chan []byte, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			close(all)
			return
		}
		defer c.Close()
		b, _ := io.ReadAll(c)
		all <- b
	}()
	return l.Addr().String(), all
}
