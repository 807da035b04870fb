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
// ([Driver.Protocols]), the options (options.go, optionstate.go, optionsip.go), the
// ioctls (ioctl.go, ioctlrows.go), the multipoint rules ([MultipointFlags]), the
// conflicts of group memberships (groups.go). Adding an option is adding a row. Option and ioctl values are little-endian, as on Windows, on
// every machine, and laid out as on 64-bit Windows. A pointer in one (CSADDR_INFO,
// SOCKET_ADDRESS_LIST, INTERFACE_INFO_EX) is the offset of what it points to from the
// start of the value.
//
// A packet of a raw socket that brings its own header goes where WSPSendTo or WSPConnect
// says, or is EINVAL: the storeys above have judged that destination, not the header's.
//
// # Options and ioctls that are only kept
//
// What winsock-spi 9 has accepted and stored (R = A) reads back and has no effect:
// SO_DEBUG, SO_DONTROUTE, SO_GROUP_PRIORITY, SO_RANDOMIZE_PORT, SO_PORT_SCALABILITY,
// SO_REUSE_UNICASTPORT, TCP_EXPEDITED_1122 and TCP_BSDURGENT, TCP_TIMESTAMPS, TCP_FASTOPEN,
// IP_OPTIONS and IPV6_HOPOPTS, the IFLIST options, IP_RECEIVE_BROADCAST, -RECVIF,
// -RECVDSTADDR, -ECN, -RECVERR and -USER_MTU, IPV6_PROTECTION_LEVEL,
// UDP_RECV_MAX_COALESCED_SIZE, UDP_CHECKSUM_COVERAGE, SIO_LOOPBACK_FAST_PATH,
// SIO_TCP_INITIAL_RTO. SO_SNDTIMEO and SO_RCVTIMEO are kept for package sockets, which
// does the waiting. What it rejects (R = N) is ENOPROTOOPT, and so are PVD_CONFIG,
// SO_OPENTYPE, SIO_FLUSH and UDP_SEND_MSG_SIZE (no driver cuts a send into datagrams);
// SIO_IDEAL_SEND_BACKLOG_*, SIO_EXT_* and SIO_RCVALL, but for turning it off, are
// EOPNOTSUPP.
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
//   - With SO_CONDITIONAL_ACCEPT, WSPAccept is EWOULDBLOCK after CF_ACCEPT too, until the
//     handshake that was begun by it is over; FD_ACCEPT shows then, and the condition
//     function is not asked about the connection again. It is asked only while no
//     connection waits that it has accepted before. A plain accept answers everybody.
//   - SIOCATMARK is TRUE if no urgent data waits out of line, also where there is none
//     or it comes in line. Urgent data that arrived before a reset is delivered.
//   - Who may have an address is for the driver to say; those of this project ask
//     [BindConflict]. The options count as they stand when the address is bound.
//   - FD_ADDRESS_LIST_CHANGE and FD_ROUTING_INTERFACE_CHANGE stand for a difference to
//     what was so when the ioctl armed them, for the socket's own family and
//     destination; they are a level until it is armed anew, and a pended call succeeds
//     as long as they show. One that was undone before anybody asked is not told.
//   - SO_CONNECT_TIME of an accepted socket counts from WSPAccept.
//   - SIO_MULTIPOINT_LOOPBACK and SIO_MULTICAST_SCOPE are the options of the same
//     meaning, and SO_UPDATE_ACCEPT_CONTEXT names the listener by Socket.Handle: package
//     sockets puts that there in place of a handle of its own.
//   - A datagram socket hears the groups that it has joined, on the interface where
//     it joined them, and no others: not 224.0.0.1 either, of which every host is a
//     member. A raw socket hears all groups, but for sources that it was told to leave
//     out. What a network queues besides is discarded when the socket is asked whether
//     it is readable, or skipped by a receive; so what was queued before a source
//     was blocked is not heard. What arrived before a join is not, unless something
//     that was wanted is queued in front of it.
//   - Dropping the last source of a source-specific membership ends the membership: a
//     second drop is EINVAL, as for all who are no members, and not EADDRNOTAVAIL.
//   - A group that is none, a source that is no host, an interface that is not there and
//     an address of another family than the level's are EADDRNOTAVAIL.
//   - WSPJoinLeaf on a socket without the flags of winsock-spi 7.2 is EOPNOTSUPP. A
//     leaf that sends has the group as its peer's name, but hears everybody.
//   - Closing a socket that was failed from outside (Socket.Fail) resets it: the
//     peer must not take a killed flow for one that ended.
//
// # What is not here
//
// Planes with a root (winsock-spi 7.1) exist in no driver's rows: of them there are
// the flag rules alone. A driver says by what it implements which of these work:
// urgent data ([Protocol].Expedited), groups ([Grouper]), interfaces and changes
// ([Interfacer]), conditional accepts, circular queues ([CircularQueuer]); without,
// the option or ioctl is what the specification has for a provider without it.
package base
