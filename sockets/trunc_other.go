//go:build !unix

package sockets

import "github.com/netnsd/netnsd/provider/wsa"

// msgTrunc is how the flags of a received message say that it was cut: on
// Windows the SDK's value.
const msgTrunc = int(wsa.MSG_TRUNC)
