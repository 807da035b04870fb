package base

import (
	"encoding/binary"
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
)

// furtherControls are the rows of winsock-spi 9.6 beside those of ioctl.go.
var furtherControls = map[uint32]control{
	wsa.SIO_ROUTING_INTERFACE_QUERY:  {on: onAll, answer: routingInterfaceQuery},
	wsa.SIO_ROUTING_INTERFACE_CHANGE: {on: onAll, answer: routingInterfaceChange},
	wsa.SIO_ADDRESS_LIST_QUERY:       {on: onAll, answer: addressListQuery},
	wsa.SIO_ADDRESS_LIST_CHANGE:      {on: onAll, answer: addressListChange},
	wsa.SIO_GET_INTERFACE_LIST:       {on: onAll, answer: interfaceListQuery},
	wsa.SIO_GET_INTERFACE_LIST_EX:    {on: onAll, answer: interfaceListExQuery},

	// A base's own handle is what all of these are for (5.10); a layer may answer
	// the three BSP codes with the socket's number, which is the same on a base that is no IFS.
	wsa.SIO_BSP_HANDLE:              {out: 8, on: onAll, do: baseHandle},
	wsa.SIO_BSP_HANDLE_SELECT:       {out: 8, on: onAll, do: baseHandle},
	wsa.SIO_BSP_HANDLE_POLL:         {out: 8, on: onAll, do: baseHandle},
	wsa.SIO_QUERY_TARGET_PNP_HANDLE: {out: 8, on: onAll, do: baseHandle},

	// Package sockets answers for the functions that it has; no base exports one (law 12).
	wsa.SIO_GET_EXTENSION_FUNCTION_POINTER: {in: 16, out: 8, on: onAll, do: refuse(wsa.EINVAL)},

	wsa.SIO_MULTIPOINT_LOOPBACK: {in: 4, on: onMessage | onFamily, misfit: wsa.EINVAL, do: asOption(wsa.IP_MULTICAST_LOOP, wsa.IPV6_MULTICAST_LOOP)},
	wsa.SIO_MULTICAST_SCOPE:     {in: 4, on: onMessage | onFamily, misfit: wsa.EINVAL, do: asOption(wsa.IP_MULTICAST_TTL, wsa.IPV6_MULTICAST_HOPS)},

	wsa.SIO_TCP_INFO:           {in: 4, out: tcpInfoSize, on: onStream | onFamily, misfit: wsa.EINVAL, do: tcpInfo},
	wsa.SIO_TCP_INITIAL_RTO:    {in: 4, on: onStream | onFamily, misfit: wsa.EINVAL, do: initialRTO},
	wsa.SIO_LOOPBACK_FAST_PATH: {in: 4, on: onStream | onFamily, misfit: wsa.EINVAL, do: accepted}, // kept: the loopback has no other path

	wsa.SIO_RCVALL:           {in: 4, on: onRaw | onFamily, misfit: wsa.EINVAL, do: receiveAll},
	wsa.SIO_RCVALL_MCAST:     {in: 4, on: onRaw | onFamily, misfit: wsa.EINVAL, do: receiveAll},
	wsa.SIO_RCVALL_IGMPMCAST: {in: 4, on: onRaw | onFamily, misfit: wsa.EINVAL, do: receiveAll},

	wsa.SIO_ENABLE_CIRCULAR_QUEUEING: {on: onMessage | onFamily, misfit: wsa.EINVAL, do: circularQueueing},

	// What a send queue holds beyond what is sent is the network's secret.
	wsa.SIO_FLUSH:                     {on: onAll, do: refuse(wsa.ENOPROTOOPT)},
	wsa.SIO_IDEAL_SEND_BACKLOG_QUERY:  {on: onAll, do: refuse(wsa.EOPNOTSUPP)},
	wsa.SIO_IDEAL_SEND_BACKLOG_CHANGE: {on: onAll, do: refuse(wsa.EOPNOTSUPP)},
	// No function is redirected by ioctl here: layers see the call itself.
	wsa.SIO_EXT_SELECT:  {on: onAll, do: refuse(wsa.EOPNOTSUPP)},
	wsa.SIO_EXT_POLL:    {on: onAll, do: refuse(wsa.EOPNOTSUPP)},
	wsa.SIO_EXT_SENDMSG: {on: onAll, do: refuse(wsa.EOPNOTSUPP)},

	// R = N.
	wsa.SIO_ASSOCIATE_HANDLE:           {on: onAll, do: refuse(wsa.ENOPROTOOPT)},
	wsa.SIO_TRANSLATE_HANDLE:           {on: onAll, do: refuse(wsa.ENOPROTOOPT)},
	wsa.SIO_FIND_ROUTE:                 {on: onAll, do: refuse(wsa.ENOPROTOOPT)},
	wsa.SIO_ADDRESS_LIST_SORT:          {on: onAll, do: refuse(wsa.ENOPROTOOPT)},
	wsa.SIO_GET_QOS:                    {on: onAll, do: refuse(wsa.ENOPROTOOPT)},
	wsa.SIO_GET_GROUP_QOS:              {on: onAll, do: refuse(wsa.ENOPROTOOPT)},
	wsa.SIO_SET_QOS:                    {on: onAll, do: refuse(wsa.ENOPROTOOPT)},
	wsa.SIO_SET_GROUP_QOS:              {on: onAll, do: refuse(wsa.ENOPROTOOPT)},
	wsa.SIO_ACQUIRE_PORT_RESERVATION:   {on: onAll, do: refuse(wsa.ENOPROTOOPT)},
	wsa.SIO_RELEASE_PORT_RESERVATION:   {on: onAll, do: refuse(wsa.ENOPROTOOPT)},
	wsa.SIO_ASSOCIATE_PORT_RESERVATION: {on: onAll, do: refuse(wsa.ENOPROTOOPT)},
}

// controlOf is the row of a code.
func controlOf(code uint32) (control, bool) {
	c, ok := controls[code]
	if !ok {
		c, ok = furtherControls[code]
	}
	return c, ok
}

func refuse(e wsa.Errno) func(*socket, []byte, []byte) wsa.Errno {
	return func(*socket, []byte, []byte) wsa.Errno { return e }
}

func accepted(*socket, []byte, []byte) wsa.Errno { return 0 }

// asOption is an ioctl that is another name of an option of the socket's family.
func asOption(v4, v6 int32) func(*socket, []byte, []byte) wsa.Errno {
	return func(k *socket, in, _ []byte) wsa.Errno {
		o := k.option(wsa.IPPROTO_IP, v4)
		if k.row.Family == wsa.AF_INET6 {
			o = k.option(wsa.IPPROTO_IPV6, v6)
		}
		return k.set(o, int(int32(binary.LittleEndian.Uint32(in))))
	}
}

// circularQueueing has a full queue lose its oldest datagram; ENOPROTOOPT where the
// network cannot.
func circularQueueing(k *socket, _, _ []byte) wsa.Errno {
	if q, ok := k.link.Endpoint.(CircularQueuer); !ok || !q.DropOldest() {
		return wsa.ENOPROTOOPT
	}
	return 0
}

// receiveAll: a bound raw socket may turn off what is never on. Promiscuous
// receiving is EOPNOTSUPP.
func receiveAll(k *socket, in, _ []byte) wsa.Errno {
	const off, most = 0, 3 // RCVALL_OFF, RCVALL_IPLEVEL
	switch v := binary.LittleEndian.Uint32(in); {
	case !k.bound, v > most:
		return wsa.EINVAL
	case v != off:
		return wsa.EOPNOTSUPP
	}
	return 0
}

// initialRTO is TCP_INITIAL_RTO_PARAMETERS, a hint: EINVAL once a connect was begun.
func initialRTO(k *socket, _, _ []byte) wsa.Errno {
	if p := k.now(); p != fresh && p != refused {
		return wsa.EINVAL
	}
	return 0
}

// tcpInfoSize is TCP_INFO_v0, bytes.
const tcpInfoSize = 88

// TCPInfo is what a network knows of a connection (SIO_TCP_INFO); what it does not
// know is 0. Sizes are bytes.
type TCPInfo struct {
	State                                    uint32 // TCPSTATE_*
	MSS                                      uint32
	Timestamps                               bool
	RTT, MinRTT                              time.Duration
	InFlight, CongestionWindow               uint32
	SendWindow, ReceiveWindow, ReceiveBuffer uint32
	Reordered, Retransmitted                 uint32
	FastRetransmits, DupAcks, Timeouts       uint32 // counts
	SynRetransmits                           uint8  // count
}

// TCPInformer is a stream Endpoint that can tell of its connection. Without it
// SIO_TCP_INFO is EOPNOTSUPP.
type TCPInformer interface {
	TCPInfo() TCPInfo
}

// tcpInfo writes TCP_INFO_v0 (mstcpip.h). EINVAL: another version, or not
// connected (the table of winsock-spi 3.18 has no ENOTCONN). The bytes moved are the application's.
func tcpInfo(k *socket, in, out []byte) wsa.Errno {
	ep, ok := k.link.Endpoint.(TCPInformer)
	switch {
	case binary.LittleEndian.Uint32(in) != 0, k.now() != connected:
		return wsa.EINVAL
	case !ok:
		return wsa.EOPNOTSUPP
	}
	i, s, b := ep.TCPInfo(), k.self.Load(), out[:0]
	micro := func(d time.Duration) uint32 { return uint32(d / time.Microsecond) }
	dword := func(v ...uint32) {
		for _, x := range v {
			b = binary.LittleEndian.AppendUint32(b, x)
		}
	}
	dword(i.State, i.MSS)
	age := k.in.clock() - time.Duration(k.since.Load())
	b = binary.LittleEndian.AppendUint64(b, uint64(max(age, 0)/time.Millisecond))
	timestamps := uint32(0)
	if i.Timestamps {
		timestamps = 1
	}
	dword(timestamps, micro(i.RTT), micro(i.MinRTT), i.InFlight, i.CongestionWindow, i.SendWindow, i.ReceiveWindow, i.ReceiveBuffer)
	b = binary.LittleEndian.AppendUint64(b, s.Traffic.BytesOut.Load())
	b = binary.LittleEndian.AppendUint64(b, s.Traffic.BytesIn.Load())
	dword(i.Reordered, i.Retransmitted, i.FastRetransmits, i.DupAcks, i.Timeouts, uint32(i.SynRetransmits))
	return 0
}
