//go:build linux

package cli

// troubles begin with what a user sees. The README has the same table; a test compares.
var troubles = rows{
	{"`netnsd: clone: ...` or `device: ...` before anything runs", "the machine does not allow it: `netnsd doctor` names the switch"},
	{"`EHOSTUNREACH`, \"No route to host\" under rules", "denied: `netnsd explain --allow ... tcp HOST:PORT` says by which rule; `--audit -` says it of every socket"},
	{"a name is not found under rules", "a lookup is allowed by a rule on that name; NXDOMAIN is the denial"},
	{"a TLS connection that stands is reset", "its ClientHello asked for another server than the rule names: `\"reason\"` in the audit's close line"},
	{"a name is found outside and not inside", "`netnsd run --audit -` shows each query and its answer; `--dns` says who is asked"},
	{"an internal name is denied, \"rebind: deny\"", "it leads to a private address: allow the address, or `--private-names`"},
	{"\"doh: deny\", \"dot: deny\"", "another name service is asked: a rule that names it (`dns.google:443`, `*:853`), or `doh: allow` in the policy"},
	{"HTTP/3 does not work by name, \"quic: deny\"", "QUIC hides the server: programs go on with TCP; or a rule that says `udp:`"},
	{"\"stdin is ... of this host\"", "rules do not see what goes through it: put a pipe in between, or `--keep-fd 0`"},
	{"docker, D-Bus, ssh-agent, X11 do not answer", "with rules their sockets are hidden: `--keep-socket PATH`"},
	{"a browser or bubblewrap finds no sandbox", "with rules there are no user namespaces inside: `--no-sandbox` or the like"},
	{"ping is not answered", "the host lets nobody ping: `netnsd doctor` has the sysctl"},
	{"a rule with uid, exe or cgroup does not let a program through", "the audit's line says who it was; without `exe` nobody could tell: a ping, a socket that several programs hold or closed at once"},
	{"fping is not answered, ping is", "fping 5.1 (Debian 12) works with raw sockets only, without netnsd too: use ping"},
	{"a peer-to-peer program or a VPN finds no way", "it may want one port per peer, or one for all: `--udp per-flow`, `--udp shared`"},
	{"`Operation not permitted` from nmap -sS, tcpdump, sudo", "no capability inside, by design"},
	{"a published port resets its clients", "nobody listens inside, or on 127.0.0.1 only: let the server listen on all addresses"},
	{"a published port cannot be had, status 125", "the message says why: in use (`ss -tulpn`), below 1024, not an address of this host"},
	{"slow", "`netnsd doctor` (offload), then `netnsd bench --quick`"},
	{"`netnsd status`: no daemon listens there", "it does not run (`systemctl status netnsd`, or start it with `netnsd daemon -c FILE`), or its socket is elsewhere: `--socket`, NETNSD_SOCKET"},
	{"`netnsd status`: not permitted, or \"comes from another\"", "root may ask, the daemon's own user and daemon.socket_group, each from the daemon's own network namespace: not from inside"},
	{"the daemon does not start: \"a daemon listens there already\"", "one does: `netnsd status`; two daemons have two sockets (daemon.socket)"},
	{"`netnsd reload` says file, line and column", "the file is not right, and nothing has changed; `netnsd config check FILE` says the same before"},
	{"an attachment is `gone`", "`netnsd status NAME` says why: no such namespace yet, the device is there already, deleted; it is tried again by itself"},
	{"an attachment is `down`", "somebody has taken its link down inside: `ip -n NAME link set tun0 up`"},
	{"an attachment is up, a published port is not there", "`netnsd status NAME` says who has it; free it, then `netnsd reload`"},
	{"names are not found in a namespace of `ip netns`", "its /etc/netns/NAME/resolv.conf has to name host 3 of its network, as 10.0.2.3"},
	{"connections are reset by a reload", "the new rules deny them: `netnsd explain --attachment NAME tcp HOST:PORT`"},
	{"lines of an audit are missing", "the disk was full: the file says how many (`\"event\":\"dropped\"`), so do the log and `netnsd_audit_lines_dropped_total`; `run --strict` ends with 125 then"},
}
