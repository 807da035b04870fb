package base

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A Driver opens endpoints of some network: netstack's, the host's, a script's.
// It knows nothing of Winsock's states: no call of it is made in a state where
// Winsock says no, and each error is translated where operation and cause are
// both known, that is, in the driver's own method.
type Driver interface {
	// Protocols are what the driver can open, in catalog order.
	Protocols() []Protocol
	// Open makes an endpoint. The triple is one that Protocols covers. Errors:
	// EACCES (raw without privilege), EAFNOSUPPORT (the IP version is off),
	// ENETDOWN, EMFILE, ENOBUFS.
	Open(af, typ, protocol int32) (Endpoint, wsa.Errno)
}

// Protocol is one row of the catalog of winsock-spi 1.5, as far as the driver
// decides it.
type Protocol struct {
	Family, Type, Protocol int32
	MaxOffset              int32  // it covers [Protocol, Protocol+MaxOffset]
	Name                   string // szProtocol, such as "TCP/IP"
	MessageSize            uint32 // bytes; 0 for a stream
	Hidden                 bool   // PFL_HIDDEN
	Expedited              bool   // urgent data works (XP1_EXPEDITED_DATA)
	IFS                    bool   // endpoints are the operating system's handles (XP1_IFS_HANDLES)
	NoZero                 bool   // protocol 0 does not match (no PFL_MATCHES_PROTOCOL_ZERO)
}

// An Endpoint is one open endpoint. No method blocks. Methods are safe for
// concurrent use to the extent that law 4 allows: one receive, one send and
// control operations at a time; Close last and alone.
type Endpoint interface {
	// Watch installs wake, once, before anything else is called. It is called
	// whenever State may have changed, from any goroutine, with locks of the
	// endpoint held: it only marks and schedules.
	Watch(wake func(hint wsa.Events))

	// Bind takes a local address; port 0 lets the driver choose. Errors:
	// EADDRINUSE, EADDRNOTAVAIL, EACCES, ENOBUFS.
	Bind(provider.Addr) wsa.Errno
	// Connect of a stream starts the attempt: EWOULDBLOCK, and State tells the
	// rest. Of a datagram endpoint it sets the peer (0 at once). Errors:
	// EADDRNOTAVAIL, ENETUNREACH, EHOSTUNREACH, ECONNREFUSED, EADDRINUSE, EACCES.
	Connect(provider.Addr) wsa.Errno
	// Disconnect takes a datagram endpoint's peer away.
	Disconnect() wsa.Errno
	// Listen starts listening or changes the backlog; backlog is 1 or more.
	Listen(backlog int) wsa.Errno
	// Accept takes the first established connection: EWOULDBLOCK if there is none,
	// ECONNRESET if the peer is gone already.
	Accept() (Endpoint, wsa.Errno)

	// Send and Recv move bytes. m.Addr is the destination of a datagram (no family:
	// the peer) and is set to the source by Recv. End of stream is (0, 0); a
	// datagram that does not fit fills the buffers and gives EMSGSIZE. Recv honours
	// MSG_PEEK; other flags do not reach the driver, but for MSG_OOB where the
	// protocol says Expedited: the last byte sent is urgent, and Recv gives the urgent
	// byte however far the rest was received, or EWOULDBLOCK. A soft error (ICMP) is returned once, with m.Addr
	// the destination that drew it. m.Control is served as far as m.Control.Has asks.
	Send(m *provider.Msg) (int, wsa.Errno)
	Recv(m *provider.Msg) (int, wsa.Errno)

	// Shutdown sends FIN after what is queued. Only SD_SEND reaches a driver.
	Shutdown() wsa.Errno
	// Close ends the endpoint: abort resets a stream, else it ends gracefully in
	// the background. No wake runs after it has returned.
	Close(abort bool)

	// LocalAddr and PeerAddr are what the network knows; ok is false if it knows none.
	LocalAddr() (a provider.Addr, ok bool)
	PeerAddr() (a provider.Addr, ok bool)

	// State is the raw state. It takes no lock that a wake is called under, so it
	// may be asked from one.
	State() State

	// SetOption and Option reach the network for what has an effect there; values
	// are Winsock's, by Winsock's level and name. ENOPROTOOPT: the driver has no
	// such thing, and base decides whether to pretend.
	SetOption(level, name int32, value int) wsa.Errno
	Option(level, name int32) (int, wsa.Errno)
}

// State is the raw state of an endpoint. Queued may be asked of a stream only
// outside a wake; it is exact for what a Recv would return now.
type State struct {
	Phase      Phase
	Readable   bool // data or a datagram is queued (not: end of stream)
	Writable   bool // at least one byte, or a datagram, would be taken
	Acceptable bool // a connection waits
	PeerClosed bool // the peer's FIN was seen
	Drained    bool // all that was sent is acknowledged, the FIN too
	Soft       bool // a soft error waits for the next Recv
	Urgent     bool // an urgent byte waits, which Recv gives for MSG_OOB alone
	// Err is why a stream is Dead: ECONNREFUSED, ETIMEDOUT, ENETUNREACH,
	// EHOSTUNREACH, ECONNRESET, ECONNABORTED, ENETDOWN. It stays.
	Err wsa.Errno
}

// Phase is where a stream stands. Datagram endpoints are Idle or Connected.
type Phase uint8

// Phases.
const (
	Idle Phase = iota
	Listening
	Connecting
	Connected
	Dead // refused, reset, timed out: State.Err says which
)

// Queuer is an Endpoint that knows how many bytes are queued (FIONREAD): of a
// stream all that is readable, of a datagram endpoint the first datagram or all.
type Queuer interface {
	Queued() int
}

// TotalQueuer is a datagram Endpoint that can tell the bytes of all datagrams queued
// (FIONREAD), which may cost more than Queued. It may be asked while a Recv runs.
type TotalQueuer interface {
	QueuedTotal() int
}

// CircularQueuer is a datagram Endpoint whose full queue can lose its oldest datagram
// in place of the newest (SIO_ENABLE_CIRCULAR_QUEUEING), from then on. False: not this
// one. Without it the ioctl is ENOPROTOOPT.
type CircularQueuer interface {
	DropOldest() bool
}

// Handler is an Endpoint that is an operating system's handle (SIO_BASE_HANDLE).
type Handler interface {
	SysHandle() (uintptr, bool)
}

// ICMPErrorer is a stream Endpoint that can tell the ICMP error by which its Connect
// failed (TCP_ICMP_ERROR_INFO); the zero ICMPError if it was none. It tells of those
// attempts alone for which TCP_FAIL_CONNECT_ON_ICMP_ERROR had been set.
type ICMPErrorer interface {
	ICMPError() provider.ICMPError
}

// SoftNamer is an Endpoint that can name the soft error that its next Recv
// returns, without taking it; 0 if none waits or it cannot tell. Like State it
// may be asked from a wake.
type SoftNamer interface {
	SoftError() wsa.Errno
}
