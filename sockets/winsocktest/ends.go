package winsocktest

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// A Pair is two sessions that reach each other; they may be one.
type Pair struct {
	Client, Server *sockets.Session
	// ClientHost and ServerHost are their addresses, of one family.
	ClientHost, ServerHost netip.Addr
	// Silent is an address that the client's session has a route to and from which no
	// answer comes, so that an attempt to connect goes on (NeedsSilence).
	Silent netip.Addr
	// Can are the capabilities of the base of both.
	Can Needs
}

// Case is one case of the Winsock suite: the tables of its two ends, and what makes
// a case readable. A call that does not answer what is wanted ends the case.
type Case struct {
	*testing.T
	Pair Pair
	C, S *End
}

// End is one session of the pair by its classic table.
type End struct {
	sockets.WSPProcTable
	w       *Case
	Session *sockets.Session
	Host    netip.Addr
}

// NewCase begins a case.
func NewCase(t *testing.T, p Pair) *Case {
	w := &Case{T: t, Pair: p}
	w.C = &End{p.Client.ProcTable(), w, p.Client, p.ClientHost}
	w.S = &End{p.Server.ProcTable(), w, p.Server, p.ServerHost}
	return w
}

// Want ends the case if got is not want; what says which call it was.
func (w *Case) Want(what string, got, want wsa.Errno) {
	w.Helper()
	if got != want {
		w.Fatalf("%s: %s, want %s", what, name(got), name(want))
	}
}

func name(e wsa.Errno) string {
	if e == 0 {
		return "success"
	}
	return e.Name()
}

// Family is that of the case's addresses.
func (w *Case) Family() int32 {
	if w.Pair.ServerHost.Is4() {
		return wsa.AF_INET
	}
	return wsa.AF_INET6
}

// Name is a sockaddr's bytes.
func Name(ip netip.Addr, port uint16) []byte {
	if ip.Is4() {
		b := binary.LittleEndian.AppendUint16(nil, uint16(wsa.AF_INET))
		b = binary.BigEndian.AppendUint16(b, port)
		b = append(b, ip.AsSlice()...)
		return append(b, make([]byte, 8)...)
	}
	b := binary.LittleEndian.AppendUint16(nil, uint16(wsa.AF_INET6))
	b = binary.BigEndian.AppendUint16(b, port)
	b = append(b, 0, 0, 0, 0)
	b = append(b, ip.AsSlice()...)
	return append(b, 0, 0, 0, 0)
}

// Any is the wildcard's sockaddr with no port.
func (w *Case) Any() []byte {
	a := provider.Any(w.Family(), 0)
	return Name(a.Addr(), 0)
}

// Open is an overlapped socket, closed with the case.
func (e *End) Open(typ, protocol int32) sockets.SOCKET {
	e.w.Helper()
	return e.OpenWith(typ, protocol, wsa.WSA_FLAG_OVERLAPPED)
}

// OpenWith is a socket with flags.
func (e *End) OpenWith(typ, protocol int32, flags uint32) sockets.SOCKET {
	e.w.Helper()
	s, errno := e.WSPSocket(e.w.Family(), typ, protocol, nil, 0, flags)
	e.w.Want("WSPSocket", errno, 0)
	e.w.Cleanup(func() { e.WSPCloseSocket(s) })
	return s
}

// TCP is a stream socket.
func (e *End) TCP() sockets.SOCKET { return e.Open(wsa.SOCK_STREAM, wsa.IPPROTO_TCP) }

// UDP is a datagram socket.
func (e *End) UDP() sockets.SOCKET { return e.Open(wsa.SOCK_DGRAM, wsa.IPPROTO_UDP) }

// Bind binds s to the end's address, and returns the name it got.
func (e *End) Bind(s sockets.SOCKET) []byte {
	e.w.Helper()
	e.w.Want("WSPBind", e.WSPBind(s, Name(e.Host, 0)), 0)
	return e.SockName(s)
}

// SockName is WSPGetSockName.
func (e *End) SockName(s sockets.SOCKET) []byte {
	e.w.Helper()
	b, n := make([]byte, 64), int32(64)
	e.w.Want("WSPGetSockName", e.WSPGetSockName(s, b, &n), 0)
	return b[:n]
}

// Listen is a listening socket and its name.
func (e *End) Listen() (sockets.SOCKET, []byte) {
	e.w.Helper()
	l := e.TCP()
	at := e.Bind(l)
	e.w.Want("WSPListen", e.WSPListen(l, wsa.SOMAXCONN), 0)
	return l, at
}

// Connected is a connected pair: the client's end and the server's.
func (w *Case) Connected() (c, s sockets.SOCKET) {
	w.Helper()
	l, at := w.S.Listen()
	c = w.C.TCP()
	w.Want("WSPConnect", w.C.Connect(c, at), 0)
	s = w.S.Accept(l)
	w.Want("close the listener", w.S.WSPCloseSocket(l), 0)
	return c, s
}

// Connect is WSPConnect without data.
func (e *End) Connect(s sockets.SOCKET, name []byte) wsa.Errno {
	return e.WSPConnect(s, name, nil, nil, nil, nil)
}

// Accept is a WSPAccept that waits.
func (e *End) Accept(l sockets.SOCKET) sockets.SOCKET {
	e.w.Helper()
	s, errno := e.WSPAccept(l, nil, nil, nil, nil)
	e.w.Want("WSPAccept", errno, 0)
	e.w.Cleanup(func() { e.WSPCloseSocket(s) })
	return s
}

// Send is WSPSend of text, all of it.
func (e *End) Send(s sockets.SOCKET, text string) {
	e.w.Helper()
	var n uint32
	e.w.Want("WSPSend", e.WSPSend(s, [][]byte{[]byte(text)}, &n, 0, nil, nil, nil), 0)
	if int(n) != len(text) {
		e.w.Fatalf("WSPSend: %d bytes of %d", n, len(text))
	}
}

// Recv is one WSPRecv of up to size bytes.
func (e *End) Recv(s sockets.SOCKET, size int, flags wsa.MsgFlags) (string, wsa.Errno) {
	b := make([]byte, size)
	var n uint32
	errno := e.WSPRecv(s, [][]byte{b}, &n, &flags, nil, nil, nil)
	return string(b[:n]), errno
}

// Read is the next size bytes of a stream.
func (e *End) Read(s sockets.SOCKET, size int) string {
	e.w.Helper()
	got := ""
	for len(got) < size {
		e.Await(s, wsa.FD_READ|wsa.FD_CLOSE)
		text, errno := e.Recv(s, size-len(got), 0)
		e.w.Want("WSPRecv", errno, 0)
		if text == "" {
			e.w.Fatalf("WSPRecv: the end after %q", got)
		}
		got += text
	}
	return got
}

// NonBlocking is FIONBIO.
func (e *End) NonBlocking(s sockets.SOCKET, on bool) wsa.Errno {
	b, n := make([]byte, 4), uint32(0)
	if on {
		b[0] = 1
	}
	return e.WSPIoctl(s, wsa.FIONBIO, b, nil, &n, nil, nil, nil)
}

// Option is an option's DWORD.
func (e *End) Option(s sockets.SOCKET, level, name int32) (int, wsa.Errno) {
	b, n := make([]byte, 4), int32(4)
	errno := e.WSPGetSockOpt(s, level, name, b, &n)
	return int(int32(binary.LittleEndian.Uint32(b))), errno
}

// SetOption sets an option's DWORD.
func (e *End) SetOption(s sockets.SOCKET, level, name int32, v int) wsa.Errno {
	return e.WSPSetSockOpt(s, level, name, binary.LittleEndian.AppendUint32(nil, uint32(v)))
}

// Await waits, without a table call that would change anything, until the socket
// shows one of the events (a level, see provider.ProcTable.Ready).
func (e *End) Await(s sockets.SOCKET, events wsa.Events) provider.Readiness {
	e.w.Helper()
	k, errno := e.Session.Lookup(s)
	e.w.Want("lookup", errno, 0)
	var r, x sockets.FDSet
	var w sockets.FDSet
	for end := time.Now().Add(patience); time.Now().Before(end); {
		// Not FD_READ alone: bases answer that from the queue, which is ahead of the level.
		if got := k.Chain().Table.Ready(k, events|wsa.FD_OOB); got.Events&events != 0 {
			return got
		}
		r, w, x = sockets.FDSet{s}, nil, sockets.FDSet{s}
		if events&(wsa.FD_WRITE) != 0 {
			w = sockets.FDSet{s}
		}
		step := 10 * time.Millisecond // select waits; levels that it has no set for are polled
		e.WSPSelect(0, &r, &w, &x, &step)
	}
	e.w.Fatal(fmt.Sprintf("no event of %#x in %v", uint32(events), patience))
	return provider.Readiness{}
}

// patience bounds what should take no time at all; a row that waits as long hangs.
const patience = 10 * time.Second

// until asks done, each time after an event of the case, until it says yes.
func (w *Case) until(what string, done func() bool) {
	w.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); runtime.Gosched() {
		if done() {
			return
		}
	}
	w.Fatalf("not in %v: %s", patience, what)
}
