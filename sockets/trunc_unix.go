//go:build unix

package sockets

import "syscall"

// msgTrunc is how the flags of a received message say that it was cut.
const msgTrunc = syscall.MSG_TRUNC
