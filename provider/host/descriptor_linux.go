package host

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// descriptor is a file descriptor that is closed once, and not before the last
// call that uses it is over: its number may belong to somebody else the moment
// after. Law 4 keeps data operations away from a close; State and the poller it
// does not.
type descriptor struct {
	fd   int
	uses atomic.Int32 // calls in flight, and shut
}

const shut int32 = 1 << 30

// enter reports whether the descriptor is open; leave must follow if it is.
func (d *descriptor) enter() bool {
	for {
		n := d.uses.Load()
		if n&shut != 0 {
			return false
		}
		if d.uses.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (d *descriptor) leave() {
	if d.uses.Add(-1) == shut {
		unix.Close(d.fd)
	}
}

// shutdown is called once: the last one out closes.
func (d *descriptor) shutdown() {
	if d.uses.Add(shut) == shut {
		unix.Close(d.fd)
	}
}
