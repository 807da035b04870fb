package sockets_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/socketstest"
	"github.com/netnsd/netnsd/sockets/winsocktest"
)

// extensions is a session over a network in memory with three recording layers.
type extensions struct {
	*testing.T
	sockets.WSPProcTable
	s   *sockets.Session
	log *providertest.Log
}

var here = netip.MustParseAddr("10.0.0.7")

func newExtensions(t *testing.T) *extensions {
	x := &extensions{T: t, log: new(providertest.Log)}
	var layers []provider.Layer
	for _, name := range []string{"a", "b", "c"} {
		layers = append(layers, &providertest.Recorder{Name: name, Log: x.log})
	}
	host := basetest.NewNetwork(basetest.NetworkConfig{}).Host(here)
	x.s = socketstest.Start(t, socketstest.Catalog(t, base.New(base.Config{Driver: host}), layers...))
	x.WSPProcTable = x.s.ProcTable()
	return x
}

// ok ends the test unless a call has succeeded, or has begun.
func (x *extensions) ok(e wsa.Errno) {
	x.Helper()
	if e != 0 && e != wsa.IO_PENDING {
		x.Fatal(e)
	}
}

func (x *extensions) bound(typ, protocol int32) (sockets.SOCKET, []byte) {
	x.Helper()
	s, e := x.WSPSocket(wsa.AF_INET, typ, protocol, nil, 0, wsa.WSA_FLAG_OVERLAPPED)
	x.ok(e)
	x.ok(x.WSPBind(s, winsocktest.Name(here, 0)))
	name, n := make([]byte, 64), int32(64)
	x.ok(x.WSPGetSockName(s, name, &n))
	return s, name[:n]
}

// connected is a pair, by WSPConnect and WSPAccept.
func (x *extensions) connected() (c, s sockets.SOCKET) {
	x.Helper()
	l, at := x.bound(wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	x.ok(x.WSPListen(l, 5))
	c, _ = x.bound(wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	x.ok(x.WSPConnect(c, at, nil, nil, nil, nil))
	s, e := x.WSPAccept(l, nil, nil, nil, nil)
	x.ok(e)
	return c, s
}

// done waits for an operation.
func (x *extensions) done(s sockets.SOCKET, o *sockets.Overlapped) {
	x.Helper()
	x.ok(o.HEvent.Wait(x.Context()))
	x.ok(x.WSPGetOverlappedResult(s, o, new(uint32), false, new(wsa.MsgFlags)))
}

func overlapped() *sockets.Overlapped { return &sockets.Overlapped{HEvent: sockets.CreateEvent()} }

// TestLaw12Extensions: what an extension function does is calls of the table,
// which every layer sees.
func TestLaw12Extensions(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(*extensions)
		want []string // in this order; others may be between
	}{
		{"AcceptEx", (*extensions).acceptEx, []string{"WSPAccept into", "WSPGetSockName", "WSPGetPeerName", "WSPRecv"}},
		{"ConnectEx", (*extensions).connectEx, []string{"WSPConnect ex", "WSPSend"}},
		{"DisconnectEx", (*extensions).disconnectEx, []string{"WSPShutdown 1", "Ready", "WSPIoctl reuse"}},
		{"TransmitFile", func(x *extensions) {
			c, _ := x.connected()
			x.ok(x.s.TransmitFile(c, strings.NewReader("file"), 0, 0, nil, &sockets.TransmitBuffers{Head: []byte("head")}, sockets.TF_DISCONNECT))
		}, []string{"WSPSend", "WSPSend", "WSPShutdown 1"}},
		{"TransmitPackets", func(x *extensions) {
			c, _ := x.connected()
			x.ok(x.s.TransmitPackets(c, []sockets.TransmitPacket{{Memory: []byte("a")}, {File: strings.NewReader("b")}}, 0, nil, 0))
		}, []string{"WSPSend", "WSPSend"}},
		{"WSASendMsg and WSARecvMsg", (*extensions).messages, []string{"WSPSendTo", "WSPRecvFrom"}},
		{"WSAPoll", func(x *extensions) {
			c, _ := x.connected()
			_, e := x.s.WSAPoll([]sockets.PollFD{{FD: c, Events: sockets.POLLOUT}}, 10*time.Second)
			x.ok(e)
		}, []string{"Ready"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := newExtensions(t)
			test.run(x)
			for _, layer := range []string{"a", "b", "c"} {
				if seen := x.seen(layer); !contains(seen, test.want) {
					t.Errorf("layer %s has seen %v, want %v in it", layer, seen, test.want)
				}
			}
		})
	}
}

func (x *extensions) acceptEx() {
	l, at := x.bound(wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	x.ok(x.WSPListen(l, 5))
	s, e := x.WSPSocket(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, wsa.WSA_FLAG_OVERLAPPED)
	x.ok(e)
	o, out := overlapped(), make([]byte, 5+64)
	x.ok(x.s.AcceptEx(l, s, out, 5, 32, 32, nil, o))
	c, _ := x.bound(wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	x.ok(x.WSPConnect(c, at, nil, nil, nil, nil))
	x.ok(x.WSPSend(c, [][]byte{[]byte("hello")}, new(uint32), 0, nil, nil, nil))
	x.done(l, o)
}

func (x *extensions) connectEx() {
	l, at := x.bound(wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	x.ok(x.WSPListen(l, 5))
	c, _ := x.bound(wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	o := overlapped()
	x.ok(x.s.ConnectEx(c, at, []byte("hello"), nil, o))
	x.done(c, o)
}

func (x *extensions) disconnectEx() {
	c, s := x.connected()
	o := overlapped()
	x.ok(x.s.DisconnectEx(c, o, sockets.TF_REUSE_SOCKET, 0))
	x.ok(x.WSPCloseSocket(s))
	x.done(c, o)
}

func (x *extensions) messages() {
	s, at := x.bound(wsa.SOCK_DGRAM, wsa.IPPROTO_UDP)
	c, _ := x.bound(wsa.SOCK_DGRAM, wsa.IPPROTO_UDP)
	x.ok(x.s.WSASendMsg(c, &sockets.WSAMSG{Name: at, Buffers: [][]byte{[]byte("hello")}}, 0, new(uint32), nil, nil))
	x.ok(x.s.WSARecvMsg(s, &sockets.WSAMSG{Buffers: [][]byte{make([]byte, 9)}}, new(uint32), nil, nil))
}

// seen is what a layer has recorded, with what makes the call an extension's.
func (x *extensions) seen(layer string) (ops []string) {
	for _, c := range x.log.Calls() {
		op, ok := strings.CutPrefix(c.Op, layer+".")
		if !ok {
			continue
		}
		switch a := c.Arg.(type) {
		case *provider.AcceptRequest:
			if a.Into != nil {
				op += " into"
			}
		case *provider.ConnectRequest:
			if a.Ex {
				op += " ex"
			}
		case *provider.IoctlRequest:
			if a.Code == wsa.SIO_REUSE_SOCKET {
				op += " reuse"
			}
		case int:
			op += fmt.Sprint(" ", a)
		}
		ops = append(ops, op)
	}
	return ops
}

// contains reports whether want is in seen, in this order.
func contains(seen, want []string) bool {
	for _, op := range want {
		i := slices.Index(seen, op)
		if i < 0 {
			return false
		}
		seen = seen[i+1:]
	}
	return true
}
