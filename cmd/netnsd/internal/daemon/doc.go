//go:build linux

// Package daemon is `netnsd daemon`: many network namespaces at once, each an
// attachment with a plane of its own, on one catalog.
//
//	file ── lay ──▶ catalog: bases, layers, chains, selection by attachment
//	                   │ one session each
//	attachment ── plane: device ── stack ── gateway ── session
//	    │ open: the opener makes the device inside, and its addresses and routes
//	    └ live: opened, followed, let go when namespace or device are gone,
//	            and opened again when they are back
//
// # The life of an attachment
//
// It is up, down (somebody took the link down inside), or gone: its namespace or
// its device is not there, or cannot be opened, and the status says why. One that
// is configured by name or path is tried again, five times a second while there
// is nothing to be opened and ever more seldom, up to five seconds, when opening
// fails. A process or descriptor that is gone does not come back: its number
// would be somebody else's. A namespace that is missing when the daemon starts is
// no error; through the control socket it is. A namespace has one attachment, whatever
// names it goes by.
//
// What the kernel drops when a link goes down is put back when it comes up. A
// persistent device survives us, with its addresses and routes, and is taken over
// by the next start, however we ended; flows do not survive, their programs get a
// reset. A device that is not persistent ends with the daemon.
//
// The name service of an attachment is host 3 of its network; its cache is its own
// (package sockets/gateway/dns), and system is this host's resolv.conf as it is when somebody asks.
// The daemon writes no
// resolv.conf: it does not know which mount namespaces belong to a network. `ip
// netns exec NAME` reads /etc/netns/NAME/resolv.conf; put `nameserver 10.0.2.3`
// there.
//
// # Reload
//
// The file is read and checked whole, and every chain built, before anything
// changes; then one pointer is swapped ([provider.Catalog.Publish]). A layer that is
// written as it was is the layer that it was, and a chain of such layers the same chain.
// Of a shape the limits change in place. Other sockets stay on the version that made
// them for as long as daemon.reload says; flows that the new one denies are reset
// (gateway.Rejudge, gateway.Living). A published port whose chain has changed is closed
// and opened again, and who comes between is refused. Attachments that are new, gone or otherwise described are
// begun, ended, or begun anew; the others are not disturbed. On an error all stays
// as it was, and the status says that a reload failed and why.
//
// What came through the control socket, attachments and ports, outlives a reload; a
// file that cannot be beside it is refused. A port of the file that somebody else has
// is a problem in the status, and the next reload tries it again; through the control
// socket it is an error, of an attachment as a whole.
//
// # What it may
//
// Two processes: an opener with privileges, started first ([opener.StayOpen]), and this
// one, which parses what programs send and gives up what it does not need before it
// serves anything (package confine). The opener makes the devices, gives them addresses
// and routes, tells when a namespace is gone, and who holds a socket. If one of them
// ends the other does; a device that is not persistent is gone then.
//
//	kept                      for
//	CAP_NET_BIND_SERVICE      ports below 1024, which may be published at any time
//	CAP_NET_RAW               pings, where net.ipv4.ping_group_range bars ping sockets
//	reading, in folders       the configuration and its policies, at a reload
//	writing, in folders       audits; not to be read, truncated or removed
//	removing, in a folder     the control socket
//	internet sockets          what it is there for; unix sockets it makes none
//
// Folders are those of the files that the configuration names at the start, with all
// that is below them: a file that is replaced has a new inode. So give audits a folder
// of their own, or what is beside them can be written to by whoever gets hold of us. A reload that names
// another folder is refused ("permission denied"), and says to restart. As the process
// has no privilege to read what others own, a file has to be readable for its user.
//
// What the kernel does not have for this is logged, in the status ("missing"), and with
// --strict the daemon does not start.
//
// # Under systemd
//
//	[Service]
//	Type=notify
//	ExecStart=/usr/bin/netnsd daemon
//	ExecReload=/usr/bin/netnsd reload
//	RuntimeDirectory=netnsd
//	Restart=on-failure
//
// and nothing that gives the service a mount namespace of its own (ProtectSystem,
// PrivateTmp …): namespaces that are made or deleted later would not be seen there.
// Other supervisors have --ready-fd.
//
// # Ending
//
// The first SIGTERM lets flows end for as long as daemon.drain says and begins
// none: what programs send to begin one is dropped, so that it reaches whoever
// comes after us. What is left then is reset, as all is by a second SIGTERM.
package daemon
