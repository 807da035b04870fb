//go:build linux

// Package confine takes from the process that carries traffic what it does not
// need for that. It parses what a program and the network send, so it is what an
// attacker gets hold of first; what is left then is to be the sockets and little
// more.
//
//	capabilities   none, and an empty bounding set, but those that [Config] asks for;
//	               securebits, so that uid 0 gets none by execve
//	no_new_privs   no file gives any
//	dumpable 0     nobody with our uid and our capabilities may trace us or read our
//	               descriptors: the program inside, for one
//	Landlock       no file may be opened but some configuration, to be read
//	seccomp        no program, namespace, mount, trace, module, key, other uid, unix
//	               socket, nor typing into the terminal
//
// All of it holds for every thread, those to come too, and is not undone. So it
// comes last: when files, device and sockets that need a right are open and the
// program has been started.
//
// [Onlooker] and [Opener] are for the processes that keep privileges, with which they
// do little.
//
// What stays open, by descriptor, is unaffected. [Self] never fails: what the kernel
// does not have is in the [Mean] of it, and whoever calls decides (--strict).
//
// # What a filter costs
//
// Every system call passes it, so its shape is chosen for the calls that carry
// bytes. A kernel from Linux 5.11 works out when the filter is installed which calls
// it always allows, and looks those up in a bitmap (kernel/seccomp.c,
// seccomp_cache_prepare): that is so of all for which the filter looks at the
// number alone. So arguments are looked at of socket, clone and ioctl, of which none
// carries a byte here. The flag
// SPEC_ALLOW keeps a kernel before 5.16 from turning on the mitigation of
// speculative store bypass, which costs every load.
//
// What remains is the kernel's longer way into a system call: 34 ns of each, as much
// as with a filter of one instruction that allows all. CPU time, 2 CPUs, Linux 6.18,
// the median of 3000 interleaved rounds in processes with and without, and its 95 %
// interval:
//
//	                                        without   ratio
//	read, nothing there                      289 ns   1.120 [1.115, 1.124]
//	a byte through a pair of unix sockets   1923 ns   1.064 [1.061, 1.068]
//	a byte through TCP on lo, epoll_wait    8360 ns   1.011 [1.008, 1.015]
//	32 KiB through TCP on lo                8229 ns   1.006 [1.003, 1.010]
//
// So a ping-pong through the gateway, with half a dozen calls in some 35 µs, pays
// about 200 ns for it, 0.6 %. Landlock and the rest cost nothing where nothing is opened.
package confine
