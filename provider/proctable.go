package provider

import (
	"net/netip"
	"reflect"

	"github.com/netnsd/netnsd/provider/wsa"
)

// ProcTable is WSPPROC_TABLE: the 21 functions of the SPI that reach a base,
// and Ready and Watch, from which package sockets makes the nine others.
//
// In a table returned by a [Layer] a nil entry is pass-through: the builder
// puts the entry of the storey below there. In a built table no entry is nil.
//
// No entry blocks: what cannot be done now returns EWOULDBLOCK, and readiness
// says later when to try again. Entries are safe for concurrent use, but per
// socket at most one data operation per direction runs at a time, and close
// runs last and alone (law 4: package sockets sees to it).
type ProcTable struct {
	WSPSocket          func(*SocketRequest) (*Socket, wsa.Errno)
	WSPAccept          func(*Socket, *AcceptRequest) (*Socket, wsa.Errno)
	WSPJoinLeaf        func(*Socket, *JoinRequest) (*Socket, wsa.Errno)
	WSPDuplicateSocket func(s *Socket, process uint32) (*ProtocolInfo, wsa.Errno)
	WSPCloseSocket     func(*Socket, CloseMode) wsa.Errno
	WSPCleanup         func() wsa.Errno

	WSPBind            func(*Socket, Addr) wsa.Errno
	WSPConnect         func(*Socket, *ConnectRequest) wsa.Errno // EWOULDBLOCK = started
	WSPListen          func(s *Socket, backlog int) wsa.Errno
	WSPGetSockName     func(*Socket) (Addr, wsa.Errno)
	WSPGetPeerName     func(*Socket) (Addr, wsa.Errno)
	WSPAddressToString func(Addr, *ProtocolInfo) (string, wsa.Errno)
	WSPStringToAddress func(text string, af int32, info *ProtocolInfo) (Addr, wsa.Errno)

	// The data entries return the bytes moved. End of stream is (0, 0); a
	// truncated datagram is (n, EMSGSIZE); otherwise n > 0 means no error.
	WSPRecv     func(*Socket, *Msg) (int, wsa.Errno)
	WSPRecvFrom func(*Socket, *Msg) (int, wsa.Errno)
	WSPSend     func(*Socket, *Msg) (int, wsa.Errno)
	WSPSendTo   func(*Socket, *Msg) (int, wsa.Errno)
	WSPShutdown func(s *Socket, how int) wsa.Errno // SD_*

	// GetSockOpt returns the size of the value, or the size needed with EFAULT.
	WSPGetSockOpt func(s *Socket, level, name int32, out []byte) (int, wsa.Errno)
	WSPSetSockOpt func(s *Socket, level, name int32, in []byte) wsa.Errno
	WSPIoctl      func(*Socket, *IoctlRequest) (int, wsa.Errno)

	// Ready is a level with its causes, restricted to mask.
	Ready func(s *Socket, mask wsa.Events) Readiness
	// Watch installs the one watcher of the storey above; nil takes it away, and
	// no Wake runs after that has returned. Watch first, then Ready.
	Watch func(s *Socket, w Watcher, mask wsa.Events)
}

// SocketRequest is the argument of WSPSocket. AF, Type and Protocol are as the
// caller gave them, FROM_PROTOCOL_INFO included. Info is the chain's entry, the
// same pointer at every storey; the base sees its own. Origin stays on the Socket.
//
// A layer that changes a field hands on a copy of the whole; one that opens
// further sockets makes a request of its own for them, and closes them.
type SocketRequest struct {
	AF, Type, Protocol int32
	Info               *ProtocolInfo
	Group, Flags       uint32
	Origin             *Origin
	Application        *Application // who opens it, if known: for Resolve

	made *[]*Socket // what the base's edge made for it, so that a panic above can be undone
}

// AcceptRequest is the argument of WSPAccept. Cond is WSPAccept's condition
// function, nil to accept; it runs in the calling goroutine, at most once a
// call. Into is AcceptEx: the connection is adopted by that socket of the same
// chain; nil makes a new one.
type AcceptRequest struct {
	Cond func(*Indication) CondResult
	Into *Socket

	made *[]*Socket
}

// Indication is what a condition function is shown.
type Indication struct{ Caller, Callee Addr }

// CondResult is what a condition function answers (CF_*).
type CondResult int

// Results of a condition function.
const (
	CF_ACCEPT CondResult = 0
	CF_REJECT CondResult = 1
	CF_DEFER  CondResult = 2
)

// ConnectRequest is the argument of WSPConnect.
type ConnectRequest struct {
	To         Addr   // no family = disconnect (datagram)
	CallerData []byte // EPROTONOSUPPORT unless XP1_CONNECT_DATA
	Ex         bool   // ConnectEx: the socket must be bound
}

// JoinRequest is the argument of WSPJoinLeaf.
type JoinRequest struct {
	To    Addr
	Flags uint32
}

// IoctlRequest is the argument of WSPIoctl.
type IoctlRequest struct {
	Code    uint32
	In, Out []byte
	Pended  bool // as MSG_PENDED, for the *_CHANGE codes
}

// CloseMode says how WSPCloseSocket ends a connection. None of them waits.
type CloseMode uint8

const (
	// CloseLinger follows SO_LINGER; waiting is for package sockets (EvDrained).
	CloseLinger CloseMode = iota
	// CloseAbort resets now: linger expired, CF_REJECT, a killed flow.
	CloseAbort
	// CloseBackground is graceful, in the background, whatever SO_LINGER says.
	CloseBackground
)

// Msg is one data operation. The caller owns and reuses it: one made per call
// would escape through the function value (2 allocations, measured).
type Msg struct {
	Buffers [][]byte     // WSABUF array, not kept after the call; at least one
	Flags   wsa.MsgFlags // in and out
	// Addr is the destination of SendTo and the source after RecvFrom. When a
	// datagram socket returns a soft error (an ICMP error came back), it is the
	// destination that drew it, if the base can tell.
	Addr    Addr
	Control *Control // nil for all but WSARecvMsg and WSASendMsg

	span *span // of a sampled operation: it goes down with the Msg, and with a copy of it
}

// Len is the number of bytes in Buffers.
func (m *Msg) Len() int {
	n := 0
	for _, b := range m.Buffers {
		n += len(b)
	}
	return n
}

// room is Len; nearly always there is one buffer.
func (m *Msg) room() int {
	if len(m.Buffers) == 1 {
		return len(m.Buffers[0])
	}
	return m.Len()
}

// Control is the ancillary data of WSARecvMsg and WSASendMsg, decoded.
type Control struct {
	Has     ControlBits // in: wanted (receive) or given (send); out: present
	Dst     netip.Addr  // PKTINFO: destination received on, or source to send from
	IfIndex uint32
	TTL     uint8
	TOS     uint8
	ICMP    ICMPError // out, with a soft error
}

// ICMPError is what the network said of a datagram that it did not deliver: the
// numbers behind a soft error, for those who have to say it on.
type ICMPError struct {
	From       netip.Addr // who said so; not valid if it was this machine
	Type, Code uint8      // IPv4's or IPv6's, by the family of the destination
	MTU        uint32     // of the next hop, bytes; with EMSGSIZE only
	Quoted     [8]byte    // the datagram's first bytes: of a ping its ICMP header. Zeros if nobody knows
}

// ControlBits name the fields of [Control].
type ControlBits uint16

// Fields of Control.
const (
	ControlPacketInfo ControlBits = 1 << iota
	ControlTTL
	ControlTOS
	// ControlICMP asks a receive for the ICMPError of a soft error, and for path
	// MTU reports as well, which are no soft errors for anybody else: EMSGSIZE with
	// this bit set, n = 0, and the destination in Addr. A base that cannot tell, does not.
	ControlICMP
)

// Readiness is a level, not an edge: edges, once-only and re-arming are made in
// package sockets.
type Readiness struct {
	Events  wsa.Events
	Connect wsa.Errno // cause, valid with FD_CONNECT; 0 = connected
	Close   wsa.Errno // cause, valid with FD_CLOSE; 0 = graceful
	Soft    wsa.Errno // with EvError: what the next receive will report
	Queued  int       // with FD_READ: bytes a receive would return now, exact for a stream (FIONREAD)
}

// A Watcher is woken when readiness may have changed, from any goroutine and
// with locks of the storey below held: Wake may only mark and schedule. It must
// not call the table.
type Watcher interface {
	Wake(s *Socket, hint wsa.Events)
}

// Validate returns the name of the first nil entry and EINVALIDPROCTABLE, as
// the loader of Windows does (WSPStartup, SDK).
func (t *ProcTable) Validate() (entry string, e wsa.Errno) {
	v := reflect.ValueOf(t).Elem()
	for i := range v.NumField() {
		if v.Field(i).IsNil() {
			return v.Type().Field(i).Name, wsa.EINVALIDPROCTABLE
		}
	}
	return "", 0
}

// fill puts below's entries where t has none.
func (t *ProcTable) fill(below *ProcTable) {
	v, b := reflect.ValueOf(t).Elem(), reflect.ValueOf(below).Elem()
	for i := range v.NumField() {
		if v.Field(i).IsNil() {
			v.Field(i).Set(b.Field(i))
		}
	}
}
