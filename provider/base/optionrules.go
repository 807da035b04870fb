package base

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// The rows of options.go that are more than a value.

func acceptsConnections(k *socket) (int, wsa.Errno) {
	if k.now() == listening {
		return 1, 0
	}
	return 0, 0
}

// lastError is SO_ERROR: why the last connect failed, however often it is read,
// and 0 after a reset (observed, winsock-spi 12.4, tests.md 3).
func lastError(k *socket) (int, wsa.Errno) {
	k.now()
	return int(k.connErr.Load()), 0
}

func socketType(k *socket) (int, wsa.Errno) { return int(k.row.Type), 0 }

func maxMessage(k *socket) (int, wsa.Errno) {
	if k.hasPorts() {
		return maxPayload(k.row.Family), 0
	}
	return 65535, 0
}

// notWith keeps SO_REUSEADDR and SO_EXCLUSIVEADDRUSE from being on together.
func notWith(other int32) func(*socket, int) wsa.Errno {
	return func(k *socket, v int) wsa.Errno {
		if v != 0 && k.value(wsa.SOL_SOCKET, other) != 0 {
			return wsa.EINVAL
		}
		return 0
	}
}

// keepAlive: EINVAL while a connect is in progress, ENOTCONN on a dead
// connection. The times are pushed along, as the driver's defaults are not ours.
func keepAlive(k *socket, v int) wsa.Errno {
	switch k.now() {
	case connecting:
		return wsa.EINVAL
	case connected:
		if k.ended() != 0 {
			return wsa.ENOTCONN
		}
	}
	if v == 0 {
		return 0
	}
	for _, name := range []int32{wsa.TCP_KEEPIDLE, wsa.TCP_KEEPINTVL, wsa.TCP_KEEPCNT} {
		o := k.option(wsa.IPPROTO_TCP, name)
		if _, set := k.lookup(o); set {
			continue
		}
		if e := push(k.link, o, o.def); e != 0 && e != wsa.ENOPROTOOPT {
			return e
		}
		k.keep(o, o.def) // so that an endpoint that takes this one's place has them too
	}
	return 0
}

// bufferSize reads back exactly what was set; networks double or clamp it.
func bufferSize(name int32) func(*socket) (int, wsa.Errno) {
	const windows = 65536
	return func(k *socket) (int, wsa.Errno) {
		if v, set := k.lookup(k.option(wsa.SOL_SOCKET, name)); set {
			return v, 0
		}
		if v, e := k.link.Option(wsa.SOL_SOCKET, name); e == 0 {
			return v, 0
		}
		return windows, 0
	}
}

// connectICMP is TCP_ICMP_ERROR_INFO: why the last connect failed, as the network said
// it. A driver that cannot tell makes it ENOPROTOOPT.
func connectICMP(k *socket, out []byte) wsa.Errno {
	ep, ok := k.link.Endpoint.(ICMPErrorer)
	if !ok {
		return wsa.ENOPROTOOPT
	}
	var told provider.ICMPError
	if k.now() == refused {
		told = ep.ICMPError()
	}
	told.PutInfo(out, k.row.Family)
	return 0
}

// linger is struct linger: l_onoff in the low half, l_linger in the high.
func (k *socket) linger() (on bool, seconds int) {
	v := uint32(k.value(wsa.SOL_SOCKET, wsa.SO_LINGER))
	return v&0xffff != 0, int(v >> 16)
}

func dontLinger(k *socket) (int, wsa.Errno) {
	if on, _ := k.linger(); on {
		return 0, 0
	}
	return 1, 0
}

// setDontLinger turns SO_LINGER off, or on with the time that it had.
func setDontLinger(k *socket, v int) wsa.Errno {
	_, seconds := k.linger()
	on := 1
	if v != 0 {
		on = 0
	}
	k.keep(k.option(wsa.SOL_SOCKET, wsa.SO_LINGER), int(int32(uint32(seconds)<<16|uint32(on))))
	return 0
}
