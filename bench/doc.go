// Package bench measures netnsd side by side with what it is compared to, in
// one run: a figure alone says more about the machine than about the code.
//
// # What is measured
//
// Three variants carry TCP between a load generator, an unmodified kernel client
// in a network namespace of its own, and a server:
//
//	veth    kernel to kernel over a veth pair: the limit
//	ours    kernel to netstack over a TUN, our link, sockets of provider/netstack
//	naive   the same over songgao/water and gVisor's link/channel, one packet a
//	        system call: what everybody would write first (stacktest.NewNaive)
//
// under three workloads: one stream up, one stream down (256 KiB writes), and a
// ping-pong of 64 bytes. MTU 1500. The congestion control is reno at every end,
// kernel or not, as netstack's is: the kernel's default here is BBR, whose pacing
// halves it (perf.md). Buffers, SACK and congestion control of naive are ours.
//
// # How
//
// Repetitions are interleaved, all variants of a workload before the next
// repetition, so that a machine that slows down slows all of them down. A figure
// is the median; a ratio is the median of the ratios of each repetition, with
// the least and the greatest. On two shared cores single figures scatter by
// 30 %, ratios by less.
//
// # Repeat it
//
//	go test -run '^$' -bench Link -benchtime 1x ./bench
//
// as root. NETNSD_BENCH_REPS sets the repetitions (default 3).
//
// This is the sketch of the harness: it exists so that the shapes were measured
// while they could still change.
package bench
