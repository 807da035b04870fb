package trace_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"testing"

	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/layer/redirect"
	"github.com/netnsd/netnsd/provider/layer/trace"
)

// TestStacked: bytes stay whole under trace over redirect, in writes of one byte and over
// a stream that is half closed; the trace has the peer that was asked for.
func TestStacked(t *testing.T) {
	rule, err := redirect.ParseRule("tcp/203.0.113.1:80=127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	led, err := redirect.New(redirect.Config{Rules: []redirect.Rule{rule}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	network := basetest.NewNetwork(basetest.NetworkConfig{})
	there, here := session(network), session(network, trace.New(trace.Config{Output: &out, Data: 16}), led)
	defer there.Close()
	server, err := there.Listen(context.Background(), "tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() { // ends with the connection
		s, err := server.Accept()
		if err != nil {
			return
		}
		defer s.Close()
		all, _ := io.ReadAll(s) // until the other half is closed
		s.Write(all)
	}()
	c, err := here.Dial("tcp", "203.0.113.1:80")
	if err != nil {
		t.Fatal(err)
	}
	sent := make([]byte, 256<<10)
	for i := range sent {
		sent[i] = byte(i * 31 >> 2)
	}
	for i := range 500 {
		if _, err := c.Write(sent[i : i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Write(sent[500:]); err != nil {
		t.Fatal(err)
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || sha256.Sum256(got) != sha256.Sum256(sent) {
		t.Errorf("%d bytes of %d, %v, or others", len(got), len(sent), err)
	}
	c.Close()
	here.Close()
	for _, want := range []string{" connect 203.0.113.1:80 = 0 ", " shutdown SD_SEND = 0 ", ` send 1 "`, " close "} {
		if !bytes.Contains(out.Bytes(), []byte(want)) {
			t.Errorf("no line with %q", want)
		}
	}
	if bytes.Contains(out.Bytes(), []byte("127.0.0.1:8080")) {
		t.Error("the trace stands above and knows the real destination")
	}
}
