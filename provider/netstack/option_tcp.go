package netstack

import (
	"math"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/netnsd/netnsd/provider/wsa"
)

// keepAlive remembers what was set by name, so that switching probes on fills in
// Windows' defaults for the rest: gVisor's are 75 s apart and 9.
type keepAlive struct{ interval, count bool }

const (
	defaultKeepInterval = time.Second
	defaultKeepCount    = 10
	maxKeepCount        = 255
)

func setKeepAlive(e *endpoint, v int) wsa.Errno {
	if !e.probe.interval {
		interval := tcpip.KeepaliveIntervalOption(defaultKeepInterval)
		e.ep.SetSockOpt(&interval)
	}
	if !e.probe.count {
		e.ep.SetSockOptInt(tcpip.KeepaliveCountOption, defaultKeepCount)
	}
	e.ep.SocketOptions().SetKeepAlive(v != 0)
	return 0
}

func setKeepIdle(e *endpoint, v int) wsa.Errno {
	d, bad := seconds(v)
	if bad == 0 {
		idle := tcpip.KeepaliveIdleOption(d)
		return errno(opOption, e.ep.SetSockOpt(&idle))
	}
	return bad
}

func getKeepIdle(e *endpoint) (int, wsa.Errno) {
	var idle tcpip.KeepaliveIdleOption
	err := e.ep.GetSockOpt(&idle)
	return int(time.Duration(idle) / time.Second), errno(opOption, err)
}

func setKeepInterval(e *endpoint, v int) wsa.Errno {
	d, bad := seconds(v)
	if bad == 0 {
		e.probe.interval = true
		interval := tcpip.KeepaliveIntervalOption(d)
		return errno(opOption, e.ep.SetSockOpt(&interval))
	}
	return bad
}

func getKeepInterval(e *endpoint) (int, wsa.Errno) {
	if !e.probe.interval {
		return int(defaultKeepInterval / time.Second), 0
	}
	var interval tcpip.KeepaliveIntervalOption
	err := e.ep.GetSockOpt(&interval)
	return int(time.Duration(interval) / time.Second), errno(opOption, err)
}

func setKeepCount(e *endpoint, v int) wsa.Errno {
	if v < 1 || v > maxKeepCount {
		return wsa.EINVAL
	}
	e.probe.count = true
	return errno(opOption, e.ep.SetSockOptInt(tcpip.KeepaliveCountOption, v))
}

func seconds(v int) (time.Duration, wsa.Errno) {
	if v < 1 || v > math.MaxInt32 {
		return 0, wsa.EINVAL
	}
	return time.Duration(v) * time.Second, 0
}

// setUserTimeout is how long data may stay unacknowledged; -1 is gVisor's own
// end, some 15 retransmissions.
func setUserTimeout(unit time.Duration) func(*endpoint, int) wsa.Errno {
	return func(e *endpoint, v int) wsa.Errno {
		if v < -1 {
			return wsa.EINVAL
		}
		limit := tcpip.TCPUserTimeoutOption(time.Duration(max(v, 0)) * unit)
		return errno(opOption, e.ep.SetSockOpt(&limit))
	}
}

func getUserTimeout(unit time.Duration) func(*endpoint) (int, wsa.Errno) {
	return func(e *endpoint) (int, wsa.Errno) {
		var limit tcpip.TCPUserTimeoutOption
		err := e.ep.GetSockOpt(&limit)
		if limit == 0 {
			return -1, errno(opOption, err)
		}
		return int(time.Duration(limit) / unit), errno(opOption, err)
	}
}

// discover is IP_MTU_DISCOVER's numbering (IP_PMTUDISC_NOT_SET, DO, DONT, PROBE).
var discover = [...]tcpip.PMTUDStrategy{tcpip.PMTUDiscoveryWant, tcpip.PMTUDiscoveryDo, tcpip.PMTUDiscoveryDont, tcpip.PMTUDiscoveryProbe}

func setDiscover(e *endpoint, v int) wsa.Errno {
	if v < 0 || v >= len(discover) {
		return wsa.EINVAL
	}
	return errno(opOption, e.ep.SetSockOptInt(tcpip.MTUDiscoverOption, int(discover[v])))
}

func getDiscover(e *endpoint) (int, wsa.Errno) {
	v, err := e.ep.GetSockOptInt(tcpip.MTUDiscoverOption)
	for i, s := range discover {
		if int(s) == v {
			return i, errno(opOption, err)
		}
	}
	return 0, errno(opOption, err)
}

func setDontFragment(e *endpoint, v int) wsa.Errno {
	s := tcpip.PMTUDiscoveryDont
	if v != 0 {
		s = tcpip.PMTUDiscoveryDo
	}
	return errno(opOption, e.ep.SetSockOptInt(tcpip.MTUDiscoverOption, int(s)))
}

func getDontFragment(e *endpoint) (int, wsa.Errno) {
	v, err := e.ep.GetSockOptInt(tcpip.MTUDiscoverOption)
	return number(tcpip.PMTUDStrategy(v) == tcpip.PMTUDiscoveryDo), errno(opOption, err)
}
