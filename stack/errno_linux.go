package stack

import "syscall"

// errBadFD is what a TUN descriptor says after its device was deleted.
const errBadFD = syscall.EBADFD
