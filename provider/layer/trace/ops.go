package trace

import (
	"fmt"
	"slices"
	"strings"
)

// Ops is a set of operations. The zero value is all of them.
type Ops uint32

// op is one operation, an entry of the table.
type op uint8

const (
	opSocket op = iota
	opAccept
	opJoinLeaf
	opDuplicate
	opClose
	opCleanup
	opBind
	opConnect
	opListen
	opGetSockName
	opGetPeerName
	opAddressToString
	opStringToAddress
	opShutdown
	opGetSockOpt
	opSetSockOpt
	opIoctl
	opRecv
	opRecvFrom
	opSend
	opSendTo
	opCount
)

var opNames = [opCount]string{
	"socket", "accept", "joinleaf", "duplicate", "close", "cleanup", "bind", "connect", "listen", "getsockname", "getpeername",
	"addresstostring", "stringtoaddress", "shutdown", "getsockopt", "setsockopt", "ioctl", "recv", "recvfrom", "send", "sendto",
}

func (o op) String() string { return opNames[o] }

func (o op) set() Ops { return 1 << o }

const (
	allOps  Ops = 1<<opCount - 1
	dataOps Ops = 1<<opRecv | 1<<opRecvFrom | 1<<opSend | 1<<opSendTo
)

// Sets of operations. Control are all that move no data.
const (
	All     = allOps
	Data    = dataOps
	Control = allOps &^ dataOps
)

func (o Ops) has(x op) bool { return o&x.set() != 0 }

// ParseOps reads a list of operations, with commas: their names (connect, setsockopt),
// control, data and all. With an exclamation mark before it a word takes away from what
// stands before it, or from all if nothing does: "!data", "control,!ioctl". An empty text
// is all.
func ParseOps(text string) (Ops, error) {
	if text == "" {
		return All, nil
	}
	var o Ops
	for i, word := range strings.Split(text, ",") {
		name, without := strings.CutPrefix(word, "!")
		if i == 0 && without {
			o = All
		}
		var these Ops
		switch k := slices.Index(opNames[:], name); {
		case name == "all":
			these = All
		case name == "data":
			these = Data
		case name == "control":
			these = Control
		case k >= 0:
			these = op(k).set()
		default:
			return 0, fmt.Errorf("trace: %q is not an operation; known are control, data, all, %s", name, strings.Join(opNames[:], ", "))
		}
		if o |= these; without {
			o &^= these
		}
	}
	if o == 0 {
		return 0, fmt.Errorf("trace: %q leaves no operation", text)
	}
	return o, nil
}

// String is the set as ParseOps reads it.
func (o Ops) String() string {
	switch o {
	case 0, All:
		return "all"
	case Data:
		return "data"
	case Control:
		return "control"
	}
	var names []string
	for x := range opCount {
		if o.has(x) {
			names = append(names, x.String())
		}
	}
	return strings.Join(names, ",")
}
