// Package redirect is the layer that leads connections and datagrams elsewhere than
// the program asked, by rule. The program does not see it: it sees the peer that it
// asked for (law 11 of package provider).
//
//	tcp/203.0.113.1:80=127.0.0.1:8080       one service, to one of ours
//	udp/*:53=192.0.2.53                     every name server is this one; the port stays
//	example.com:443=[2001:db8::1]:8443      by name, TCP and UDP
//	tcp/10.0.0.0/8:8000-8999=127.0.0.1:0    a network and a range; port 0 is none: it stays
//
// # Rules
//
//	[protocol/]host[:ports]=address[:port]
//
// The protocol is tcp, udp or any, which is what it is if left out. Host and ports are
// as package policy has them: * for any, a name, *.name for all below it, an IPv4 or
// IPv6 address or network (IPv6 in brackets), and lists of ports and ranges. The groups
// of that package are no words here. The new address is a literal one, no name, no
// multicast group and not the wildcard. [ParseRule] reads a rule.
//
// The first rule that matches holds. A rule by name, or about *, is about addresses of
// both families, and what it leads to has one: a destination of the other is not
// connected to, but has ENETUNREACH, upon which programs try the other, unless a later
// rule matches and leads to an address of its own family. It never falls back to what
// was asked for. An IPv4-mapped destination is an IPv4 one. Names are those that the
// name service gave out for the address, or that was dialled (provider.Origin.NamesOf).
//
// TCP and UDP are redirected, nothing else: ping and raw sockets pass, and so do
// multicast memberships and whatever comes in on a listening socket.
//
// # Where it stands
//
// Below policy, which is to judge what the program asked for: above it, a rule here
// would be a way past a rule there, as policy would be asked about the new address
// alone, and a redirect to the loopback would be a denial of everything. The new address
// is judged by nobody, so whoever writes the rules decides that programs may go
// there. Below audit and sni likewise, which write down and compare what was asked.
// What is to see the connection as it is made (capture near the base, shape by
// destination) stands below redirect.
//
// Two redirects in one chain follow each other: the lower matches what the upper has made.
//
// # Streams
//
// The layer replaces WSPConnect, WSPGetPeerName and WSPGetSockOpt (SO_BSP_STATE has the
// peer in it), no data entry: the bytes do not pass it, and provider.Socket.Direct stays.
// A connect costs a walk over the rules: 0.2 µs with one, 0.9 µs with a hundred, and an
// allocation if it is redirected (BenchmarkConnect).
//
// # Datagrams
//
// A datagram goes where the rules say, be the socket connected or not, and what comes
// back from there appears to come from where it was sent: a table in each socket, of
// 1024 destinations at most, says which that was. Past that the oldest is forgotten, and
// a late answer to it comes with the address it really has. A destination that is in the
// table is not asked about again, so that it does not change while a name that was given
// for it runs out. On a chain of datagrams that a rule is about the layer stands in the
// path of the bytes and provider.Socket.Direct is nil: 0.1 µs for a datagram, no
// allocation (BenchmarkSendTo). With rules about tcp alone it replaces nothing there.
//
// If a socket sends to several destinations that lead to the same one (two name servers,
// say), an answer cannot tell whose it is: it is that of the destination that was sent
// to last. Programs that need to know better connect a socket to each.
//
// Nothing is changed in the datagrams themselves: a protocol that carries addresses in
// its data says the ones it knows. An error that came back names the destination that
// was asked for; ancillary data (provider.ICMPError) is the network's own words.
package redirect
