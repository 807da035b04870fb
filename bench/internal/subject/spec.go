//go:build linux

package subject

import "net/netip"

// Modes.
const (
	Gateway = "gateway" // forwards what comes out of the TUN to sockets of the host
	Sockets = "sockets" // serves it itself, on sockets of the stack
)

// A Spec says what the process is.
type Spec struct {
	Mode  string
	Naive bool   // songgao/water and link/channel, one packet a system call
	Chain string // one of Chains
	Netns string // of the client: where the TUN is made
	// Beside is where another gateway of the process has its TUN; "" is none.
	Beside string
	// Publish is the host's address at which the client's ports are published; not
	// valid: none are. In mode Gateway.
	Publish netip.Addr
	MTU     int
	Host    netip.Addr // of the servers; in mode Sockets our own
	Page    string     // mode Sockets: what our servers count
	Audit   string     // file of chains with an audit
	// Profile is a file for a CPU profile of the process's whole life; "" is none.
	Profile string
}

// Addresses on the TUN: those of run, but in mode Sockets, where the stack has
// the servers' own.
var (
	Client  = netip.MustParsePrefix("10.0.2.100/24")
	Router  = netip.MustParseAddr("10.0.2.2")
	Names   = netip.MustParseAddr("10.0.2.3")
	nearest = netip.MustParsePrefix("10.9.0.2/24") // the client of mode Sockets
)

// Device is the name of the TUN.
const Device = "bench0"
