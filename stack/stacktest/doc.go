// Package stacktest is the in-memory twin of a stack's links, and what makes a
// real one worse.
//
//   - Cable: two devices joined by a wire with delay, loss, duplication,
//     reordering, corruption, an MTU and a switch (dark, down, full, gone);
//     its dice are seeded, so a run can be repeated.
//   - Pair: two stacks on a Cable, on the system's clock or on gVisor's fake one,
//     where Settle and Run measure the fake clock's time and not this machine's.
//   - Wire: a device whose other side is the test: inject a packet, expect one.
//   - Faults: the same troubles before any device, a *tun.Device for one, by
//     super-segment or by packet of wire size (Split).
//   - Strict, Check: is each packet of a device what a kernel may be given?
//   - Pour, PourEachWay, TrialBlackout: does what went come, unchanged?
//   - NewNaive: the stack that everybody would write first, for bench.
//
// Devices are safe for concurrent use, like those of package tun.
//
// # The fault matrix
//
// What can go wrong, what has to be true then, and the tests that show it. In each the
// bytes that come are compared with those that went, by SHA-256 or one by one, where a
// transfer is meant to survive; and providertest.Main looks whether goroutines or
// descriptors are left when the tests of a package have ended. A test of this list
// exists (TestMatrix).
//
//	loss 0.1/1/5 %, both ways, at 1 and      complete, in at most 1/0.9 of plain netstack's time
//	20 ms; reordering 5 % by 3 ms,           stack.TestFaultsBesidePlain, with seeds, on the fake clock: so in
//	duplicates 5 %, damage 1 %, all          the sum; not for 1 % at 1 ms, see there. Against a kernel:
//	                                         stack.TestIntegrityFaults, gateway.TestIntegrityFaults, and no
//	                                         damaged packet is delivered
//	blackout 50/200/1000 ms, 10 s            what we send goes on within 1 s of the light
//	                                         stack.TestBlackoutOnTheClock; what a kernel sends by its next
//	                                         RTO: stack.TestIntegrityBlackout, gateway.TestIntegrityBlackout
//	the link down and up                     a second at most: stack.TestFlap, netnsd.TestLinkFlap,
//	                                         netnsd.TestDaemonLinkFlap; its last segment waits for as long
//	                                         as it takes: stack.TestHoldNewest
//	the last 100 segments and the FIN lost   complete within 2 s: stack.TestLostTail
//	writes fail with EAGAIN, ENOBUFS,        no packet dropped: stack.TestErrorStorm; no more than one try in
//	ENOMEM, EINTR, EIO, ENETDOWN; reads      a millisecond, counted: stack.TestStormDoesNotSpin,
//	fail, and are short                      tun.TestWaitingDoesNotSpin
//	the device or its namespace is           its owner is told within a second, ENETDOWN for all that is
//	deleted while busy                       connected: stack.TestVanish, stack.TestVanishBusy,
//	                                         netstack.TestDeviceGoneEndsStreams, tun.TestNamespaceDeleted.
//	                                         run ends, the daemon takes what comes back:
//	                                         netnsd.TestDeviceDeleted, netnsd.TestDaemonNamespaceDeleted.
//	                                         Sockets that are not connected wait for another NIC; a listener
//	                                         belongs to none
//	MTU 1500, 576, 9000, live                complete, with bytes at each, each way: stack.TestMTUChange
//	a path narrower than the link            what routers say of it is honoured: stack.TestPathMTU,
//	                                         host.TestPathMTU, netnsd.TestRoad. Where no router says anything
//	                                         a connection stands still, as Linux' does unless
//	                                         net.ipv4.tcp_mtu_probing is set; gVisor has no probing (RFC 4821)
//	a peer vanishes without a FIN            keep-alive and user time-out within a tenth of what is set
//	                                         stack.TestVanishedProgram; the other side hears of it:
//	                                         gateway.TestDeadSideEndsTheOther
//	SIGTERM and SIGINT of netnsd             netnsd.TestDaemonDrains, netnsd.TestDaemonDrainEnds,
//	                                         netnsd.TestInterruptKey
//	SIGKILL of netnsd                        nothing has a network any more: netnsd.TestKilled; the daemon is
//	                                         back within 3 s: netnsd.TestDaemonKilled
//	SIGKILL of a program with its flows      netnsd.TestDaemonProgramKilled, gateway.TestBrokenFlows
//	upstream resets                          ECONNRESET, behind all that was sent before: gateway.TestTCPResets,
//	                                         gateway.TestResetComesLast, gateway.TestResetWaitsForTheProgram,
//	                                         netnsd.TestFailuresLookReal
//	half-closed, then 1 MiB the other way    netnsd.TestAnswerAfterHalfClose (nc -N, socat),
//	                                         netnsd.TestHalfClosedStreamsLoseNothing, gateway.TestTCPHalfClose
//	a slow reader beside 100 fast flows      these complete, and what waits for the slow one is what one
//	                                         connection's buffers hold: gateway.TestSlowReader
//	half-open connections                    bounded, slots come back: stack.TestBounds, stack.TestLimiter
//	no descriptors left                      refused, the others live, room comes back:
//	                                         netnsd.TestDaemonFewDescriptors, host.TestDescriptorLimit,
//	                                         gateway.TestPublishWithoutDescriptors
//	64 MiB of memory                         2000 idle and 50 busy connections live: netnsd.TestDaemonLittleMemory
//	many connections                         ports come back: stack.TestTimeWait, stack.TestEarlyPort; a
//	                                         thousand busy ones: stack.TestSaturated
//	50 000 SYNs, datagrams or questions      connections live, of who floods too, who comes later finds room
//	a second                                 after 4 s, memory is bounded: netnsd.TestDaemonFlood, stack.TestEvict;
//	                                         what a neighbour has left: netnsd bench --table flood
//	an hour's churn, a day's soak            by hand: CI has no machine for so long
//	a layer panics                           that socket fails: sockets.TestPanicInLayer, and
//	a layer answers rubbish, or an error     that flow ends, others go on: gateway.TestLayerTalksRubbish,
//	                                         gateway.TestLayerErrorEndsTheFlow
//	a layer's call never returns             costs its flow alone: gateway.TestStuckLayerStopsNobodyElse. Not
//	                                         so yet for datagrams: a layer's WSPSendTo runs on the reader of
//	                                         the attachment, which then stands still. The watchdog of "The
//	                                         chain in operation" is to end that
//	SIGSTOP 30 s, SIGCONT of netnsd          streams go on, idle ones live: netnsd.TestSuspended (30 s with
//	                                         NETNSD_TEST_LONG=1)
//	the time of day is set                   of no interest: stack.TestClockIsSet. The machine's own clock no
//	                                         test may set
package stacktest
