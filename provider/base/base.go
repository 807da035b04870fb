package base

import (
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Config is what a base is made of.
type Config struct {
	// Driver is the network. Without one the base serves no protocol and its
	// WSPStartup fails with WSASYSNOTREADY.
	Driver Driver
	// Name precedes the protocol's name in szProtocol: "Name [TCP/IP]".
	// Default "MSAFD Tcpip", as on Windows.
	Name string
	// RawAllowed lets SOCK_RAW be opened; otherwise it is WSAEACCES at creation,
	// as for a user without privilege since Vista.
	RawAllowed bool
	// Now is the clock of SO_CONNECT_TIME and TCP_INFO. It is called in wakes, so it
	// must not block. Default time.Now.
	Now func() time.Time
}

// New makes the base provider of a driver's network. The driver is asked for its
// protocols once, here, and is shared by all chains that stand on the base;
// WSPCleanup does not touch it.
func New(c Config) provider.Base {
	b := &base{driver: c.Driver, rawAllowed: c.RawAllowed, options: index(options, stateOptions, ipOptions, multicastOptions, acceptOptions), now: c.Now}
	if b.now == nil {
		b.now = time.Now
	}
	b.epoch = b.now()
	if c.Driver == nil {
		return b
	}
	if c.Name == "" {
		c.Name = "MSAFD Tcpip"
	}
	b.rows = c.Driver.Protocols()
	for i := range b.rows {
		b.entries = append(b.entries, b.rows[i].info(c.Name))
	}
	return b
}

type base struct {
	driver     Driver
	rawAllowed bool
	rows       []Protocol
	entries    []provider.ProtocolInfo
	options    map[optionKey]*option
	now        func() time.Time
	epoch      time.Time
	changes    changes
	tokens     tokens
}

// clock is the time since the base was made, and never 0.
func (b *base) clock() time.Duration { return b.now().Sub(b.epoch) + 1 }

// instance is one WSPStartup: the base under one chain.
type instance struct {
	*base
	own *provider.ProtocolInfo
	up  *provider.Upcalls
}

func (b *base) Entries() []provider.ProtocolInfo {
	return append([]provider.ProtocolInfo(nil), b.entries...)
}

// Startup negotiates the version as winsock-spi 3.1 has it: a caller that asks
// for less than 2.2 cannot be served.
func (b *base) Startup(r *provider.StartupRequest) (provider.ProcTable, wsa.Errno) {
	major, minor := r.Version&0xff, r.Version>>8
	switch {
	case major < 2 || major == 2 && minor < 2:
		return provider.ProcTable{}, wsa.VERNOTSUPPORTED
	case b.driver == nil:
		return provider.ProcTable{}, wsa.SYSNOTREADY
	}
	in := &instance{base: b, own: r.Info, up: r.Upcalls}
	return provider.ProcTable{
		WSPSocket:          in.socket,
		WSPAccept:          accept,
		WSPJoinLeaf:        joinLeaf,
		WSPDuplicateSocket: duplicateSocket,
		WSPCloseSocket:     closeSocket,
		WSPCleanup:         func() wsa.Errno { return 0 },

		WSPBind:            bind,
		WSPConnect:         connect,
		WSPListen:          listen,
		WSPGetSockName:     getSockName,
		WSPGetPeerName:     getPeerName,
		WSPAddressToString: in.addressToString,
		WSPStringToAddress: in.stringToAddress,

		WSPRecv:     recv,
		WSPRecvFrom: recvFrom,
		WSPSend:     send,
		WSPSendTo:   sendTo,
		WSPShutdown: shutdown,

		WSPGetSockOpt: getSockOpt,
		WSPSetSockOpt: setSockOpt,
		WSPIoctl:      ioctl,

		Ready: ready,
		Watch: (*provider.Socket).SetWatch,
	}, 0
}

// Service flags by kind (winsock-spi 1.2).
const (
	streamFlags   = wsa.XP1_GUARANTEED_DELIVERY | wsa.XP1_GUARANTEED_ORDER | wsa.XP1_GRACEFUL_CLOSE
	datagramFlags = wsa.XP1_CONNECTIONLESS | wsa.XP1_MESSAGE_ORIENTED | wsa.XP1_SUPPORT_BROADCAST | wsa.XP1_SUPPORT_MULTIPOINT
)

// serviceFlags are dwServiceFlags1 of the row.
func (p *Protocol) serviceFlags() uint32 {
	f := datagramFlags
	if p.Type == wsa.SOCK_STREAM {
		f = streamFlags
		if p.Expedited {
			f |= wsa.XP1_EXPEDITED_DATA
		}
	}
	if p.IFS {
		f |= wsa.XP1_IFS_HANDLES
	}
	return f
}

// info is the row as a catalog entry (winsock-spi 1.5).
func (p *Protocol) info(name string) provider.ProtocolInfo {
	i := provider.ProtocolInfo{
		ServiceFlags1:     p.serviceFlags(),
		Version:           2,
		AddressFamily:     p.Family,
		MaxSockAddr:       sockaddrSize(p.Family),
		MinSockAddr:       sockaddrSize(p.Family),
		SocketType:        p.Type,
		Protocol:          p.Protocol,
		ProtocolMaxOffset: p.MaxOffset,
		MessageSize:       p.MessageSize,
		Name:              name + " [" + p.Name + "]",
	}
	if p.Hidden {
		i.ProviderFlags |= wsa.PFL_HIDDEN
	}
	if !p.NoZero {
		i.ProviderFlags |= wsa.PFL_MATCHES_PROTOCOL_ZERO
	}
	return i
}

// sockaddrSize is the size of sockaddr_in and sockaddr_in6 in bytes.
func sockaddrSize(af int32) int32 {
	if af == wsa.AF_INET6 {
		return 28
	}
	return 16
}

// covers reports whether protocol is in the row's range.
func (p *Protocol) covers(protocol int32) bool {
	return protocol >= p.Protocol && protocol-p.Protocol <= p.MaxOffset
}
