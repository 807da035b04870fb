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
// upload 4 to 8 MiB (18.1, 21.6, 28.1): what may be received shrinks from 8 MiB to 2
// with the first eight connections (buffers.go), what may be sent has 2 MiB (perf.md B).
// The memory is used only while data waits.
//
// Many connections share a budget (buffers.go). A kernel client with 1000
// saturated connections, MTU 1500, 2 cores, beside other load, so that only
// what is counted compares (go test -bench Saturated):
//
//	                            up                    down
//	                     dropped     least    resent    least      RSS
//	256 MiB, as it is          0  2.0 MiB      1728  0.6 MiB   690 MiB
//	64 MiB                     0  0.5           561  0.7       480
//	none                    3124  0.15        10942  0.14     1300
//	two queues                 0  1.1         10376  0.06      660
//
// dropped: by the TUN, whose queue is full; least: what the slowest of 1000
// moved in two seconds; resent: segments of ours, all for nothing. A second queue
// is no gain on two cores with one or eight streams either (go test -bench TUN:
// 0.8 to 1.0 but for eight uploads, which scatter too much to tell). With 10 000
// saturated connections two cores and a queue of 10 000 packets are not enough,
// whatever the buffers.
var (
	defaultSendBuffer    = BufferSizes{Min: 4 << 10, Default: 1 << 20, Max: 2 << 20}
	defaultReceiveBuffer = BufferSizes{Min: 4 << 10, Default: 1 << 20, Max: 8 << 20}
)

// Reno: on a link without loss it is as fast as cubic (perf.md pitfall 5), and with
// loss gVisor's cubic is up to ten times slower (below).
const defaultCongestionControl = "reno"

// Loss recovery: SACK, without RACK, with super-segments, on every link. What
// makes SACK recovery work against Linux is dupack.go. 8 MiB to a kernel through a
// TUN of MTU 1500 with faults in both directions, mean milliseconds and RTOs
// (2 cores, beside other load, go test -bench Recovery, five seeds):
//
//	                        ours        RTO 60 ms   RACK       no SACK    no offloads  cubic
//	packets:
//	  loss 1 %               890, 4.0    240, 2.8   1020, 4.6   430, 1.8   740, 2.8    6870, 30
//	  loss 5 %              4770, 19    1990, 21    6420, 26   9310, 36
//	  loss 1 %, delay 1 ms  2110, 3.4   1670, 3.2   2440, 4.8  1680, 2.0  1310, 1.4    2290, 3.8
//	  5 % late by 3 ms       230, 0      180, 0      220, 0     210, 0     230, 0
//	super-segments:
//	  loss 1 %               200, 0.8     80, 0.8    890, 3.4   260, 1.2   660, 2.6    2060, 9
//	  5 % late by 3 ms       100, 0       90, 0     1640, 7.2   140, 0     250, 0
//
// So RACK gains nowhere; and it loses its way when it loses a tail: after a flap
// of 0.1 s a download stood for 0.3, 23, 47 s with it, and 0.27 s without, and
// after a silent 50 ms for ever. With many streams it retransmits for nothing
// (perf.md pitfall 5). Tailscale switches it off, too (tailscale/tailscale#9707).
//
// A *tun.Device loses nothing but what overflows its queue, in which case super-
// segments lose least. What is left are lost ACKs of a last flight, which only a
// shorter RTO would answer: rto.go says why it stays. Blackouts are hold.go's and
// rto.go's business.
const lossRecovery tcpip.TCPRecovery = 0

// ACKs are delayed by the link (delayedack.go). With 64 ping-pongs at a time that
// took sockets on a stack from 93 000 to 105 000 a second (netnsd bench --table
// connections: 100 connections, three runs in turn), one alone 4 % up.
//
// Nagle (off), SYN retries (6), TTL (64) and keep-alive stay as
// gVisor has them: they are those of Linux, and per-socket options, which the
// provider sets as Winsock wants them.

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
