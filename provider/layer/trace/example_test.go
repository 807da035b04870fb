package trace_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/layer/trace"
	"github.com/netnsd/netnsd/sockets"
)

// What a client asks of its socket, without the lookups of its own addresses.
func Example() {
	ops, err := trace.ParseOps("socket,connect,data,close")
	if err != nil {
		log.Fatal(err)
	}
	out := talk(trace.Config{Ops: ops, Data: 5})
	for line := range strings.Lines(out) {
		_, line, _ = strings.Cut(line, " ") // the time
		fmt.Println(line[:strings.LastIndex(line, " <")])
	}
	// Output:
	// #1 socket inet stream tcp = 0
	// #1 connect 127.0.0.1:80 = 0
	// #1 send 8 "hello"... = 8
	// #1 recv 512 "HELLO"... = 8
	// #1 recv 504 = 0
	// #1 close background = 0
}

// talk has a client send "hello, 1" to a server that answers in capitals and closes.
func talk(c trace.Config) string {
	var out bytes.Buffer
	c.Output = &out
	network := basetest.NewNetwork(basetest.NetworkConfig{})
	there, here := session(network), session(network, trace.New(c))
	server, err := there.Listen(context.Background(), "tcp", "127.0.0.1:80")
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if s, err := server.Accept(); err == nil {
			b := make([]byte, 8)
			io.ReadFull(s, b)
			s.Write(bytes.ToUpper(b))
			s.Close()
		}
	}()
	s, err := here.Dial("tcp", "127.0.0.1:80")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(s, "hello, 1")
	<-served
	io.ReadAll(s)
	s.Close()
	server.Close()
	here.Close() // the end of the last chain: all is written then
	there.Close()
	return out.String()
}

// session is one of a host in memory, with the layers over all its protocols.
func session(d base.Driver, layers ...provider.Layer) *sockets.Session {
	catalog := new(provider.Catalog)
	bases, err := catalog.InstallBase("memory", base.New(base.Config{Driver: d}))
	if err != nil {
		log.Fatal(err)
	}
	var ids []provider.CatalogID
	for i, l := range layers {
		id, err := catalog.InstallLayer(fmt.Sprint("layer ", i), l)
		if err != nil {
			log.Fatal(err)
		}
		ids = append(ids, id)
	}
	if len(ids) > 0 {
		if _, err := catalog.InstallMandatoryChain("chain", ids, bases...); err != nil {
			log.Fatal(err)
		}
	}
	s, err := sockets.Startup(sockets.Config{Catalog: catalog})
	if err != nil {
		log.Fatal(err)
	}
	return s
}

// TestSession: operations that wait, over a real engine, are one line each, and none has
// WSAEWOULDBLOCK or an order that cannot be.
func TestSession(t *testing.T) {
	for range 20 {
		var ops []string
		sent, received := 0, 0
		for line := range strings.Lines(talk(trace.Config{JSON: true})) {
			var r trace.Record
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			switch r.Op {
			case "socket", "connect", "close":
				ops = append(ops, r.Op)
			case "send":
				sent += r.Result
			case "recv":
				received += r.Result
			}
			if r.Error != "" || r.Open || r.Again != 0 || r.Duration < 0 {
				t.Errorf("%s", line)
			}
		}
		if got := strings.Join(ops, " "); got != "socket connect close" || sent != 8 || received != 8 {
			t.Fatalf("%s, %d bytes sent and %d received", got, sent, received)
		}
	}
}
