package base

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// stateOptions are the rows of winsock-spi 9.1 and 9.2 that tell of the socket, or
// are kept for whoever reads them back. What 9.1 and 9.2 reject (R = N) has no row:
// ENOPROTOOPT.
var stateOptions = []option{
	// Milliseconds, unsigned. Nothing waits here: package sockets reads them. As
	// values of the socket they pass every layer and go with the socket.
	{level: wsa.SOL_SOCKET, name: wsa.SO_SNDTIMEO, on: onAll},
	{level: wsa.SOL_SOCKET, name: wsa.SO_RCVTIMEO, on: onAll},

	{level: wsa.SOL_SOCKET, name: wsa.SO_BSP_STATE, on: onAll, only: getOnly, fetch: bspState},
	{level: wsa.SOL_SOCKET, name: wsa.SO_PROTOCOL_INFOA, on: onAll, only: getOnly, fetch: protocolInfo(false)},
	{level: wsa.SOL_SOCKET, name: wsa.SO_PROTOCOL_INFOW, on: onAll, only: getOnly, fetch: protocolInfo(true)},
	{level: wsa.SOL_SOCKET, name: wsa.SO_CONNECT_TIME, on: onStream | onFamily, only: getOnly, read: connectTime},
	// A datagram above the path MTU is fragmented, so both are the same.
	{level: wsa.SOL_SOCKET, name: wsa.SO_MAXDG, on: onMessage | onFamily, only: getOnly, read: maxMessage},
	{level: wsa.SOL_SOCKET, name: wsa.SO_MAXPATHDG, on: onMessage | onFamily, only: getOnly, read: maxMessage},
	{level: wsa.SOL_SOCKET, name: wsa.SO_UPDATE_ACCEPT_CONTEXT, on: onStream | onFamily, only: setOnly, put: updateAcceptContext},
	{level: wsa.SOL_SOCKET, name: wsa.SO_UPDATE_CONNECT_CONTEXT, on: onStream | onFamily, only: setOnly, put: updateConnectContext},

	{level: wsa.IPPROTO_TCP, name: wsa.TCP_TIMESTAMPS, on: onStream | onFamily, boolean: true},
	{level: wsa.IPPROTO_TCP, name: wsa.TCP_MAXRT, on: onStream | onFamily, min: -1, max: anyInt, down: needed, only: setSelf,
		read: maxRT(wsa.TCP_MAXRT), write: setMaxRT(wsa.TCP_MAXRT)},
	{level: wsa.IPPROTO_TCP, name: wsa.TCP_MAXRTMS, on: onStream | onFamily, min: -1, max: anyInt, down: needed, only: setSelf,
		read: maxRT(wsa.TCP_MAXRTMS), write: setMaxRT(wsa.TCP_MAXRTMS)},
	{level: wsa.IPPROTO_TCP, name: wsa.TCP_EXPEDITED_1122, on: onStream | onFamily, boolean: true, write: expedited},
	{level: wsa.IPPROTO_TCP, name: wsa.TCP_BSDURGENT, on: onStream | onFamily, boolean: true, only: setSelf, read: bsdUrgent, write: setBSDUrgent},
	{level: wsa.IPPROTO_TCP, name: wsa.TCP_CONGESTION, on: onStream | onFamily, write: onlyDefault},
}

// connectedNow is the moment of a connection, by the base's clock.
func (k *socket) connectedNow() { k.since.CompareAndSwap(0, int64(k.in.clock())) }

// connectTime is SO_CONNECT_TIME in whole seconds; 0xFFFFFFFF of a socket that is
// not connected, or not any more.
func connectTime(k *socket) (int, wsa.Errno) {
	if k.now() != connected || k.ended() != 0 {
		return -1, 0
	}
	seconds := (k.in.clock() - time.Duration(k.since.Load())) / time.Second
	return int(min(max(seconds, 0), math.MaxInt32)), 0
}

// csaddrSize is CSADDR_INFO with pointers of 8 bytes: two SOCKET_ADDRESS of 16, the
// type, the protocol.
const csaddrSize = 40

// bspState is SO_BSP_STATE: CSADDR_INFO with the sockaddrs behind it. A pointer is
// the offset of what it points to from the start of the value, 0 for an address that
// the socket does not have; its length is then 0 too.
func bspState(k *socket, _ *option, out []byte) (int, wsa.Errno) {
	one := int(sockaddrSize(k.row.Family))
	size := csaddrSize + 2*one
	if len(out) < size {
		return size, wsa.EFAULT
	}
	clear(out[:size])
	name := func(i int, a provider.Addr) {
		if at := csaddrSize + i*one; a.Family != 0 {
			binary.LittleEndian.PutUint64(out[16*i:], uint64(at))
			binary.LittleEndian.PutUint32(out[16*i+8:], uint32(one))
			copy(out[at:], provider.AppendSockaddr(nil, a))
		}
	}
	if k.bound {
		name(0, k.localName())
	}
	if peer, ok := k.peerName(); ok {
		name(1, peer)
	}
	binary.LittleEndian.PutUint32(out[32:], uint32(k.row.Type))
	binary.LittleEndian.PutUint32(out[36:], uint32(k.protocol))
	return size, 0
}

// updateAcceptContext is SO_UPDATE_ACCEPT_CONTEXT: the value is the number of the
// listener that AcceptEx took the connection from (Socket.Handle, 8 bytes), whose
// options the socket has from now on, as one that WSPAccept made has from its birth.
// EFAULT: a short value; ENOTCONN: not connected; EINVAL: not by AcceptEx, or
// from another listener; ENOTSOCK: that listener is closed.
func updateAcceptContext(k *socket, _ *option, in []byte) wsa.Errno {
	switch {
	case len(in) < 8:
		return wsa.EFAULT
	case k.now() != connected:
		return wsa.ENOTCONN
	case k.listener == nil, k.listener.Handle() != binary.LittleEndian.Uint64(in):
		return wsa.EINVAL
	}
	l, ok := k.listener.Base.(*socket)
	if !ok || l == k {
		return wsa.EINVAL
	}
	values, ok := l.journal()
	if !ok {
		return wsa.ENOTSOCK
	}
	for _, v := range values { // what the socket itself was told besides stays, as on its endpoint
		k.keep(v.option, v.value)
	}
	k.prepare(k.link, true)
	return 0
}

// journal is a copy of what was set; ok is false of a closed socket. It is called
// with another socket held: a listener never waits for one of its connections.
func (k *socket) journal() (values []optionValue, ok bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return slices.Clone(k.values), !k.closed
}

// updateConnectContext is SO_UPDATE_CONNECT_CONTEXT, which has no value. A socket
// that ConnectEx has connected lacks nothing here; ENOTCONN before.
func updateConnectContext(k *socket, _ *option, _ []byte) wsa.Errno {
	if k.now() != connected || !k.active {
		return wsa.ENOTCONN
	}
	return 0
}

// TCP_MAXRT and TCP_MAXRTMS are one limit, in seconds and in milliseconds: what is
// set reads back exactly, the other follows, and one of them is in the journal.

func (k *socket) maxRTRows(name int32) (own, other *option) {
	s, ms := k.option(wsa.IPPROTO_TCP, wsa.TCP_MAXRT), k.option(wsa.IPPROTO_TCP, wsa.TCP_MAXRTMS)
	if name == wsa.TCP_MAXRT {
		return s, ms
	}
	return ms, s
}

func maxRT(name int32) func(*socket) (int, wsa.Errno) {
	return func(k *socket) (int, wsa.Errno) {
		own, other := k.maxRTRows(name)
		if v, set := k.lookup(own); set {
			return v, 0
		}
		v := k.valueOf(other)
		switch {
		case v <= 0:
			return v, 0
		case name == wsa.TCP_MAXRT:
			return (v-1)/1000 + 1, 0
		}
		return min(v, math.MaxInt32/1000) * 1000, 0
	}
}

func setMaxRT(name int32) func(*socket, int) wsa.Errno {
	return func(k *socket, v int) wsa.Errno {
		own, other := k.maxRTRows(name)
		if e := push(k.link, own, v); e != 0 {
			return e
		}
		k.keep(own, v)
		k.forget(other)
		return 0
	}
}

// expedited: TCP_EXPEDITED_1122 is turned on once and for ever (SDK, IPPROTO_TCP
// socket options).
func expedited(k *socket, _ int) wsa.Errno {
	if k.value(wsa.IPPROTO_TCP, wsa.TCP_EXPEDITED_1122) != 0 {
		return wsa.EINVAL
	}
	return 0
}

// bsdUrgent is the opposite of TCP_EXPEDITED_1122.
func bsdUrgent(k *socket) (int, wsa.Errno) {
	return 1 - k.value(wsa.IPPROTO_TCP, wsa.TCP_EXPEDITED_1122), 0
}

func setBSDUrgent(k *socket, v int) wsa.Errno {
	if v != 0 {
		return expedited(k, 0)
	}
	return k.set(k.option(wsa.IPPROTO_TCP, wsa.TCP_EXPEDITED_1122), 1)
}

// onlyDefault takes 0, the network's own: the SDK gives TCP_CONGESTION_ALGORITHM no
// values.
func onlyDefault(_ *socket, v int) wsa.Errno {
	if v != 0 {
		return wsa.EINVAL
	}
	return 0
}
