package socketstest_test

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/winsocktest"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// BenchmarkPingPong is the time that one byte takes there and back, over the wire
// in memory: to a server with a goroutine for each connection, on the Go face, and
// to one with two goroutines on a completion port. The client is the same.
func BenchmarkPingPong(b *testing.B) {
	for _, server := range []struct {
		name  string
		serve func(testing.TB, *sockets.Session) string
	}{{"goroutines", serveConns}, {"port", servePort}} {
		for _, n := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d", server.name, n), func(b *testing.B) {
				p := stacktest.NewPair(b, stacktest.PairConfig{})
				there, _ := portSession(b, p.B)
				here, _ := portSession(b, p.A)
				address := server.serve(b, there)
				var conns []net.Conn
				for range n {
					c, err := here.DialContext(b.Context(), "tcp", address)
					if err != nil {
						b.Fatal(err)
					}
					conns = append(conns, c)
				}
				b.ResetTimer()
				pingPong(b, conns)
				b.StopTimer()
				for _, c := range conns {
					c.Close()
				}
			})
		}
	}
}

// pingPong shares b.N round trips among the connections.
func pingPong(b *testing.B, conns []net.Conn) {
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() {
			var m [1]byte
			for j := i; j < b.N; j += len(conns) {
				if _, err := c.Write(m[:]); err != nil {
					b.Error(err)
				}
				if _, err := io.ReadFull(c, m[:]); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func serveConns(t testing.TB, s *sockets.Session) string {
	l, err := s.Listen(t.Context(), "tcp", stacktest.B4.String()+":7")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				b := make([]byte, 16<<10)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					c.Write(b[:n])
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

func servePort(t testing.TB, s *sockets.Session) string {
	table := s.ProcTable()
	l, e := table.WSPSocket(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, wsa.WSA_FLAG_OVERLAPPED)
	if e != 0 {
		t.Fatal(e)
	}
	table.WSPBind(l, winsocktest.Name(stacktest.B4, 7))
	table.WSPListen(l, 64)
	server, e := winsocktest.ServePort(s, 2, 8, l)
	if e != 0 {
		t.Fatal(e)
	}
	t.Cleanup(server.Close)
	return stacktest.B4.String() + ":7"
}
