package sni_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider/layer/sni"
)

// hello is what crypto/tls sends first.
func hello(t testing.TB, c *tls.Config) []byte {
	t.Helper()
	client, server := net.Pipe()
	defer server.Close()
	go func() { // ends with the pipe
		defer client.Close()
		tls.Client(client, c).HandshakeContext(context.Background())
	}()
	head := make([]byte, 5)
	if _, err := io.ReadFull(server, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint16(head[3:]))
	if _, err := io.ReadFull(server, body); err != nil {
		t.Fatal(err)
	}
	return append(head, body...)
}

func named(t testing.TB, name string, alpn ...string) []byte {
	return hello(t, &tls.Config{ServerName: name, NextProtos: alpn, InsecureSkipVerify: true})
}

// cut puts the message into records of n bytes.
func cut(b []byte, n int) (all []byte) {
	for body := b[5:]; len(body) > 0; {
		m := min(n, len(body))
		all = append(all, 22, 3, 1, byte(m>>8), byte(m))
		all = append(all, body[:m]...)
		body = body[m:]
	}
	return all
}

func TestParse(t *testing.T) {
	plain := named(t, "example.com", "h2", "http/1.1")
	long := named(t, "long.example", strings.Split(strings.Repeat("p"+strings.Repeat("x", 200)+",", 60)+"end", ",")...)
	if len(long) < 12_000 {
		t.Fatalf("the long hello has %d bytes", len(long))
	}
	for _, c := range []struct {
		name string
		b    []byte
		want sni.Hello
	}{
		{"plain", plain, sni.Hello{Name: "example.com", ALPN: []string{"h2", "http/1.1"}}},
		{"records of 1", cut(plain, 1), sni.Hello{Name: "example.com", ALPN: []string{"h2", "http/1.1"}}},
		{"records of 100", cut(plain, 100), sni.Hello{Name: "example.com", ALPN: []string{"h2", "http/1.1"}}},
		{"more follows", append(bytes.Clone(plain), 20, 3, 3, 0, 1, 1), sni.Hello{Name: "example.com", ALPN: []string{"h2", "http/1.1"}}},
		{"no name", named(t, ""), sni.Hello{}},
		{"an address is no name", named(t, "192.0.2.1"), sni.Hello{}},
		{"SSL 2.0", []byte{0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10}, sni.Hello{}},
	} {
		got, more, err := sni.Parse(c.b)
		if err != nil || more != 0 || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %d more, %v; want %+v", c.name, got, more, err, c.want)
		}
	}
	got, more, err := sni.Parse(long)
	if err != nil || more != 0 || got.Name != "long.example" || len(got.ALPN) != 61 {
		t.Errorf("long: %q, %d protocols, %d more, %v", got.Name, len(got.ALPN), more, err)
	}
}

// However it is cut off, there is more to come, and never more than there is.
func TestParsePrefixes(t *testing.T) {
	for _, b := range [][]byte{named(t, "example.com"), cut(named(t, "example.com"), 3), cut(named(t, "example.com"), 70)} {
		for n := range b {
			_, more, err := sni.Parse(b[:n])
			if err != nil || more <= 0 || more > len(b)-n {
				t.Fatalf("%d of %d bytes: %d more, %v", n, len(b), more, err)
			}
		}
	}
}

func TestParseOthers(t *testing.T) {
	for _, s := range []string{"GET / HTTP/1.1", "SSH-2.0-", "\x00", "\x16\x10", "\x80\x01\x04", "\x13\x03\x01", "\x19\x03\x01",
		"\x14\x02", "\x15\x02\x00\x00\x03", "\x16\x02\x00\x00\x03\x02", "\x16\x01\x00\x00\x00\x01", "\x16\x01\x00\x90\x00\x01"} {
		if _, more, err := sni.Parse([]byte(s)); !errors.Is(err, sni.ErrNotTLS) || more != 0 {
			t.Errorf("%q: %d more, %v", s, more, err)
		}
	}
}

// What servers pass over before a ClientHello (crypto/tls and OpenSSL: alerts that only
// warn) does not make a stream one that is not TLS, and nor does a version that they do
// not look at (crypto/tls: below 16.0).
func TestParseDisguised(t *testing.T) {
	plain := named(t, "example.com")
	for _, before := range []string{"\x14\x03\x03\x00\x01\x01", "\x15\x03\x01\x00\x02\x01\x5a", "\x15\x00\x00\x00\x02\x01\x5a", "\x15\x0f\xff\x00\x02\x01\x5a", "\x17\x03\x03\x00\x00", "\x18\x03\x03\x00\x00"} {
		for n := range len(before) + len(plain) {
			h, more, err := sni.Parse(append([]byte(before), plain...)[:n])
			if err == nil && more == 0 || errors.Is(err, sni.ErrNotTLS) || h.Name != "" || n > 6 && err == nil {
				t.Fatalf("%d bytes after %q: %+v, %d more, %v", n, before, h, more, err)
			}
		}
	}
	for _, major := range []byte{0, 1, 2, 4, 15} {
		for _, b := range [][]byte{plain, cut(plain, 3)} {
			b = bytes.Clone(b)
			b[1] = major
			for n := range b {
				if _, more, err := sni.Parse(b[:n]); err != nil || more <= 0 || more > len(b)-n {
					t.Fatalf("version %d, %d of %d bytes: %d more, %v", major, n, len(b), more, err)
				}
			}
			if h, more, err := sni.Parse(b); err != nil || more != 0 || h.Name != "example.com" {
				t.Errorf("version %d: %+v, %d more, %v", major, h, more, err)
			}
		}
	}
}

// with makes a hello whose extensions are these bytes.
func with(extensions ...byte) []byte {
	body := append(make([]byte, 34), 0, 0, 2, 0x13, 1, 1, 0, byte(len(extensions)>>8), byte(len(extensions)))
	body = append(body, extensions...)
	m := append([]byte{1, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	return append([]byte{22, 3, 1, byte(len(m) >> 8), byte(len(m))}, m...)
}

func TestParseMalformed(t *testing.T) {
	name := []byte{0, 0, 0, 6, 0, 4, 0, 0, 1, 'x'}
	if h, _, err := sni.Parse(with(name...)); err != nil || h.Name != "x" {
		t.Fatalf("%+v, %v", h, err)
	}
	if h, _, err := sni.Parse(with(0xfe, 0x0d, 0, 1, 0)); err != nil || !h.ECH {
		t.Errorf("ECH: %+v, %v", h, err)
	}
	for what, b := range map[string][]byte{
		"two names":              with(0, 0, 0, 10, 0, 8, 0, 0, 1, 'x', 0, 0, 1, 'y'),
		"two extensions of one":  with(append(name, name...)...),
		"no name in it":          with(0, 0, 0, 2, 0, 0),
		"an empty name":          with(0, 0, 0, 5, 0, 3, 0, 0, 0),
		"a NUL in it":            with(0, 0, 0, 7, 0, 5, 0, 0, 2, 'x', 0),
		"a blank in it":          with(0, 0, 0, 7, 0, 5, 0, 0, 2, 'x', ' '),
		"UTF-8 in it":            with(0, 0, 0, 7, 0, 5, 0, 0, 2, 0xc3, 0xa4),
		"another type":           with(0, 0, 0, 6, 0, 4, 1, 0, 1, 'x'),
		"a length too much":      with(0, 0, 0, 7, 0, 4, 0, 0, 1, 'x'),
		"an empty protocol":      with(0, 16, 0, 3, 0, 1, 0),
		"a record of nothing":    {22, 3, 1, 0, 0, 1},
		"a record too long":      {22, 3, 1, 0x40, 1, 1},
		"a server's hello":       {22, 3, 1, 0, 4, 2, 0, 0, 0},
		"an alert in the middle": {22, 3, 1, 0, 1, 1, 21, 3, 1, 0, 2, 1, 0},
		"bytes behind":           {22, 3, 1, 0, 5, 1, 0, 0, 1, 0},
	} {
		if h, more, err := sni.Parse(b); err == nil || errors.Is(err, sni.ErrNotTLS) || h.Name != "" || h.ALPN != nil {
			t.Errorf("%s: %+v, %d more, %v", what, h, more, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(named(f, "example.com", "h2"))
	f.Add(cut(named(f, "example.com"), 7))
	f.Add(with(0, 0, 0, 6, 0, 4, 0, 0, 1, 'x'))
	f.Add([]byte{0x80, 0x2e, 1, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, more, err := sni.Parse(b)
		switch {
		case err == nil && more == 0:
			// What follows changes nothing, and less is not enough.
			if again, m, err := sni.Parse(append(bytes.Clone(b), 1, 2, 3)); err != nil || m != 0 || !reflect.DeepEqual(h, again) {
				t.Errorf("%+v, then %+v, %d, %v", h, again, m, err)
			}
		case err == nil && more > 0:
			if more > 1<<24+4 {
				t.Errorf("%d bytes missing", more)
			}
		case more != 0:
			t.Errorf("%d bytes missing, and %v", more, err)
		}
		if strings.ContainsAny(h.Name, "\x00 \n\x7f") {
			t.Errorf("name %q", h.Name)
		}
	})
}
