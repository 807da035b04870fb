// Package owner finds out whose socket a flow behind a TUN comes from: uid,
// process, executable and control group. A [Lookup] is the provider.Owners of a
// gateway; nothing is asked until a layer asks.
//
//	flow ──► sock_diag(7) ──► uid, inode ──► /proc/*/fd ──► process, executable, cgroup
//	          [Diag]                          provider.Processes: [Proc], or who stands for it
//
// The two halves need different rights. A Diag speaks of the network namespace in
// which its descriptor was opened, whoever uses it, so it is opened inside and
// handed out ([Socket], [Adopt]). A Proc reads /proc, and so must be allowed to look
// at the processes (ptrace(2), PTRACE_MODE_READ): the user's own, or all of them for
// root. Who may not has somebody else answer.
//
// # What is known
//
// A connection is found by its four addresses and ports, and only a socket that is
// its own end: no listener at the same port, and nothing that the kernel keeps after
// its process has closed it, which it says uid 0 of.
//
// A datagram does not say which socket it left, if several share the port: any of
// them can send with any source address (IP_PKTINFO) to anywhere. So all that are
// bound to the port, of a family that can send it, have to agree on what is known;
// an answer is asked for anew after a second, as the port may be another's by then.
//
// A socket may be held by several processes (fork, SCM_RIGHTS). What they are not
// all alike in is unknown.
//
// Nothing is known of
//
//   - ping sockets and raw sockets: sock_diag does not know the former, and a
//     packet does not say which of the latter it left (with or without
//     INET_RAW_DIAG);
//   - sockets that are closed by the time that somebody asks, as of a program that
//     sends one datagram and ends;
//   - sockets of the kernel's own, and what a kernel without INET_DIAG has;
//   - whoever cannot be looked at, and all when there are too many of them (limits
//     of [Proc]).
//
// # What it is worth
//
// The uid is the kernel's, of the socket's making. The rest is what a process is at
// the time of the answer: a program can connect and then execute another file with
// the socket kept, trace its neighbours of the same uid, or have them load its code
// (LD_PRELOAD). So rules about executables keep programs apart that do not mean to
// get around them; for those that do, give them a uid, or a network of their own.
// The path is what the process's mounts call it, and a container calls things as it
// likes. Whoever has CAP_NET_RAW inside sends in anybody's name.
//
// # What it costs
//
// In time on a CPU, AMD EPYC, Linux 6.18 in a virtual machine (BenchmarkLookup):
//
//	uid of a connection                                        4 us
//	uid of datagrams, two tables walked                       29 us
//	process: reading /proc, 130 processes of other networks  1.1 ms
//	         the same 130 with 850 descriptors in this one   6.3 ms
//	         the same process again within a second           22 us
//
// That is 9 us for each process of the machine, and some 45 us for each in the
// network. Who asks while /proc is read is answered by the next reading, all of them
// by one, so that a burst of connections costs a reading at a time and not one each.
//
// All is safe for concurrent use. Answers come from the kernel, within the call; a
// Processes elsewhere has as long as Sources.Timeout.
package owner
