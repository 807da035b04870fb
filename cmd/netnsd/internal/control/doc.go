//go:build linux

// Package control is the daemon's control socket: HTTP/1.1 and JSON on a unix socket,
// by default /run/netnsd/netnsd.sock. [Listen] makes the socket, a [Server] answers for
// a [Daemon], a [Client] asks. curl can, too:
//
//	curl --unix-socket /run/netnsd/netnsd.sock http://netnsd/v1/status
//
//	GET    /v1/status                            Status
//	GET    /v1/flows[?attachment=NAME]           [Flow]
//	DELETE /v1/flows/ID                          204: the flow is reset
//	POST   /v1/explain       Query               explain.Answer
//	POST   /v1/reload                            Reload
//	POST   /v1/attachments   config.Attachment   201: config.Attachment, with its defaults
//	DELETE /v1/attachments/NAME                  204
//	POST   /v1/attachments/NAME/published  config.Publish  201: Published
//	DELETE /v1/attachments/NAME/published/ID     204
//	GET    /v1/metrics                           what Prometheus reads
//
// # What goes wrong
//
// The answer is then a [Problem], application/problem+json (RFC 9457), and nothing has
// changed:
//
//	400  no JSON, a key or parameter that nobody knows, a wrong type, a body where there
//	     is none; errors say line and column of the body
//	403  this peer may not use the socket
//	404  no such path, flow, attachment or publication
//	405  the path takes other methods; Allow names them
//	409  the name or port is taken
//	413  a body of more than 1 MiB
//	415  a body that is not application/json
//	422  understood, and impossible: a key of the attachment, or, of a reload, the file,
//	     whose errors say file, line and column
//	500  the daemon failed; the detail says at what
//	503  the daemon is ending
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
// 64 connections, and 16 of peers that are not served, 16 KiB of headers, 1 MiB of body, 10 s for the headers, 30 s for the
// body, 2 min for the answer, one descriptor with a request.
package control
