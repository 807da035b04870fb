// Package basetest has drivers for tests of package base and of everything above
// it, without gVisor, the kernel or a clock:
//
//   - [Network]: hosts in memory whose sockets reach each other. Streams with
//     bounded buffers, refusal, conditional listeners, FIN and reset; datagrams with port-unreachable
//     errors; IPv4, IPv6 and dual-stack; addresses that never answer.
//   - [Script]: endpoints that answer what a test tells them, record each call
//     and notice when base breaks the contract of base.Endpoint.
//   - [Null]: endpoints that take and give bytes without touching them, for
//     allocation tests and benchmarks.
//
// Wakes are called with the driver's lock held, as gVisor does: a watcher that
// does more than mark and schedule dead-locks here, and not only in production.
// Everything is safe for concurrent use; nothing starts a goroutine.
package basetest
