package provider

import (
	"fmt"

	"github.com/netnsd/netnsd/provider/wsa"
)

// WSPData is WSPDATA: what WSPStartup says of a provider.
type WSPData struct {
	Version     uint16 // to be used from now on
	HighVersion uint16 // the highest that the provider supports
	Description string // szDescription, at most 255 characters
}

func (d WSPData) String() string { return fmt.Sprintf("%d.%d", d.Version&0xff, d.Version>>8) }

// MAKEWORD is a version as Winsock writes it: 2.2 is 0x0202.
func MAKEWORD(major, minor byte) uint16 { return uint16(major) | uint16(minor)<<8 }

// Negotiate is what WSPStartup of a provider that supports the versions from
// lowest to highest answers to a caller that asks for requested (winsock-spi 3.1):
// the highest of both, or VERNOTSUPPORTED for a caller that asks for less than
// there is. Whether the answer will do is for the caller to say; one that it will
// not do for calls WSPCleanup.
func Negotiate(requested, lowest, highest uint16) (WSPData, wsa.Errno) {
	if less(requested, lowest) {
		return WSPData{}, wsa.VERNOTSUPPORTED
	}
	d := WSPData{Version: requested, HighVersion: highest}
	if less(highest, requested) {
		d.Version = highest
	}
	return d, 0
}

// less compares versions: the major one is the low byte.
func less(a, b uint16) bool { return a&0xff < b&0xff || a&0xff == b&0xff && a>>8 < b>>8 }
