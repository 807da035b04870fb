//go:build !linux

package stack

import "syscall"

// errBadFD exists on Linux only; no device returns this.
const errBadFD = ^syscall.Errno(0)
