// Package shape is the layer that limits what sockets move: bandwidth, connections a
// second, bytes in all, and sockets at once.
//
//	tcp/*:443: down=10MiB/s, up=1MiB/s, burst=64KiB; conns=100/s; total=1GiB; sockets=64
//
// # Rules
//
// A rule is a destination and settings, between them a colon; ; ends it. What
// names no destination goes on with the rule before it, at the beginning with one
// for all. A destination is [tcp/|udp/]host[:ports]: example.com, *.example.com,
// 192.0.2.0/24, [2001:db8::]:443, tcp/443, *.
//
//	down, up   bytes a second, each with its burst: 10MiB/s, 1MB/s, 8Mbit/s
//	burst      bytes that may go at once; 100 ms of the rate if not given
//	conns      connections a second that the application begins: 100/s, 30/min
//	total      bytes of both directions together
//	sockets    at once: from the connect, accept or first datagram to the close
//	per        who shares this: all (default), attachment, name, destination, socket
//
// All rules that match a socket hold. Where names are asked for, they are those that
// are known when the connection begins; a datagram socket goes by where it sent last,
// and is shaped by rules for any destination before it has sent.
//
// # What the application sees
//
// Nothing is dropped. Over the rate a send is EWOULDBLOCK, a receive too, and what
// would be received stays below, where the peer's window shows it; readiness comes
// with the tokens. Who shares a bucket has its turn in the order of coming, 10 ms of the
// rate each, and who does not use its turn keeps nobody waiting. A datagram goes whole, and
// what it takes beyond the tokens is owed. Bytes are paid when they have moved: what
// the storey below does not take, or MSG_PEEK shows, is given back, so a retry
// (MSG_PENDED) pays once. A gateway's program that sends datagrams over the rate loses
// them, as on a network: there is nobody who could wait.
//
//	EWOULDBLOCK   of a connect: it is held until its turn, and FD_CONNECT tells; an
//	              error that the storey below gives then is the outcome
//	ENOBUFS       of a connect: Config.Held wait already
//	EMFILE        of a connect or first send: there are as many sockets as may be
//	ECONNREFUSED  of an accept, for the same; the connection is reset
//	EDQUOT        the total is used up: a socket is failed when it would move more
//	              (a stream moves the last byte of it, a received datagram may
//	              exceed it once), and a new one is refused
//
// # Buckets
//
// They are a resource of the chains (provider.Resource), under Config.Name: all chains
// and versions share them, so a reload doubles no rate. A bucket is known by its rule's
// destination and per; parameters may change under it, by [Layer.Update] or another
// version. At most Config.Buckets are remembered. One is forgotten when no socket has it
// and it would come back the same: full, nothing used of a total. Where there is no room
// new keys of a rule share one bucket: more are then limited together, and none is free.
//
// One lock guards all buckets of a name, and one timer runs for each direction of a
// bucket that somebody waits for. The layer stands in the path of the bytes; a socket that
// no rule is about costs two atomic loads an operation.
package shape
