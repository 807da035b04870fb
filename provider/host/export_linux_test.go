package host

import (
	"syscall"

	"github.com/netnsd/netnsd/provider/wsa"
)

// RawPing is a Config whose ping endpoints are always raw sockets.
func RawPing() Config { return Config{rawPing: true} }

// Trains is a Config of which the kernel says to a train what f does; 0 asks it.
func Trains(f func(size int) syscall.Errno) Config { return Config{train: f} }

// Operations are the rows of the errno table.
const Operations = int(opCount)

// Translate is the errno table.
func Translate(operation int, errno syscall.Errno) wsa.Errno { return translate(op(operation), errno) }

// ICMPErrno reads an ICMP error of either family.
func ICMPErrno(v6 bool, typ, code byte) wsa.Errno {
	if v6 {
		return icmp6Errno(typ, code)
	}
	return icmpErrno(typ, code)
}

// OptionKeys are the options that reach the kernel.
func OptionKeys() (keys [][2]int32) {
	for k := range options {
		keys = append(keys, [2]int32{k.level, k.name})
	}
	return keys
}
