package sockets

import (
	"net"
	"time"

	"github.com/netnsd/netnsd/provider/wsa"
)

// Keep-alive as package net has it: on, 15 s idle, 15 s between probes, 9 probes.
const (
	keepAlivePeriod = 15 * time.Second
	keepAliveCount  = 9
)

// keepAliveFor is what a Dialer's or ListenConfig's KeepAlive means.
func keepAliveFor(d time.Duration) net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: d >= 0, Idle: d, Interval: d}
}

// SetKeepAlive switches keep-alive probes on or off.
func (c *TCPConn) SetKeepAlive(on bool) error {
	return c.setting(c.sock.setOption(wsa.SOL_SOCKET, wsa.SO_KEEPALIVE, truth(on)))
}

// SetKeepAlivePeriod sets the idle time before the first probe, in whole
// seconds, rounded up.
func (c *TCPConn) SetKeepAlivePeriod(d time.Duration) error {
	return c.setting(c.keepSeconds(wsa.TCP_KEEPIDLE, d))
}

// SetKeepAliveConfig sets all of keep-alive. As for [net.TCPConn], 0 in a field
// is the default and a negative value leaves what is set.
func (c *TCPConn) SetKeepAliveConfig(k net.KeepAliveConfig) error {
	if err := c.SetKeepAlive(k.Enable); err != nil {
		return err
	}
	if err := c.keepSeconds(wsa.TCP_KEEPIDLE, k.Idle); err != nil {
		return c.setting(err)
	}
	if err := c.keepSeconds(wsa.TCP_KEEPINTVL, k.Interval); err != nil {
		return c.setting(err)
	}
	count := k.Count
	if count == 0 {
		count = keepAliveCount
	}
	if count < 0 {
		return nil
	}
	return c.setting(c.sock.setOption(wsa.IPPROTO_TCP, wsa.TCP_KEEPCNT, count))
}

func (c *TCPConn) keepSeconds(option int32, d time.Duration) error {
	switch {
	case d < 0:
		return nil
	case d == 0:
		d = keepAlivePeriod
	}
	return c.sock.setOption(wsa.IPPROTO_TCP, option, int((d+time.Second-1)/time.Second))
}
