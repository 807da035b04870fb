package stack

import (
	"fmt"
	"reflect"
	"sync"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/log"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// Buffers: with eight streams 512 KiB to 2 MiB is best (they stay in the L2
// cache: 28.3 Gbit/s at 512 KiB, 23.6 at 1 MiB, 20.7 at 4 MiB), with one
// upload 4 to 8 MiB (18.1, 21.6, 28.1); 2 MiB is the compromise (perf.md B).
// The memory is used only while data waits.
var (
	defaultSendBuffer    = BufferSizes{Min: 4 << 10, Default: 1 << 20, Max: 2 << 20}
	defaultReceiveBuffer = BufferSizes{Min: 4 << 10, Default: 1 << 20, Max: 2 << 20}
)

// Reno: on a link without loss it is as fast as cubic (perf.md pitfall 5), and
// gVisor's cubic can overflow its window (gvisor.dev/issue/11632).
const defaultCongestionControl = "reno"

// Loss recovery: gVisor's SACK recovery of before RACK, on every link. Measured
// on this package (2 cores, kernel peer on a TUN, stacktest.Cable with 1 ms):
//
//	                                       RACK off           RACK on
//	download over a flap of 0.1 s          0.27 - 0.28 s      0.3, 23, 47 s
//	96 MiB, dark for 50 ms / 0.2 s / 1 s   1.0 / 1.1 / 2.4 s  never / 1.1 / 2.3 s
//	1 MiB, loss 0.1 / 1 / 5 %              27 / 172 / 2278 ms 25 / 185 / 2167 ms
//	  the same with super-segments         20 / 19 / 91 ms    21 / 21 / 93 ms
//	8 MiB, 5 % reordered by 3 ms           2.3 s              2.3 s
//	  the same with super-segments         0.27 s             0.28 s
//	8 downloads, spurious retransmissions  0                  0.1 per MiB
//
// RACK loses its way when it loses a tail (after the flap it sends a segment
// per RTO), which no gain elsewhere pays for. tests.md 5.2 saw gains of 1.4 to 3
// under loss and reordering on wires that also reorder by accident (a timer per
// packet); in order they are noise. Tailscale switches RACK off, too
// (tailscale/tailscale#9707).
const lossRecovery tcpip.TCPRecovery = 0

// Delayed ACKs, Nagle (off), SYN retries (6), minimum RTO (200 ms), TTL (64) and
// keep-alive stay as gVisor has them: they are those of Linux, and per-socket
// options, which the provider sets as Winsock wants them.

// TIME-WAIT: gVisor's 60 s keeps 60 000 dead endpoints at 1000 connections a
// second. It guards against old duplicates in the network; a TUN has none.
// A new SYN on such a 4-tuple ends it early (flowTable.syn).
const defaultTimeWait = 10 * time.Second

// Ephemeral ports: the range of RFC 6335, which is also that of Windows.
const firstEphemeral, lastEphemeral = 49152, 65535

// quiet silences gVisor's log, once for the process: a library does not write to
// its user's standard error, and what it warns of (a listener that closed during a
// handshake, martian packets) is in gVisor's counters.
var quiet = sync.OnceFunc(func() { log.SetTarget(discardLog{}) })

type discardLog struct{}

// Emit implements log.Emitter.
func (discardLog) Emit(int, log.Level, time.Time, string, ...any) {}

func (s *Stack) tune() error {
	quiet()
	c := s.config
	sack := tcpip.TCPSACKEnabled(true) // gVisor's default is off; every peer we meet has it
	moderate := tcpip.TCPModerateReceiveBufferOption(true)
	send := tcpip.TCPSendBufferSizeRangeOption{Min: c.SendBuffer.Min, Default: c.SendBuffer.Default, Max: c.SendBuffer.Max}
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: c.ReceiveBuffer.Min, Default: c.ReceiveBuffer.Default, Max: c.ReceiveBuffer.Max}
	control := tcpip.CongestionControlOption(c.CongestionControl)
	recovery := lossRecovery
	timeWait := tcpip.TCPTimeWaitTimeoutOption(c.TimeWait)
	if err := s.setTCP(&sack, &moderate, &send, &receive, &control, &recovery, &timeWait); err != nil {
		return err
	}
	if err := s.setRTO(); err != nil {
		return err
	}
	if err := s.tcpip.SetPortRange(firstEphemeral, lastEphemeral); err != nil {
		return fmt.Errorf("stack: set port range: %v: %w", err, errno(err))
	}
	return nil
}

func (s *Stack) setTCP(opts ...tcpip.SettableTransportProtocolOption) error {
	for _, opt := range opts {
		if err := s.tcpip.SetTransportProtocolOption(tcp.ProtocolNumber, opt); err != nil {
			return fmt.Errorf("stack: set %T to %v: %v: %w", opt, reflect.Indirect(reflect.ValueOf(opt)), err, syscall.EINVAL)
		}
	}
	return nil
}
