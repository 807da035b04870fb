package stack

import (
	"fmt"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// KeepAlive are the settings by which a connection finds out that its other side
// is gone.
type KeepAlive struct {
	Idle     time.Duration // of silence before the first probe
	Interval time.Duration // between probes
	Count    int           // of probes without an answer: ETIMEDOUT
	// UserTimeout is how long what was sent may stay without acknowledgment; 0 is
	// 924 s, as on Linux. It replaces Count (RFC 5482; tcp(7)).
	UserTimeout time.Duration
}

// SetKeepAlive applies k to an accepted flow, whose program's kernel answers probes
// as long as it knows the connection: also of a program that is stopped. Errors:
// ENOTCONN before Accept, net.ErrClosed after Close, and EINVAL.
func (f *Flow) SetKeepAlive(k KeepAlive) error {
	ep, err := f.endpoint()
	if err != nil {
		return err
	}
	idle, interval := tcpip.KeepaliveIdleOption(k.Idle), tcpip.KeepaliveIntervalOption(k.Interval)
	set := []tcpip.SettableSocketOption{&idle, &interval}
	if k.UserTimeout > 0 {
		most := tcpip.TCPUserTimeoutOption(k.UserTimeout)
		set = append(set, &most)
	}
	for _, o := range set {
		if err := ep.SetSockOpt(o); err != nil {
			return fmt.Errorf("stack: %T of the flow from %v: %w", o, f.key.src, errno(err))
		}
	}
	if err := ep.SetSockOptInt(tcpip.KeepaliveCountOption, k.Count); err != nil {
		return fmt.Errorf("stack: keep-alive count of the flow from %v: %w", f.key.src, errno(err))
	}
	ep.SocketOptions().SetKeepAlive(true)
	return nil
}
