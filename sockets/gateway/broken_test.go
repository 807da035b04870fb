package gateway_test

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets/gateway"
)

// A connection that broke is reset on the other side too, whatever stands still.
func TestBrokenFlows(t *testing.T) {
	reset := func(c net.Conn) {
		c.(interface{ SetLinger(int) error }).SetLinger(0)
		c.Close()
	}
	soon := func(c net.Conn) { c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond)) }
	flood := func(c net.Conn) { soon(c); c.Write(make([]byte, 64<<20)) }
	for _, c := range []struct {
		name    string
		server  func(c net.Conn, goOn chan struct{})
		program func(c net.Conn, s *provider.Socket, goOn chan struct{})
	}{
		{"the host's peer resets after its FIN",
			func(c net.Conn, goOn chan struct{}) {
				c.Write([]byte("x"))
				c.(interface{ CloseWrite() error }).CloseWrite()
				<-goOn
				reset(c)
			},
			func(c net.Conn, _ *provider.Socket, goOn chan struct{}) { io.ReadAll(c); close(goOn) }},
		{"the host's peer resets, and the program does not read",
			func(c net.Conn, _ chan struct{}) { flood(c); reset(c) },
			func(_ net.Conn, _ *provider.Socket, goOn chan struct{}) { close(goOn) }},
		{"the program resets, and the host's peer does not read",
			func(_ net.Conn, goOn chan struct{}) { <-goOn },
			func(c net.Conn, _ *provider.Socket, _ chan struct{}) { flood(c); reset(c) }},
		{"killed while the program does not read",
			func(c net.Conn, goOn chan struct{}) { flood(c); close(goOn) },
			func(_ net.Conn, s *provider.Socket, goOn chan struct{}) { <-goOn; s.Fail(wsa.ECONNABORTED, "killed") }},
		{"killed while nothing moves",
			func(c net.Conn, _ chan struct{}) { io.ReadAll(c) },
			func(c net.Conn, s *provider.Socket, _ chan struct{}) { s.Fail(wsa.ECONNABORTED, "killed") }},
	} {
		for name, looking := range map[string]bool{"shared": false, "own": true} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				got := make(chan *provider.Socket, 1)
				layers := []provider.Layer{grabs{got}}
				if looking {
					layers = append(layers, new(looks))
				}
				w := newWorld(t, gateway.Config{}, layers...)
				goOn := make(chan struct{})
				end := make(chan struct{})
				defer close(end)
				w.listen(t, server4+":1", func(conn net.Conn) { c.server(conn, goOn); <-end })
				conn, err := w.dial(t, "tcp", server4+":1")
				if err != nil {
					t.Fatal(err)
				}
				c.program(conn, <-got, goOn)
				for deadline := time.Now().Add(10 * time.Second); w.gateway.TCPReset.Load() == 0; runtime.Gosched() {
					if time.Now().After(deadline) {
						t.Fatal("the flow was not reset within 10 s")
					}
				}
				select {
				case <-goOn:
				default:
					close(goOn)
				}
			})
		}
	}
}

// grabs hands out the socket.
type grabs struct{ got chan *provider.Socket }

func (g grabs) Startup(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.ProcTable{WSPConnect: func(s *provider.Socket, q *provider.ConnectRequest) wsa.Errno {
		g.got <- s
		return next.WSPConnect(s, q)
	}}, 0
}

// uncounting is a driver whose endpoints do not say how many bytes are queued.
type uncounting struct{ base.Driver }

func (d uncounting) Open(af, typ, protocol int32) (base.Endpoint, wsa.Errno) {
	e, errno := d.Driver.Open(af, typ, protocol)
	if errno != 0 {
		return nil, errno
	}
	return struct{ base.Endpoint }{e}, 0
}

func TestBaseThatDoesNotCount(t *testing.T) {
	w := worldOver(t, gateway.Config{}, func(d base.Driver) base.Driver { return uncounting{d} })
	w.listen(t, server4+":7", echo)
	c, err := w.dial(t, "tcp", server4+":7")
	if err != nil {
		t.Fatal(err)
	}
	pingPong(t, c)
}
