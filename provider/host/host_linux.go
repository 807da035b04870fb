package host

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A Host opens sockets of this machine, in the network namespace of the thread
// that calls Open. It is safe for concurrent use.
type Host struct {
	config Config
	poller *poller
	pings  identifiers
	bound  base.Bindings

	changes changes
}

var (
	_ base.Driver    = (*Host)(nil)
	_ base.Endpoint  = (*stream)(nil)
	_ base.Endpoint  = (*datagram)(nil)
	_ base.Queuer    = (*stream)(nil)
	_ base.Queuer    = (*datagram)(nil)
	_ base.SoftNamer = (*datagram)(nil)
	_ base.Handler   = (*stream)(nil)
	_ base.Handler   = (*datagram)(nil)
)

// New makes a Host and starts its goroutine. It fails if epoll cannot be had or
// if what the Config asks of sockets is not allowed, so that this is known
// before the first flow.
func New(config Config) (*Host, error) {
	if err := config.try(); err != nil {
		return nil, err
	}
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	return &Host{config: config, poller: p}, nil
}

// Protocols are the catalog's rows.
func (h *Host) Protocols() []base.Protocol { return slices.Clone(protocols) }

// Close ends the Host's goroutine and waits for it. Endpoints that are still
// open die of ENETDOWN and are woken once more; closing them stays with their
// owners.
func (h *Host) Close() error { return h.poller.close() }

// try makes one socket the way Open would.
func (c *Config) try() error {
	if c.Mark == 0 && c.Interface == "" {
		return nil
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("host: socket: %w", err)
	}
	defer unix.Close(fd)
	if err := c.apply(fd); err != nil {
		return fmt.Errorf("host: mark %#x, interface %q: %w (both need CAP_NET_ADMIN or CAP_NET_RAW)", c.Mark, c.Interface, err)
	}
	return nil
}

func (c *Config) apply(fd int) error {
	if c.Mark != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(c.Mark)); err != nil {
			return err
		}
	}
	if c.Interface != "" {
		return unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, c.Interface)
	}
	return nil
}

// Open makes an endpoint. Besides the errors of [base.Driver]: EPROTONOSUPPORT
// for a triple that no row of Protocols covers.
func (h *Host) Open(af, typ, protocol int32) (base.Endpoint, wsa.Errno) {
	switch {
	case af != wsa.AF_INET && af != wsa.AF_INET6:
		return nil, wsa.EAFNOSUPPORT
	case typ == wsa.SOCK_STREAM:
		return h.openStream(af, protocol)
	case typ == wsa.SOCK_DGRAM && (protocol == wsa.IPPROTO_ICMP || protocol == wsa.IPPROTO_ICMPV6):
		return h.openPing(af, protocol)
	case typ == wsa.SOCK_DGRAM || typ == wsa.SOCK_RAW:
		return h.openDatagram(af, typ, protocol)
	}
	return nil, wsa.ESOCKTNOSUPPORT
}

// socket is socket(2) and what all our sockets have set.
func (h *Host) socket(af, typ, protocol int32) (int, wsa.Errno) {
	domain := unix.AF_INET
	if af == wsa.AF_INET6 {
		domain = unix.AF_INET6
	}
	// Winsock's types and protocols have Linux's numbers; its AF_INET6 has not.
	fd, err := unix.Socket(domain, int(typ)|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, int(protocol))
	if err != nil {
		return -1, translate(opSocket, errnoOf(err))
	}
	err = h.config.apply(fd)
	if err == nil && af == wsa.AF_INET6 && typ != wsa.SOCK_RAW {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1) // Windows' default
	}
	if err != nil {
		unix.Close(fd)
		return -1, translate(opSetOption, errnoOf(err))
	}
	return fd, 0
}
