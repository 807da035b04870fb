//go:build linux

// Package control is the daemon's control socket: HTTP/1.1 and JSON on a unix socket,
// by default /run/netnsd/netnsd.sock. [Listen] makes the socket, a [Server] answers for
// a [Daemon], a [Client] asks.
//
// What can be asked, what is answered, and what of what goes wrong has which status, is
// in api.txt, which `netnsd help api` shows ([API]); tests hold it to the routes.
//
// # Who may use it
//
// Root, the user the daemon runs as, and the members of daemon.socket_group, as the
// kernel noted them at connect (SO_PEERCRED, SO_PEERGROUPS); others do not get past the
// socket's mode, 0660, and if they do get 403. Whoever may attach any namespace to any
// chain is as good as root; there is no lesser right.
//
// # Unreachable from inside
//
// A socket with a path belongs to a file system, not to a network: a program inside an
// attached namespace that sees the path, and is root, or runs as the daemon's user,
// could tell the daemon to let it go. So a peer is served only if its socket was made in
// the daemon's own network namespace, which the kernel answers for the accepted socket
// (SO_NETNS_COOKIE, Linux 5.14; without it there is no control socket). That the
// namespace is an attached one is not asked: a program inside could make a new
// namespace, attached to nothing, and connect from there. An abstract socket would be
// bounded by the namespace by itself, but has no mode and no owner, and who starts first
// has its name.
//
// What this does not hold: a process that may enter the daemon's network namespace
// (CAP_SYS_ADMIN over it: root of the host with its capabilities), and one to which
// somebody outside hands a connected socket. The other way round, a process outside
// whose network namespace is not the daemon's is not served although it is not inside:
// it has to be started where the daemon is.
//
// # Bounds
//
// 64 connections, and 16 of peers that are not served, 16 KiB of headers, 1 MiB of body,
// 10 s for the headers, 30 s for the body, 2 min for the answer, one descriptor with a
// request.
package control
