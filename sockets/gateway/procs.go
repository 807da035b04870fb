package gateway

import (
	"os"
	"runtime"
	"sync"
)

// Procs is the runtime.GOMAXPROCS at which a process that is a gateway and
// nothing else does best: half of the CPUs, at least one. The program behind the
// gateway, whoever it talks to, and the kernel's work for both need the others.
//
// On 2 CPUs, 1 instead of 2 takes the CPU time of a ping-pong from 59 to 38 µs,
// of connect-request-close from 235 to 163 µs, and of 1 Gbit from 56 to 36 ms (8
// uploads) and from 62 to 43 ms (a download): with an idle P the scheduler wakes a
// second thread at every hand-over, which finds nothing, and data that one CPU has
// read is sent on by the other. Throughput was 0.9 to 1.1 of what 2 give, taken
// while other work ran; on a quiet machine 8 downloads fill the one P (1.0 CPU of
// ours, 1.5 of 2 in all), so that 2 may give more there.
//
// Whoever owns the process sets it, before it makes the stack; the library does not.
//
// CPUs are those that the runtime would use: a cgroup's limit counts. What the
// environment variable GOMAXPROCS says is kept.
var Procs = sync.OnceValue(func() int {
	n := runtime.GOMAXPROCS(0)
	if os.Getenv("GOMAXPROCS") == "" {
		n = max(1, n/2)
	}
	return n
})
