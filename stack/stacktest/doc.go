// Package stacktest is the in-memory twin of a stack's links.
//
//   - Cable: two devices joined by a wire with delay, loss, duplication,
//     reordering, corruption, an MTU and a switch (dark, down, full, gone);
//     its dice are seeded, so a run can be repeated.
//   - Pair: two stacks on a Cable, on the system's clock or on gVisor's fake one.
//   - Wire: a device whose other side is the test: inject a packet, expect one.
//   - NewNaive: the stack that everybody would write first, for bench.
//
// Devices are safe for concurrent use, like those of package tun.
package stacktest
