package gateway

import (
	"encoding/binary"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// Each side of a connection is asked whether it is there. A program's own keep-alive
// ends at us, so that it would never find out that its peer is gone; and of a
// program whose kernel has lost the connection the peer would never hear. Whoever
// does not answer is ETIMEDOUT, and the other side is reset.

// probes are sent before a side counts as gone, an eighth of Limits.KeepAlive apart.
const probes = 4

func (l *Limits) probeInterval() time.Duration { return max(l.KeepAlive/8, time.Second) }

// keepAlive sets the host's side, before it connects.
func (g *Gateway) keepAlive(s *provider.Socket) {
	l := &g.cfg.Limits
	setOption(s, wsa.SOL_SOCKET, wsa.SO_KEEPALIVE, 1)
	setOption(s, wsa.IPPROTO_TCP, wsa.TCP_KEEPIDLE, seconds(l.KeepAlive))
	setOption(s, wsa.IPPROTO_TCP, wsa.TCP_KEEPINTVL, seconds(l.probeInterval()))
	setOption(s, wsa.IPPROTO_TCP, wsa.TCP_KEEPCNT, probes)
	if l.UserTimeout > 0 {
		setOption(s, wsa.IPPROTO_TCP, wsa.TCP_MAXRT, seconds(l.UserTimeout))
	}
}

// keepAliveFlow sets the program's side, once it is accepted.
func (g *Gateway) keepAliveFlow(f *stack.Flow) {
	l := &g.cfg.Limits
	k := stack.KeepAlive{Idle: l.KeepAlive, Interval: l.probeInterval(), Count: probes, UserTimeout: l.UserTimeout}
	if err := f.SetKeepAlive(k); err != nil {
		g.log.Debug("no keep-alive", "src", f.Source(), "err", err)
	}
}

func seconds(d time.Duration) int { return int(max(d, time.Second) / time.Second) }

// setOption sets an option of a stream. A base that has no such thing goes without.
func setOption(s *provider.Socket, level, name int32, value int) {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], uint32(value))
	s.Chain().Table.WSPSetSockOpt(s, level, name, b[:])
}
