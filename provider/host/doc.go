// Package host is the base driver over the sockets of the machine that netnsd
// runs on (Linux, epoll): what a gateway dials out with, and what a chain of
// layers stands on when no private stack is wanted.
//
// It is not a way around the chain: a [Host] knows nothing of Winsock's states,
// of policies or of handles. Package provider/base puts Winsock's state machine
// on top of it (base.New(base.Config{Driver: h})), and nothing else should call
// an endpoint; who owns the Host closes it after the last chain has ended. On systems other than
// Linux [New] returns an error that is [errors.ErrUnsupported].
//
// # Goroutines
//
// A Host has one epoll instance and one goroutine that reads it, started by New
// and ended, and waited for, by Close. The epoll descriptor itself stands in the
// Go runtime's poller, so that the goroutine parks like any other and no thread
// sleeps in epoll_wait. Methods of an endpoint may be called from any goroutine
// within law 4 (one send, one receive, control beside them, Close last). Wakes
// run on the Host's goroutine or inside the call that found an error; they must
// only mark and schedule. Close waits for a wake that is running, so it must not
// be called from one.
//
// # Readiness
//
// Descriptors are registered once, edge-triggered. An edge raises a mark, a call
// that found nothing takes it away again, unless an edge came meanwhile: no lock
// and no lost wake-up (type level). A mark says "perhaps": State asks the kernel
// once (FIONREAD, or a peek at a datagram queue), and only if an edge or a
// receive has come since it last asked. TCP descriptors enter epoll when they
// connect or listen: a fresh one would report a hang-up. Datagram descriptors
// ask for EPOLLOUT only after a send found the buffer full: the kernel reports it
// anew for each datagram that leaves (sock_def_write_space), TCP only after a
// full buffer.
//
// # Batches
//
// UDP endpoints send and receive several datagrams in one call (sendmmsg, recvmmsg),
// and runs of one size to one destination as one message (type trains). It is the
// latter that pays: sent and received on one machine a datagram costs 0.3 of what
// it costs alone, while sendmmsg by itself saves nothing to a quarter
// (BenchmarkTrains). Tried and no gain: EPOLLONESHOT, so that datagrams which come
// while one is busy receiving wake nobody. Not done: UDP_GRO; the kernel hands
// over trains only where the sender or a network card made them, and every single
// receive would have to be served from what a train left.
//
// # Errors
//
// What the kernel says is translated once, keyed by operation and errno
// (errno_linux.go). Errors of a stream are taken from the kernel once and stay;
// what came in before them can still be received, and then Recv returns the
// error, never a clean end. A reset after the peer's FIN is ECONNABORTED (the
// kernel's EPIPE), any other is ECONNRESET.
//
// ICMP errors of datagram endpoints come from the error queue (IP_RECVERR, see
// ip(7)) with the destination that drew them, are kept until the next Recv (at
// most 16) and never fail a send to somebody else, although the kernel fails the
// next call, whichever that is. Path MTU reports, the network's and the kernel's own
// of a send that was EMSGSIZE, are told to those who ask for them only
// (provider.ControlICMP, and RecvBatch), the newest of an endpoint: to all others
// EMSGSIZE from Recv means truncation. ENOBUFS of a full
// interface queue, which the kernel shows only because of IP_RECVERR, counts as
// a datagram lost on the way.
// A stream tells of the ICMP error that has ended its attempt if
// TCP_FAIL_CONNECT_ON_ICMP_ERROR is set (streamicmp_linux.go).
//
// # Where the host's kernel shows through
//
//   - Streams: bind to a given port sets SO_REUSEADDR, which on Linux means what
//     Winsock does anyway: TIME-WAIT is no obstacle. Winsock's SO_REUSEADDR (sharing)
//     is SO_REUSEPORT for streams and SO_REUSEADDR for datagrams. See "Binding".
//   - Close without abort is graceful in the background, but if received bytes
//     were never read the kernel sends RST instead of FIN (RFC 2525, 2.17), as
//     Windows does.
//   - A full accept queue drops SYNs; Windows resets. The kernel answers each SYN by
//     itself: SO_CONDITIONAL_ACCEPT and SO_PAUSE_ACCEPT are ENOPROTOOPT.
//   - Datagrams queued before Connect are still delivered after it.
//   - Disconnect makes the kernel forget a port that it chose itself; the driver
//     binds it again, and EADDRINUSE means that somebody was faster.
//   - Urgent data (MSG_OOB) is one byte, and of several the last. The kernel forgets it
//     when a receive passes the mark; it is taken and kept before that, but for one
//     that passes between the kernel's notice and the Host's (keepUrgent).
//   - SO_SNDBUF and SO_RCVBUF turn the kernel's tuning of that buffer off and are
//     capped by net.core.[rw]mem_max.
//   - FIONREAD of a UDP socket peeks at every datagram queued, at most 4096 of them, one
//     system call each; of raw and ping sockets it is the first datagram's size.
//   - IP_UNICAST_IF and IPV6_UNICAST_IF are ENOPROTOOPT on streams, circular queues on
//     all sockets: the kernel has no such thing.
//   - Interfaces and Changes see the network namespace of the thread that calls.
//   - IP_MULTICAST_LOOP acts at the receiver, as on Windows: by a packet filter, as
//     the kernel's own option is the sender's. A ping socket does not have it.
//   - A socket that is bound to an address of an interface hears no groups; on
//     Windows that is how to choose the interface.
//   - Ping sockets (SOCK_DGRAM, IPPROTO_ICMP) need net.ipv4.ping_group_range. Where
//     it forbids them and raw sockets are allowed, one of those plays the part:
//     the identifier is the port, other messages are filtered in the kernel, the
//     IP header is taken off.
//
// # Binding
//
// Among the sockets of one Host the table of Windows decides (winsock-spi 9.5,
// [base.BindConflict]), and then the kernel, which alone knows of other processes.
// For streams that do not listen that is Windows' table. The kernel says more
// where the first socket is a datagram one or listens: Windows has a wildcard (W)
// beside a specific address (S) on one port, Linux only if both are shared. The
// cells that differ, all of them ok on Windows:
//
//	first \ second   default W  default S  REUSE W  REUSE S  EXCL W  EXCL S
//	default W        .          INUSE      .        INUSE    .       INUSE
//	default S        INUSE      .          INUSE    .        .       .
//	REUSE W          .          INUSE      .        .        .       INUSE
//	REUSE S          INUSE      .          .        .        .       .
//	EXCL W           .          .          .        .        .       .
//	EXCL S           INUSE      .          INUSE    .        .       .
//
// Towards other processes a default socket is exclusive, and nobody gets EACCES. A
// Host whose sockets are of several network namespaces counts their addresses as of one.
package host
