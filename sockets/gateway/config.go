package gateway

import (
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/gateway/dns"
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
	// are led inside under the first of Addrs. What goes to their broadcast addresses
	// is dropped and counted.
	Networks []netip.Prefix
	// UDPPerFlow gives each source and destination of datagrams a socket of its own,
	// whose port only that destination knows and may answer to: address and port
	// dependent mapping and filtering (RFC 4787, 4.1 and 5). Else see package gateway.
	UDPPerFlow bool
	// HostLoopback lets Addrs stand for the host's 127.0.0.1 and ::1.
	HostLoopback bool
	// DNS is the name service; zero means none.
	DNS    DNS
	Limits Limits
	Log    *slog.Logger // nil: discarded
}

// DNS configures the name service of a gateway.
type DNS struct {
	Addrs []netip.Addr // where the program asks, port 53
	// Resolver answers what the chain allows. It is this attachment's alone, as its
	// cache would tell one what another has asked for, and closed with the gateway,
	// also if New fails.
	Resolver *dns.Resolver
	// Upstreams are asked in this order if there is no Resolver.
	Upstreams []netip.AddrPort
}

// Limits bound what one attachment can make us hold. Zero, or less, is the default.
type Limits struct {
	// Handshakes are TCP connections on their way, of this attachment (each costs a
	// goroutine and a socket of the host), and those of one source address; 4096 and
	// 1024. Beyond: the SYN is dropped, and the program's kernel sends it again.
	Handshakes, HandshakesPerClient int
	// Flows are all TCP connections, those on their way out included, and those of
	// published ports once they are inside; 32768. Beyond: reset.
	Flows int

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

	// KeepAlive is the silence after which either side of a connection is asked
	// whether it is there: 4 times, an eighth of it apart. 5 min, less than NATs wait.
	KeepAlive time.Duration
	// UserTimeout is how long what was sent may stay without acknowledgment before the
	// connection is reset (RFC 5482). 0 leaves it to the kernels: 924 s towards the
	// program, and net.ipv4.tcp_retries2 of the host, as the program would have it
	// without us. If set it also stands in for the count of KeepAlive, and ends a
	// connection whose receiver takes nothing for so long (tcp(7)).
	UserTimeout time.Duration
}

func (l Limits) withDefaults() Limits {
	def := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	def(&l.Handshakes, 4096)
	def(&l.HandshakesPerClient, 1024)
	def(&l.Flows, 32768)
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
	dur(&l.KeepAlive, 5*time.Minute)
	return l
}

var errNoSession = errors.New("gateway: Config.Session is missing")
