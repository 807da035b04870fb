package tun

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// change is what one message says about one link.
type change struct {
	index int
	up    bool
	mtu   int // 0: not said
	gone  bool
}

// parseLinkChanges reads RTM_NEWLINK and RTM_DELLINK (rtnetlink(7)) and passes over everything else, malformed or not. (The
// parsers of package syscall panic on a last attribute whose padding is cut off.)
func parseLinkChanges(b []byte) (out []change) {
	for len(b) >= unix.SizeofNlMsghdr {
		// struct nlmsghdr: length (4), type (2), flags, sequence, port.
		n := int(binary.NativeEndian.Uint32(b))
		if n < unix.SizeofNlMsghdr || n > len(b) {
			return out
		}
		typ := binary.NativeEndian.Uint16(b[4:])
		if c, ok := parseLinkChange(typ, b[unix.SizeofNlMsghdr:n]); ok {
			out = append(out, c)
		}
		b = b[min(align4(n), len(b)):]
	}
	return out
}

func parseLinkChange(typ uint16, b []byte) (c change, ok bool) {
	// struct ifinfomsg: family, pad, type (2), index (4), flags (4), change (4). Another family than AF_UNSPEC speaks of a
	// role: AF_BRIDGE says DELLINK when a TAP leaves its bridge.
	if typ != unix.RTM_NEWLINK && typ != unix.RTM_DELLINK || len(b) < unix.SizeofIfInfomsg || b[0] != unix.AF_UNSPEC {
		return c, false
	}
	c.index = int(int32(binary.NativeEndian.Uint32(b[4:])))
	c.up = binary.NativeEndian.Uint32(b[8:])&unix.IFF_UP != 0
	c.gone = typ == unix.RTM_DELLINK
	for b = b[unix.SizeofIfInfomsg:]; len(b) >= unix.SizeofRtAttr; {
		n := int(binary.NativeEndian.Uint16(b))
		if n < unix.SizeofRtAttr || n > len(b) {
			break
		}
		if binary.NativeEndian.Uint16(b[2:]) == unix.IFLA_MTU && n == unix.SizeofRtAttr+4 {
			c.mtu = int(binary.NativeEndian.Uint32(b[4:]))
		}
		b = b[min(align4(n), len(b)):]
	}
	return c, true
}

// align4 rounds up to NLMSG_ALIGNTO and RTA_ALIGNTO.
func align4(n int) int { return (n + 3) &^ 3 }
