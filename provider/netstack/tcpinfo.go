package netstack

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

var _ base.TCPInformer = (*stream)(nil)

// tcpStates are gVisor's states as TCP_INFO_v0 has them.
var tcpStates = map[tcp.EndpointState]uint32{
	tcp.StateListen: wsa.TCPSTATE_LISTEN, tcp.StateSynSent: wsa.TCPSTATE_SYN_SENT, tcp.StateSynRecv: wsa.TCPSTATE_SYN_RCVD,
	tcp.StateEstablished: wsa.TCPSTATE_ESTABLISHED, tcp.StateFinWait1: wsa.TCPSTATE_FIN_WAIT_1, tcp.StateFinWait2: wsa.TCPSTATE_FIN_WAIT_2,
	tcp.StateCloseWait: wsa.TCPSTATE_CLOSE_WAIT, tcp.StateClosing: wsa.TCPSTATE_CLOSING, tcp.StateLastAck: wsa.TCPSTATE_LAST_ACK,
	tcp.StateTimeWait: wsa.TCPSTATE_TIME_WAIT,
}

// TCPInfo is what gVisor tells: it has no count of what is in flight, no windows in
// bytes and no least round trip.
func (s *stream) TCPInfo() base.TCPInfo {
	var o tcpip.TCPInfoOption
	s.ep.GetSockOpt(&o)
	mss, _ := s.ep.GetSockOptInt(tcpip.MaxSegOption)
	i := base.TCPInfo{
		State: tcpStates[tcp.EndpointState(s.tcpState())], MSS: uint32(mss), RTT: o.RTT,
		CongestionWindow: o.SndCwnd * uint32(mss),
		ReceiveBuffer:    uint32(s.ep.SocketOptions().GetReceiveBufferSize()),
	}
	if st, ok := s.ep.Stats().(*tcp.Stats); ok {
		i.FastRetransmits = uint32(st.SendErrors.FastRetransmit.Value())
		i.Timeouts = uint32(st.SendErrors.Timeouts.Value())
		i.Retransmitted = uint32(st.SendErrors.Retransmits.Value()) * uint32(mss) // counted in segments
	}
	return i
}
