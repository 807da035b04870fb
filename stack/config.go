package stack

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Config is what a Stack is made of. The zero value is what a gateway behind a
// TUN wants; New does not modify it.
type Config struct {
	// Clock drives every timer of gVisor (RTO, TIME-WAIT, reassembly).
	// Default: the system clock. Tests pass faketime.NewManualClock.
	// What waits for a device (held packets) always uses the system clock.
	Clock tcpip.Clock

	// SendBuffer and ReceiveBuffer bound what one TCP connection may hold,
	// in bytes. Defaults: tune.go. With more than two connections a receive buffer
	// is bounded by its share in 16 MiB, or 2 MiB if that is more.
	SendBuffer, ReceiveBuffer BufferSizes
	// BufferBudget is how many bytes the buffers of all TCP connections may hold
	// together, each way: with more of them than it holds buffers of the maximal
	// size, each one's share shrinks, down to 32 KiB. Buffers that an application
	// has set by hand shrink, too. Default 256 MiB.
	BufferBudget int

	// CongestionControl is "reno" (default) or "cubic".
	CongestionControl string

	// RTO bounds TCP's retransmission timer. Default: 200 to 600 ms while the
	// stack is near, that is, while no route of SetRoutes leads over a NIC
	// without a FlowHandler; 200 ms to 120 s then. Set it where on-link peers
	// have a round trip of half a second and more.
	RTO RTORange

	// TimeWait is how long a closed connection keeps its 4-tuple. Default 10 s.
	TimeWait time.Duration

	// GroupReports tells the network what groups the Stack's sockets join, by IGMP
	// (RFC 3376) and MLD (RFC 3810), and answers queries: for a router or a switch
	// that forwards a group only to where it is heard. gVisor reports groups, never
	// sources. Default: silence, as a kernel behind a TUN does not ask, and delivers
	// to the device what is sent over it.
	GroupReports bool

	// MaxHandshakes bounds the flows that wait for a verdict or for the
	// program's ACK, over all NICs: each costs a goroutine. A SYN beyond it is
	// dropped and counted; the program's kernel sends it again, and finds room if there
	// are attempts of its NIC (or source) older than 4 s, the oldest of which are
	// canceled. Default 4096.
	MaxHandshakes int
	// MaxHandshakesPerSource is the same for one source address, so that one
	// attachment cannot starve the others. Default 1024.
	MaxHandshakesPerSource int

	// HoldBytes and HoldTime bound the packets kept per queue while a device
	// is down or full. Defaults 1 MiB and 2 s.
	HoldBytes int
	HoldTime  time.Duration
}

// BufferSizes is a range in bytes: what a socket starts with and what
// auto-tuning and the application may raise it to. Zero fields take defaults.
type BufferSizes struct{ Min, Default, Max int }

// NICConfig describes a NIC.
type NICConfig struct {
	// Name is for people and logs and must be unique in the Stack, unless empty.
	Name string
	// Device carries the packets. AddNIC takes it over: it is closed with the
	// NIC, and by a failing AddNIC as well.
	Device Device
	// Endpoint is a link endpoint of gVisor's instead of a Device, for
	// comparisons (stacktest.NewNaive). The NIC then counts nothing, holds
	// nothing, and its State is Up until Close, which calls Endpoint.Close.
	Endpoint tcpstack.LinkEndpoint
	// Addrs are the NIC's own addresses; each brings the route to its prefix.
	Addrs []netip.Prefix
	// Forward receives the flows that nobody here owns. With it the NIC is a
	// gateway's: it accepts packets to every unicast address (gVisor's
	// promiscuous mode) and answers from every address (spoofing). nil: a host.
	Forward FlowHandler
	// FullChecksums completes the checksums of received packets before anybody
	// sees them. Without it raw TCP and UDP sockets, and captures, see the
	// partial sums with which the kernel hands its own packets to a TUN.
	FullChecksums bool
	// MAC is the address on a TAP. Default: random, locally administered.
	MAC net.HardwareAddr
}

const (
	defaultMaxHandshakes = 4096
	defaultPerSource     = 1024
	defaultBufferBudget  = 256 << 20
	defaultHoldBytes     = 1 << 20
	defaultHoldTime      = 2 * time.Second
)

func (c Config) withDefaults() (Config, error) {
	c.SendBuffer = c.SendBuffer.or(defaultSendBuffer)
	c.ReceiveBuffer = c.ReceiveBuffer.or(defaultReceiveBuffer)
	for _, b := range []BufferSizes{c.SendBuffer, c.ReceiveBuffer} {
		if b.Min <= 0 || b.Default < b.Min || b.Max < b.Default {
			return c, fmt.Errorf("stack: buffer sizes %+v are not min <= default <= max: %w", b, syscall.EINVAL)
		}
	}
	if c.BufferBudget = or(c.BufferBudget, defaultBufferBudget); c.BufferBudget < 0 {
		return c, fmt.Errorf("stack: buffer budget of %d bytes: %w", c.BufferBudget, syscall.EINVAL)
	}
	if c.RTO.Min < 0 || c.RTO.Max < 0 || c.RTO.Max != 0 && c.RTO.Min > c.RTO.Max {
		return c, fmt.Errorf("stack: RTO %v is not min <= max: %w", c.RTO, syscall.EINVAL)
	}
	if c.CongestionControl == "" {
		c.CongestionControl = defaultCongestionControl
	}
	c.TimeWait = or(c.TimeWait, defaultTimeWait)
	c.MaxHandshakes = or(c.MaxHandshakes, defaultMaxHandshakes)
	c.MaxHandshakesPerSource = or(c.MaxHandshakesPerSource, defaultPerSource)
	c.HoldBytes = or(c.HoldBytes, defaultHoldBytes)
	c.HoldTime = or(c.HoldTime, defaultHoldTime)
	return c, nil
}

func (b BufferSizes) or(d BufferSizes) BufferSizes {
	return BufferSizes{Min: or(b.Min, d.Min), Default: or(b.Default, d.Default), Max: or(b.Max, d.Max)}
}

func or[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}
