package provider

import "github.com/netnsd/netnsd/provider/wsa"

// A Datagram is one of several that move in one call, in one buffer.
type Datagram struct {
	// Data is what is sent, or the room to receive into: see N.
	Data []byte
	// Addr is the destination, after a receive the source.
	Addr Addr
	// N is how many bytes of Data a receive has filled.
	N int
	// Truncated says that what came was longer than Data (EMSGSIZE of RecvFrom).
	Truncated bool
	// TOS is the type of service or traffic class: 0 of a send is the socket's own. A
	// receive sets it where IP_RECVTOS (IPV6_RECVTCLASS) is on and the base can, else to 0.
	TOS uint8
	// ICMP belongs to the soft error of a receive, if the base can tell.
	ICMP ICMPError
}

// BatchFunc moves datagrams and returns how many: each by the laws of SendTo or
// RecvFrom, and counted like one. If n is not all of them the code says why the
// next was not moved:
//
//   - of a send what SendTo returns for it. Those behind it were not tried.
//   - of a receive EWOULDBLOCK, nothing more is there: what comes later, or was
//     overlooked, wakes anew. Or a soft error, with the destination that drew it
//     in the Addr of ds[n]; EMSGSIZE is a path MTU report (ControlICMP).
type BatchFunc func(s *Socket, ds []Datagram) (n int, e wsa.Errno)

// A Batcher is a Base that moves several datagrams in one call. Batch is asked
// once for each chain, after Startup; both functions are for every socket of the
// chain and answer EOPNOTSUPP for one that is not of datagrams.
type Batcher interface {
	Base
	Batch() (send, recv BatchFunc)
}
