// Package base is the Winsock socket itself: the state machine that stands
// between the SPI and a network, written once over a small [Driver]. A driver
// opens, binds, connects, moves bytes and reports raw state; everything that
// the specification says besides is here: which operation is legal in which
// state and under which code it fails, option values and how they read back,
// errors that stay, shutdown and linger, deferred accepts, reconnecting after
// a refusal, soft errors of datagram sockets. So a new kind of network costs a
// driver and conforms by birth.
//
// It is not the place for waiting (package sockets), for chains and catalogs
// (package provider), or for anything that knows gVisor or the host (the
// drivers in provider/netstack and provider/host). It imports the standard
// library alone.
//
// # Who may call what
//
// The entries of the table that [New]'s base returns from WSPStartup follow
// law 4 of package provider: safe for concurrent use, one data operation per
// direction and socket at a time, close last and alone. None of them blocks,
// none may be called from a Wake. Wakes pass through base with no lock of its
// own held.
//
// # Rows, not switches
//
// What differs between sockets is data: the triples a driver serves
// ([Driver.Protocols]), the options (options.go), the ioctls (ioctl.go), the
// multipoint rules ([MultipointFlags]). Adding an option is adding a row.
// Option and ioctl values are little-endian, as on Windows, on every machine.
//
// # What is decided here where the sources leave a choice
//
//   - STREAM with UDP and the like are EPROTONOSUPPORT (observed); EPROTOTYPE is
//     kept for a contradiction inside the ProtocolInfo itself, that is, if both
//     type and protocol are taken from it.
//   - SOCK_RAW with protocol 0 is EPROTONOSUPPORT: the documentation only says
//     that an application may not do it; 0 is no IP protocol number to serve.
//   - WSA_FLAG_REGISTERED_IO and WSA_FLAG_ACCESS_SYSTEM_SECURITY are EOPNOTSUPP:
//     neither can be honoured. Unknown flags are EINVAL.
//   - FD_CLOSE after a reset carries ECONNABORTED while receives say ECONNRESET,
//     for ever; SO_ERROR stays 0 after a reset and keeps the code of a failed
//     connect however often it is read (observed). Connecting anew clears it.
//   - Data that was queued when a reset arrived is delivered before the error.
//   - A deferred connection (CF_DEFER) still counts for the level FD_ACCEPT, so
//     that select and a blocking accept find it; that it is not indicated again
//     is the once-only rule of package sockets.
//   - Closing a socket that was failed from outside (Socket.Fail) resets it: the
//     peer must not take a killed flow for one that ended.
//
// # What is not here yet
//
// WSPJoinLeaf and WSPDuplicateSocket return EOPNOTSUPP, a ProtocolInfo with a
// duplication token is EINVAL, multicast membership, the bind conflict matrix of
// winsock-spi 9.5 (the driver's own rules hold), SO_CONDITIONAL_ACCEPT and
// SO_PROTOCOL_INFO are ENOPROTOOPT or absent: the issue "The provider interface,
// whole" brings them as further rows. The flag rules of multipoint sockets are
// complete.
package base
