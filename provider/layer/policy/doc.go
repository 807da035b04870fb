// Package policy is the layer that allows and denies: where a program may go,
// by name, address, port and protocol. It decides and does nothing else, so it
// costs one walk over its rules where a socket connects, and nothing afterwards.
//
// # Expressions
//
//	[protocol:]host[:ports]
//
//	example.com:443           one name, one port
//	*.example.com             every name below, at any depth; not example.com itself
//	10.0.0.0/8                an IPv4 or IPv6 network
//	192.0.2.1:80,443          ports may be a list …
//	udp:192.0.2.1:1000-2000   … of ranges
//	[2001:db8::1]:53          IPv6 addresses stand in brackets
//	[2001:db8::]/32:80        and so do networks, or without: 2001:db8::/32
//	tcp:*:443                 any host
//	metadata                  a group: private, loopback, linklocal, multicast, metadata
//
// Protocols are tcp, udp and icmp (which is ping, of both families). Names are
// compared without regard to case and to a dot at the end. They are ASCII: an
// international name is written in its xn-- form. A name that is called like a
// group or a protocol is written with a dot at the end.
//
// # Rules
//
//   - Deny wins over allow, whatever the order. What no rule matches follows the
//     default.
//   - Unknown matches nothing. A name rule does not match an address that no
//     known name was given for; a rule with a protocol or a port does not match
//     an operation whose protocol or port is not known.
//   - An address may have several live names. Any of them may match a rule.
//   - A lookup of a name is allowed by a rule that allows the name (or *), with
//     any port and protocol; it is denied by a rule that denies the name
//     altogether, and otherwise follows the default. An address rule says nothing
//     about lookups.
//   - When a TLS connection that a rule allowed by name says which server it wants
//     (OpSNI), that name must match the same rule: what the name service gave for
//     one name is no way to another at the same address. One that does not say is
//     not allowed by name. A rule that denies the server name denies.
//   - A rule that allows by name does not allow an address of the groups private,
//     loopback, linklocal and metadata, unless the policy says rebind: allow: whoever
//     owns the name would say where in the host's own network a program gets
//     (rebinding). Allow the address instead, if it is meant.
//   - A rule by name does not match UDP port 443 unless it says udp: what QUIC asks
//     for is encrypted, and programs go on with TCP. Those that say it trust the
//     address.
//   - An encrypted ClientHello (ECH) is judged by its outer name, unless the policy
//     says ech: deny. Browsers send one for show, which cannot be told from a real
//     one; the name of a real one is that of the provider, which no rule allows.
//   - Listening, and what comes in on a listening socket, is allowed unless the
//     policy says listen: deny. Rules are about where a program goes; what can
//     reach it is said by whoever publishes its ports.
//   - A multicast group that a socket joins is a destination.
//
// An IPv4-mapped IPv6 address is the IPv4 address, in rules and in facts. An
// address of the well-known NAT64 prefix (64:ff9b::/96, RFC 6052) matches a rule
// that denies also as the IPv4 address in it, and a rule that allows only as it
// stands. Zones are ignored in facts and refused in rules. The host's own
// loopback, as seen from a sandbox, is the gateway's to protect; the group
// loopback here is the address range.
//
// # How a denial looks
//
//	prohibited   EACCES        ICMP administratively prohibited (the default)
//	reset        ECONNREFUSED  a reset
//	unreachable  EHOSTUNREACH  ICMP host unreachable
//	drop         ETIMEDOUT     silence
//
// A denied lookup is NXDOMAIN, whatever stands there. A socket of the program
// that embeds us gets the code at once; the other looks are the gateway's.
//
// # Files
//
// A policy file is YAML (or JSON, which is YAML). Unknown keys, bad patterns and
// doubled keys are errors with line, column and excerpt. All keys but version
// may be left out.
//
//	version: 1
//	default: deny            # or allow; deny if left out
//	deny_with: prohibited    # reset | prohibited | unreachable | drop
//	on_failure: closed       # or open: what a panic in the layer means
//	listen: allow            # or deny
//	ech: allow               # or deny
//	rebind: deny             # or allow
//	rules:
//	  - allow: ["example.com:443", "*.example.com"]
//	    note: web
//	  - deny: [metadata, 10.0.0.0/8]
//	    with: drop
//
// [Config.Text] writes one.
//
// A policy is immutable and safe for concurrent use.
package policy
