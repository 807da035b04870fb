package trace

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/netnsd/netnsd/provider/wsa"
)

var levels = map[int32]string{
	wsa.SOL_SOCKET: "SOL_SOCKET", wsa.IPPROTO_IP: "IPPROTO_IP", wsa.IPPROTO_IPV6: "IPPROTO_IPV6",
	wsa.IPPROTO_TCP: "IPPROTO_TCP", wsa.IPPROTO_UDP: "IPPROTO_UDP",
}

// optionName is an option with its level, numbers where there is no name.
func optionName(level, name int32) string {
	l, ok := levels[level]
	if !ok {
		l = fmt.Sprint(level)
	}
	if n, ok := options[level][name]; ok {
		return l + " " + n
	}
	return fmt.Sprintf("%s %#x", l, uint32(name))
}

func ioctlName(code uint32) string {
	if n, ok := ioctls[code]; ok {
		return n
	}
	return fmt.Sprintf("%#08x", code)
}

// flagNames are those of MSG_*, less MSG_PENDED, which is no application's.
var flagNames = [...]struct {
	bit  wsa.MsgFlags
	name string
}{
	{wsa.MSG_OOB, "MSG_OOB"}, {wsa.MSG_PEEK, "MSG_PEEK"}, {wsa.MSG_DONTROUTE, "MSG_DONTROUTE"}, {wsa.MSG_WAITALL, "MSG_WAITALL"},
	{wsa.MSG_PARTIAL, "MSG_PARTIAL"}, {wsa.MSG_TRUNC, "MSG_TRUNC"}, {wsa.MSG_CTRUNC, "MSG_CTRUNC"},
	{wsa.MSG_BCAST, "MSG_BCAST"}, {wsa.MSG_MCAST, "MSG_MCAST"},
}

func flagsName(f wsa.MsgFlags) string {
	if f &^= wsa.MSG_PENDED; f == 0 {
		return ""
	}
	var all []string
	for _, n := range flagNames {
		if f&n.bit != 0 {
			all, f = append(all, n.name), f&^n.bit
		}
	}
	if f != 0 {
		all = append(all, fmt.Sprintf("%#x", uint32(f)))
	}
	return strings.Join(all, "|")
}

func howName(how int) string {
	switch how {
	case wsa.SD_RECEIVE:
		return "SD_RECEIVE"
	case wsa.SD_SEND:
		return "SD_SEND"
	case wsa.SD_BOTH:
		return "SD_BOTH"
	}
	return fmt.Sprint(how)
}

// value is an option's value: a DWORD as the number that it is, of others the size.
func value(b []byte) string {
	if len(b) == 4 {
		return fmt.Sprintf("[%d]", int32(binary.LittleEndian.Uint32(b)))
	}
	return fmt.Sprintf("(%d bytes)", len(b))
}
