package sockets_test

import (
	"fmt"
	"log"
	"net/netip"
	"sync"

	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/winsocktest"
)

// An echo server the Winsock way: blocking calls of the procedure table, a
// goroutine for each connection.
func ExampleSession_ProcTable() {
	network := basetest.NewNetwork(basetest.NetworkConfig{})
	there := session(network.Host(netip.MustParseAddr("10.0.0.2")))
	defer there.Close()
	here := session(network)
	defer here.Close()

	t := there.ProcTable()
	l, _ := t.WSPSocket(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, 0)
	name := winsocktest.Name(netip.MustParseAddr("10.0.0.2"), 7) // a sockaddr_in
	t.WSPBind(l, name)
	t.WSPListen(l, wsa.SOMAXCONN)
	var server sync.WaitGroup
	server.Go(func() {
		for {
			s, e := t.WSPAccept(l, nil, nil, nil, nil)
			if e != 0 {
				return // the listener was closed
			}
			server.Go(func() {
				defer t.WSPCloseSocket(s)
				buffer := make([]byte, 1024)
				for {
					var n uint32
					var flags wsa.MsgFlags
					if e := t.WSPRecv(s, [][]byte{buffer}, &n, &flags, nil, nil, nil); e != 0 || n == 0 {
						return // 0 bytes: the peer has closed
					}
					t.WSPSend(s, [][]byte{buffer[:n]}, &n, 0, nil, nil, nil)
				}
			})
		}
	})
	fmt.Println(ask(here.ProcTable(), name, "hello"))
	t.WSPCloseSocket(l)
	server.Wait()

	_, e := t.WSPAccept(l, nil, nil, nil, nil)
	fmt.Println(e.Name())
	// Output:
	// hello
	// WSAENOTSOCK
}

// ask sends text to the server at name, and returns as much of what comes back.
func ask(t sockets.WSPProcTable, name []byte, text string) string {
	s, e := t.WSPSocket(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, 0)
	if e != 0 {
		log.Fatal(e)
	}
	defer t.WSPCloseSocket(s)
	if e := t.WSPConnect(s, name, nil, nil, nil, nil); e != 0 {
		log.Fatal(e)
	}
	var n uint32
	t.WSPSend(s, [][]byte{[]byte(text)}, &n, 0, nil, nil, nil)
	answer, flags := make([]byte, len(text)), wsa.MSG_WAITALL
	t.WSPRecv(s, [][]byte{answer}, &n, &flags, nil, nil, nil)
	return string(answer[:n])
}

// An echo server on a completion port: one goroutine for all connections. With
// more goroutines in the loop it uses more processors; winsocktest.PortServer is
// such a one.
func ExampleCompletionPort() {
	network := basetest.NewNetwork(basetest.NetworkConfig{})
	there := session(network.Host(netip.MustParseAddr("10.0.0.2")))
	defer there.Close()
	here := session(network)
	defer here.Close()

	t := there.ProcTable()
	socket := func() sockets.SOCKET {
		s, _ := t.WSPSocket(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, wsa.WSA_FLAG_OVERLAPPED)
		return s
	}
	l := socket()
	name := winsocktest.Name(netip.MustParseAddr("10.0.0.2"), 7)
	t.WSPBind(l, name)
	t.WSPListen(l, wsa.SOMAXCONN)
	port := sockets.CreateCompletionPort(0)
	there.Associate(l, port, uintptr(l))

	// A connection is one Overlapped: its accept with the first data, then each
	// send and receive, one after the other. The key is the socket.
	type connection struct {
		o       sockets.Overlapped
		s       sockets.SOCKET
		buffer  [1024]byte
		sending bool
	}
	accept := func() {
		c := &connection{s: socket()}
		c.o.Context = c
		const address = 16 + 16 // of a sockaddr_in
		there.AcceptEx(l, c.s, c.buffer[:], 1024-address, 0, address, nil, &c.o)
	}
	accept()
	var server sync.WaitGroup
	server.Go(func() {
		for {
			r, e := port.Get(-1)
			if e != 0 {
				return // the port was closed
			}
			c := r.Overlapped.Context.(*connection)
			switch {
			case r.Key == uintptr(l) && r.Errno == 0: // the accept
				there.Associate(c.s, port, uintptr(c.s))
				accept()
			case r.Errno != 0, r.N == 0:
				t.WSPCloseSocket(c.s)
				continue
			}
			if c.sending = !c.sending; c.sending {
				t.WSPSend(c.s, [][]byte{c.buffer[:r.N]}, nil, 0, &c.o, nil, nil)
			} else {
				var flags wsa.MsgFlags
				t.WSPRecv(c.s, [][]byte{c.buffer[:]}, nil, &flags, &c.o, nil, nil)
			}
		}
	})
	for _, text := range []string{"one", "two", "three"} {
		fmt.Println(ask(here.ProcTable(), name, text))
	}
	port.Close()
	server.Wait()
	// Output:
	// one
	// two
	// three
}
