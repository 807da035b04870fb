package config

import (
	"os"
)

// Attachment is a network namespace that is served, and how.
type Attachment struct {
	// The name in rules, audit, metrics and the control API.
	Name string `json:"name" jsonschema:"required"`
	// The namespace; one of its keys.
	Netns Netns `json:"netns" jsonschema:"required"`
	Settings
	// Which chain its sockets take by destination, before chain; the first match wins.
	Select []Selection `json:"select"`
	// The chain of its other sockets. Default: what catalog.select says.
	Chain string `json:"chain"`
	// Ports of this host that lead inside.
	Publish []Publish `json:"publish"`
}

// Settings are what attachments can have in common.
type Settings struct {
	// The device inside.
	Interface Interface `json:"interface"`
	// The link between the namespace and us.
	Network Network `json:"network"`
	// The name service, at host 3 of the link.
	DNS DNS `json:"dns"`
	// Let programs reach this host's 127.0.0.1 and ::1, as host 2 of the link. Default false.
	HostLoopback bool `json:"host_loopback"`
	// shared: a source of datagrams has one socket for all it sends to, as behind a router. per-flow: one for each destination, which alone can answer. Default shared.
	UDP string `json:"udp" jsonschema:"enum=shared,enum=per-flow"`
	// What the attachment can make us hold. At a limit something is dropped, and counted.
	Limits Limits `json:"limits"`
}

// What a datagram socket outside is for.
const (
	UDPShared  = "shared"
	UDPPerFlow = "per-flow"
)

// Netns names a network namespace.
type Netns struct {
	// As of `ip netns add NAME`: /run/netns/NAME.
	Name string `json:"name,omitempty"`
	// A file: a bind mount, or /proc/PID/ns/net.
	Path string `json:"path,omitempty"`
	// That of a process.
	PID int `json:"pid,omitempty"`
	// An open descriptor: of the daemon, or through the control socket of the process that asks. From 3 on.
	FD int `json:"fd,omitempty"`

	// File is the namespace itself, if it came as a descriptor through the control
	// socket; who takes the Attachment closes it. FD is then only a name.
	File *os.File `json:"-"`
}

// Modes of an interface.
const (
	ModeTUN = "tun"
	ModeTAP = "tap"
)

// Interface is the device inside the namespace.
type Interface struct {
	// Its name, at most 15 bytes. Default tun0.
	Name string `json:"name"`
	// tun: IP packets; tap: Ethernet frames. Default tun.
	Mode string `json:"mode" jsonschema:"enum=tun,enum=tap"`
	// In bytes, 1280 to 65520. Default 1500.
	MTU int `json:"mtu"`
	// Keep the device with its addresses and routes when the daemon ends, to be attached again. Default false.
	Persist bool `json:"persist"`
}

// Network is the link: the namespace is one host of it, host 2 stands for this
// host, host 3 is the name service.
type Network struct {
	// The program's IPv4 address with the length of the network, or the network, of which it is host 100; or none. Default 10.0.2.100/24.
	IPv4 Net `json:"ipv4"`
	// Likewise for IPv6. Default fd00::64/64.
	IPv6 Net `json:"ipv6"`
	// Routes over the device; those of a family that is none are left out. Default 0.0.0.0/0 and ::/0.
	Routes []Prefix `json:"routes"`
}

// DNS is the name service of an attachment.
type DNS struct {
	// No name service. Default false.
	Off bool `json:"disabled"`
	// Servers that are asked, in this order: ADDR[:PORT], udp://, tcp://, tls:// or https://, as of netnsd run --dns, or system for those of this host's resolv.conf. Default: system.
	Upstreams []string `json:"upstreams"`
	// ZONE=SERVER: who is asked for the names of a zone; the longest zone counts, and of one zone all servers in this order.
	Zones []string `json:"zones"`
	// NAME=ADDR: what is answered without asking, besides this host's /etc/hosts.
	Hosts []string `json:"hosts"`
	// Ask for every name anew. Default false.
	NoCache bool `json:"no_cache"`
}

// Publish is a port of this host, or a range, that leads inside.
type Publish struct {
	// tcp or udp. Default tcp.
	Proto string `json:"proto" jsonschema:"enum=tcp,enum=udp"`
	// ADDR:PORT or ADDR:PORT-PORT of this host.
	Listen Endpoints `json:"listen" jsonschema:"required"`
	// [ADDR:]PORT or a range of the same size, inside. Default: the program's address, and the ports of listen.
	To Endpoints `json:"to"`
	// none, v1 or v2: how a server inside is told the client's address where the packets cannot carry it. Default none.
	ProxyProtocol string `json:"proxy_protocol" jsonschema:"enum=none,enum=v1,enum=v2"`
}

// ID names a publication; there is one of each.
func (p Publish) ID() string { return p.Proto + "/" + p.Listen.String() }

// Limits bound what one attachment can make us hold.
type Limits struct {
	// TCP connections on their way out. Beyond: the SYN is dropped, and sent again; attempts of 4 s and more make room. Default 4096.
	TCPHandshakes int `json:"tcp_handshakes"`
	// Those of one source address. Default 1024.
	TCPHandshakesPerClient int `json:"tcp_handshakes_per_client"`
	// All TCP connections. Beyond: reset. Default 32768.
	TCPFlows int `json:"tcp_flows"`
	// Connections to one published port on their way inside. Beyond: they wait in the kernel. Default 256.
	PublishHandshakes int `json:"publish_handshakes"`
	// How long the program may take to accept one. Beyond: the client is reset. Default 20s.
	PublishAnswer Duration `json:"publish_answer"`
	// Clients of the UDP ports of one publication. Beyond: the least lately used goes. Default 4096.
	PublishClients int `json:"publish_clients"`
	// The silence after which either side of a connection is asked whether it is there. Default 5m.
	KeepAlive Duration `json:"keepalive"`
	// How long what was sent may stay without acknowledgment (RFC 5482). Default 0s: the kernels say.
	UserTimeout Duration `json:"user_timeout"`
	// Sources inside with a datagram socket open. Beyond: the least lately used goes, 4 a millisecond; other sources are dropped. Default 4096.
	UDPSources int `json:"udp_sources"`
	// Destinations remembered of each. Beyond: the least lately used goes. Default 256.
	UDPPeers int `json:"udp_peers"`
	// Queries in flight to the name service. Beyond: dropped. Default 256.
	DNSQueries int `json:"dns_queries"`
	// Names kept for addresses. Beyond: those that end first go. Default 65536.
	DNSNames int `json:"dns_names"`
	// How long a datagram socket stays that nobody uses. Default 2m (RFC 4787, 4.3).
	UDPIdle Duration `json:"udp_idle"`
	// The same after an answer from port 53. Default 10s.
	DNSIdle Duration `json:"dns_idle"`
	// How long a connection stays of which one side has ended. Default 2h.
	HalfClosed Duration `json:"half_closed"`
}
