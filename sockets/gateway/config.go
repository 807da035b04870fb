package gateway

import (
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/sockets"
)

// Config is what a Gateway is made of.
type Config struct {
	// Session makes the sockets; its catalog holds the chains. Required.
	Session *sockets.Session
	// Attachment is the name under which rules and audit know this network.
	Attachment string
	// Origin adds facts about whoever owns the guest's source address; nil adds
	// none. It is called once per flow and must not block.
	Origin func(src netip.AddrPort) *provider.Origin
	// Owners finds whose sockets flows come from, for layers that ask and what Origin
	// does not state; nil: nobody. Package sockets/gateway/owner has one.
	Owners provider.Owners
	// Addrs are our own addresses on the link.
	Addrs []netip.Addr
	// Networks are the link's. Clients of a published port whose address is in one
	// are led inside under the first of Addrs.
	Networks []netip.Prefix
	// HostLoopback lets Addrs stand for the host's 127.0.0.1 and ::1.
	HostLoopback bool
	// DNS is the name service; zero means none.
	DNS    DNS
	Limits Limits
	Log    *slog.Logger // nil: discarded
}

// DNS configures the name service of a gateway.
type DNS struct {
	Addrs     []netip.Addr     // where the program asks, port 53
	Upstreams []netip.AddrPort // asked in this order
}

// Limits bound what one attachment can make us hold. Zero, or less, is the default.
type Limits struct {
	Datagram  int           // guest sources with a datagram socket open; 4096. Beyond: the least lately used goes
	Peers     int           // destinations remembered per such socket; 256. Beyond: the least lately used goes
	Queries   int           // DNS queries in flight, and connections to the service; 256 each. Beyond: dropped, reset
	Names     int           // names kept for addresses; 65536. Beyond: those that end first go
	Idle      time.Duration // of a datagram socket; 120 s (RFC 4787, 4.3)
	IdleDNS   time.Duration // after an answer from port 53; 10 s
	HalfClose time.Duration // of a connection of which one side has ended; 2 h

	Inward   int           // connections of one Published on their way inside; 256. Beyond: they wait in the host's kernel
	Answer   time.Duration // of the program to one of them; 20 s. Beyond: the client is reset
	Visitors int           // clients of one Published's UDP ports; 4096. Beyond: the least lately used goes
}

func (l Limits) withDefaults() Limits {
	def := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	def(&l.Datagram, 4096)
	def(&l.Peers, 256)
	def(&l.Queries, 256)
	def(&l.Names, 65536)
	def(&l.Inward, 256)
	def(&l.Visitors, 4096)
	dur := func(p *time.Duration, v time.Duration) {
		if *p <= 0 {
			*p = v
		}
	}
	dur(&l.Idle, 120*time.Second)
	dur(&l.IdleDNS, 10*time.Second)
	dur(&l.HalfClose, 2*time.Hour)
	dur(&l.Answer, 20*time.Second)
	return l
}

var errNoSession = errors.New("gateway: Config.Session is missing")
