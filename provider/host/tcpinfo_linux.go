package host

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

var _ base.TCPInformer = (*stream)(nil)

// tcpStates are the kernel's states (net/tcp_states.h), from 1, as TCP_INFO_v0 has them.
var tcpStates = [...]uint32{
	1: wsa.TCPSTATE_ESTABLISHED, wsa.TCPSTATE_SYN_SENT, wsa.TCPSTATE_SYN_RCVD, wsa.TCPSTATE_FIN_WAIT_1, wsa.TCPSTATE_FIN_WAIT_2,
	wsa.TCPSTATE_TIME_WAIT, wsa.TCPSTATE_CLOSED, wsa.TCPSTATE_CLOSE_WAIT, wsa.TCPSTATE_LAST_ACK, wsa.TCPSTATE_LISTEN, wsa.TCPSTATE_CLOSING,
}

const optTimestamps = 1 // TCPI_OPT_TIMESTAMPS

// TCPInfo is TCP_INFO of tcp(7). What the kernel counts in segments is multiplied by
// the MSS; what it is too old for is 0.
func (s *stream) TCPInfo() base.TCPInfo {
	if !s.enter() {
		return base.TCPInfo{}
	}
	defer s.leave()
	k, err := unix.GetsockoptTCPInfo(s.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return base.TCPInfo{}
	}
	buffer, _ := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	i := base.TCPInfo{
		MSS: k.Snd_mss, Timestamps: k.Options&optTimestamps != 0,
		RTT: time.Duration(k.Rtt) * time.Microsecond, MinRTT: time.Duration(k.Min_rtt) * time.Microsecond,
		InFlight: k.Unacked * k.Snd_mss, CongestionWindow: k.Snd_cwnd * k.Snd_mss,
		SendWindow: k.Snd_wnd, ReceiveWindow: k.Rcv_wnd, ReceiveBuffer: uint32(half(buffer)),
		Reordered: k.Rcv_ooopack * k.Rcv_mss, Retransmitted: uint32(k.Bytes_retrans),
		Timeouts: uint32(k.Total_rto),
	}
	if int(k.State) < len(tcpStates) {
		i.State = tcpStates[k.State]
	}
	return i
}
