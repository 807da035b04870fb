//go:build !linux

package host

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A Host opens sockets of this machine; only Linux has one.
type Host struct{}

var _ base.Driver = (*Host)(nil)

// New fails: the driver needs epoll and Linux's error queue.
func New(Config) (*Host, error) {
	return nil, fmt.Errorf("host: sockets of %s are not served, only Linux's: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Protocols are what the driver could open on Linux.
func (*Host) Protocols() []base.Protocol { return slices.Clone(protocols) }

// Open always fails.
func (*Host) Open(af, typ, protocol int32) (base.Endpoint, wsa.Errno) {
	return nil, wsa.EPROTONOSUPPORT
}

// Close does nothing.
func (*Host) Close() error { return nil }
