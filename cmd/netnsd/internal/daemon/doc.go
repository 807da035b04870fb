//go:build linux

// Package daemon is `netnsd daemon`: many network namespaces at once, each an
// attachment with a plane of its own, on one catalog.
//
//	file ── lay ──▶ catalog: bases, layers, chains, selection by attachment
//	                   │ one session each
//	attachment ── plane: device ── stack ── gateway ── session
//	    │ open: the device inside; configure: its addresses and routes
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
// no error; through the control socket it is.
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
// changes; then one pointer is swapped ([provider.Catalog.Publish]). Sockets stay
// on the version that made them; flows that the new one denies are reset
// (gateway.Rejudge). Attachments that are new, gone or otherwise described are
// begun, ended, or begun anew; the others are not disturbed. On an error all stays
// as it was, and the status says that a reload failed and why.
//
// # What it may
//
// The process that parses what programs send has all rights that it was started with,
// root's: it opens devices in namespaces that come later. `run` gives them up first
// (package confine); here that waits for an opener that makes attachments.
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
