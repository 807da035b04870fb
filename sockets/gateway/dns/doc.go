// Package dns answers the queries of one network inside: from hosts, from its
// memory, or by asking servers outside. Who may ask for what is not its affair;
// package gateway decides before it asks.
//
//	[ParseQuery] ──▶ hosts ──▶ cache ──▶ in flight? ──▶ zone ──▶ servers in turn
//	[Query.Reply] ◀────────────────────────────────────────────── udp tcp tls https
//
// # Messages
//
// A query is taken apart (opcode 0, one question, at most one OPT) and what goes out
// is made anew: the name in lower case, flags RD, CD and AD, an OPT of our own.
// An answer is passed on as it is, whatever its record types are, but for its id,
// its question (as the program spelt it), its OPT, and TTLs that count down. So
// golang.org/x/net/dns/dnsmessage is enough to read with, and nothing is lost that
// it does not know; miekg/dns would pack records anew, and weighs more than the rest.
// An ECH parameter of an HTTPS record passes: a policy that denies encrypted
// ClientHellos does it where they are sent, those for show among them.
//
// EDNS ends here on both sides (RFC 6891, 6.1.1: it is hop by hop): DO is passed on,
// options are not (6.1.2: who does not know one ignores it), another version is
// BADVERS, and a server that does not know EDNS is asked without. An answer that is
// larger than the program said, or than 4096 bytes, is sent without records and with
// TC; by TCP it is whole. Zone transfers are refused.
//
// # Servers
//
// See [ParseUpstream] for how one is written. A server gets two seconds, all of them
// together 4.5 and two rounds: less than the program's own resolver waits. One that
// was silent is asked after the others for a second, two, four, … 30; then one query
// finds out, while others ask it last. SERVFAIL,
// REFUSED and the like lead to the next server, and are the answer if all say so.
// Every query by UDP has a socket, so a source port, and an id of its own; answers
// that do not fit are read over (RFC 5452, 9.1); one with TC is asked for again by
// TCP. Connections by TCP, TLS (RFC 7858) and HTTPS (RFC 8484) are used again, at
// most 8 to a server, and closed after ten seconds idle. A certificate is always
// verified.
//
// The system's servers are those of resolv.conf(5), looked at again at most once a
// second, when something is asked. If it has changed the cache is emptied. What
// cannot be read, or names no server any more, is logged, and the last good servers
// stay. They are asked by sockets of the host: a resolver on the host's loopback
// (systemd-resolved at 127.0.0.53, dnsmasq) is asked like any other, although no
// program inside may reach that loopback.
//
// # Names of our own
//
// Hosts are those given, which win, and those of a file such as /etc/hosts, looked
// at again like resolv.conf. A name that is there has the addresses that it has
// there, no record of any other type, and no server is asked for it; nor for
// localhost and what is below (RFC 6761, 6.3). An address of the loopback (127.0.1.1
// for the host's own name, 0.0.0.0 for what somebody blocks) is given as it stands:
// the program's own loopback is meant by it inside, as by the program's own reading
// of the file. Nothing of the host is reached by it.
//
// # Memory
//
// Answers are kept for the least of their TTLs, at most an hour; those that a name or
// a type does not exist for what their SOA says (RFC 2308); failures and truncated
// answers never. The cache is of one resolver, thus of one attachment: one program
// cannot see what another has asked for. Beyond its limit the least lately used goes.
// The same question, asked while it is in flight, is asked once.
//
// Who closes a [Resolver] waits for what it was asked.
package dns
