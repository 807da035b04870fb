// Package stacktest is the in-memory twin of a stack's links, and what makes a
// real one worse.
//
//   - Cable: two devices joined by a wire with delay, loss, duplication,
//     reordering, corruption, an MTU and a switch (dark, down, full, gone);
//     its dice are seeded, so a run can be repeated.
//   - Pair: two stacks on a Cable, on the system's clock or on gVisor's fake one.
//   - Wire: a device whose other side is the test: inject a packet, expect one.
//   - Faults: the same troubles before any device, a *tun.Device for one, by
//     super-segment or by packet of wire size (Split).
//   - Strict, Check: is each packet of a device what a kernel may be given?
//   - Pour, PourEachWay, TrialBlackout: does what went come, unchanged?
//   - NewNaive: the stack that everybody would write first, for bench.
//
// Devices are safe for concurrent use, like those of package tun.
package stacktest
