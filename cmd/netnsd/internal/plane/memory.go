//go:build linux

package plane

import (
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// LimitMemory has the garbage collector work harder when the process comes near to what
// its control group may take, instead of taking half as much again and being killed
// (runtime/debug.SetMemoryLimit). What others of the group take is not known. What the
// environment variable GOMEMLIMIT says is kept; without a limit nothing is changed.
func LimitMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if of, err := memlimit.FromCgroup(); err == nil {
		debug.SetMemoryLimit(ofMemory(of))
	}
}

// besides is what the group is charged for 2000 sockets with the kernel's part of them, and
// the pages of the binary: 18 MiB were measured.
const besides = 24 << 20

// ofMemory is what Go may have of so many bytes: it is a little that is left for sockets
// with full buffers where there is little.
func ofMemory(of uint64) int64 {
	all := int64(min(of, 1<<62))
	return max(all/3, min(all-besides, all/4*3))
}
