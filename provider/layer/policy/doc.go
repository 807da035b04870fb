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
//   - Unknown matches nothing (conditions: see below). A name rule does not match an address that no
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
//     address. What is denied so says quic: deny.
//   - An encrypted ClientHello (ECH) is judged by its outer name, unless the policy
//     says ech: deny. Browsers send one for show, which cannot be told from a real
//     one; the name of a real one is that of the provider, which no rule allows.
//   - Listening, and what comes in on a listening socket, is allowed unless the
//     policy says listen: deny. Rules are about where a program goes; what can
//     reach it is said by whoever publishes its ports.
//   - A multicast group that a socket joins is a destination, at the port that it joins
//     with (WSPJoinLeaf) or is bound to (IP_ADD_MEMBERSHIP and its like; 0 before bind).
//
// An IPv4-mapped IPv6 address is the IPv4 address, in rules and in facts. An
// address of NAT64 (64:ff9b::/96, RFC 6052; 64:ff9b:1::/48, RFC 8215, in its last 32
// bits; a prefix of a network's own is not known) matches a rule that denies also as
// the IPv4 address in it, and a rule that allows only as it stands; address.within of a
// condition is unknown then. Zones are ignored in facts and refused in rules. The host's own loopback, as seen from a sandbox, is the
// gateway's to protect; the group loopback here is the address range.
//
// # How a denial looks
//
//	prohibited   EACCES        ICMP administratively prohibited (the default)
//	reset        ECONNREFUSED  a reset
//	unreachable  EHOSTUNREACH  ICMP host unreachable
//	drop         ETIMEDOUT     silence
//
// That is what TCP, UDP and ping see alike, but that Linux does not tell UDP sockets of
// an unreachable host unless they ask for it (IP_RECVERR).
//
// A denied lookup is NXDOMAIN, whatever stands there: REFUSED, or silence, would have
// resolvers ask again and elsewhere. A socket of the program that embeds us gets the
// code at once; the other looks are the gateway's.
//
// # Who, and when
//
// A rule can be about some processes only, and hold under a condition only:
//
//	uid: [0, 1000]                one of these
//	exe: /usr/bin/curl            the executable; /opt/agent/ is any below
//	cgroup: /system.slice/a.service   and what is below
//	when: port == 443 && names.exists(n, n.endsWith(".example.com"))
//
// A condition is an expression in CEL (https://cel.dev), compiled and checked when
// the policy is read, over these facts:
//
//	op           "lookup", "connect", "sendto", "joinleaf", "sni"
//	attachment   of the network the program is in; "run"
//	names        the living names that the name service gave for the address; of a lookup, its name
//	address      as text, with address.within("10.0.0.0/8") or a group's name
//	port         protocol is "tcp", "udp" or "icmp"
//	server_name  of the ClientHello, in lower case; "" if it has none, or the stream begins otherwise;
//	             alpn (with commas) and ech beside
//	uid          pid, exe, cgroup likewise, of the process
//
// A fact may be unknown, and what depends on it then is: uid == 1000 || port == 80 is
// true at port 80 and unknown elsewhere, if nobody knows the uid. A condition that is
// unknown, fails (a list has no such element) or takes too many steps does not let a
// rule allow, and does not keep one from denying. uid, exe and cgroup are the same.
//
// Of a process the uid alone is hard. A hostile program can have another of the same
// user ask for it, or become another itself: exe, cgroup and pid tell programs apart
// that do not mean to be taken for each other. They are looked up only where the rest
// of the rule matches.
//
// Facts that come later are waited for: a lookup does not know protocol, address and
// port, and of a stream server_name, alpn and ech are known when it has begun. A rule
// that waits for one allows for the time being and does not deny yet; it is asked
// again when the fact is there, before a byte of the program's leaves. Of datagrams the
// server name never is. Who asks it again is provider/layer/sni: a chain whose policy is
// ByName has to have it.
//
// A condition takes 1 to 2 µs and a dozen allocations (BenchmarkCondition), once for a
// connection, once a second for a flow of datagrams; rules without one none.
//
// # Other name services
//
// A program that asks another name service than the gateway's finds addresses that
// the gateway knows no names for, so nothing is allowed it by name, and nobody sees
// what it asks. Two modes say what of that is denied, for the policy's own words do
// not:
//
//	dot: deny   port 853 of TCP and UDP: DNS over TLS (RFC 7858) and QUIC (RFC 9250)
//	doh: deny   port 443 of the addresses and names of known public resolvers, such as
//	            dns.google, by lookup, connection and server name; and the lookups by
//	            which programs find out whether they may ask elsewhere
//
// Left out, they are as the default is. A rule opens what a mode denies if it names
// just that: *:853, or dns.google:443, not * or *:1-65535. The list of resolvers is
// not complete and cannot be (resolvers.go): what really holds is that addresses without
// a name are denied. Plain DNS elsewhere is port 53, as any other.
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
//	dot: deny                # or allow; as default is if left out
//	doh: deny                # or allow; as default is if left out
//	rules:
//	  - allow: ["example.com:443", "*.example.com"]
//	    note: web
//	  - deny: [metadata, 10.0.0.0/8]
//	    with: drop
//	  - allow: ["*:8080"]
//	    uid: 1000
//	    when: address.within("private") || attachment == "lab"
//
// [Config.Text] writes one.
//
// A verdict says which rule, where it stands and, where no rule matches, as far as it can
// be told why (provider.Verdict.Reason).
//
// A policy is immutable and safe for concurrent use.
package policy
