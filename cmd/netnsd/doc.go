//go:build linux

// Command netnsd runs programs in networks of their own: a userspace TCP/IP stack
// behind a TUN device, where every socket is made by WSPSocket through a chain
// of providers.
//
//	main ── cli ──┬─ run ─────┬─ plane     device, stack, gateway: what carries the bytes, as under daemon
//	              │           ├─ chain     the layers, and the order they stand in
//	              │           ├─ opener    namespaces, device, becoming the program; whose a socket is
//	              │           ├─ publish   ports of this host that lead inside
//	              │           ├─ confine   what netnsd itself has left then
//	              │           └─ doctor    what keeps run from working
//	              ├─ daemon ──┬─ config    netnsd.yaml, read strictly
//	              │           ├─ control   its socket, and who may ask there
//	              │           ├─ opener    devices in namespaces; whose a socket is
//	              │           └─ confine   what the daemon itself has left
//	              ├─ explain ── chain
//	              ├─ replay     what policies say of an audit file
//	              ├─ demo ───── run, chain
//	              └─ bench ──── the module's packages bench and bench/report
//
// # What is held, and against whom
//
// Against the program: whatever `netnsd run` starts, and all that it starts in turn,
// does what it can as the user that it runs as. It is to reach no network but
// through the chain. What it tries, and what holds it:
//
//	a socket of any internet family       a network namespace of its own: lo, and a TUN that the chain
//	                                      stands behind; abstract unix sockets and netlink are in it, too
//	raw and packet sockets, its device,   no capability, none to be had: no_new_privs, securebits, an empty
//	routes, another namespace             bounding set but for three that files may name (EPERM)
//	AF_VSOCK, AF_QIPCRTR                  a seccomp filter (EAFNOSUPPORT): no namespace holds them
//	io_uring, socketcall(2), clone3(2)    the filter does not see into them: with rules there are none (ENOSYS)
//	a user namespace, to mount what is    with rules the filter (EPERM): sandboxes inside, of browsers or
//	hidden once more                      bubblewrap, have to be told to do without
//	descriptors above 2                   closed, but those of --keep-fd
//	a socket as stdin, stdout, stderr,    with rules run refuses to start, unless --keep-fd names it; one end
//	or a directory                        of a nameless pair is a pipe
//	a resolver of the host                resolv.conf is ours, the sockets of nscd, resolved and avahi are hidden
//	a bus, a service or container         with rules the unix sockets that are there when run starts are hidden,
//	manager, an agent, a terminal server  but those of --keep-socket: what the kernel's list has by its path or
//	                                      beside it, and what is below /run, /tmp, /var/tmp, /dev/shm
//	to be or to steer a process outside   other capabilities or another user namespace (ptrace: EPERM)
//	to type into its terminal             the filter (TIOCSTI, TIOCLINUX: EPERM)
//	the kernel's settings, as root        /proc/sys and its like are read-only, in every proc and sysfs
//	to outlive us                         it is killed with us; what it leaves running has no carrier
//
// Not held, as no network namespace or filter could:
//
//   - files. The program is the user: what it writes where others execute it (a
//     shell's profile, a cron table, a unit) runs outside, later. Run what you do not
//     trust as a user made for it.
//   - an accomplice outside who shares a file, a FIFO or memory with it, hands it
//     descriptors through a socket that was kept, or makes a socket where there was
//     none when run started.
//   - unix sockets elsewhere than said above that are not where the kernel believes
//     them: bound by a relative path, moved to another folder, seen through a second
//     mount of the same folder, or of a service in another network namespace. Linux
//     has nothing yet that asks for a right to connect to a path.
//   - devices that the user may open and that lead out, such as a modem.
//   - netnsd itself may be signalled by it; then its network ends.
//   - names. A rule by name stands on what our name service has answered; see package
//     provider/layer/policy.
//
// What holds is in the start record of an audit, and what cannot be had (a kernel
// without seccomp filters) is said; with --strict nothing runs then.
//
// With --shadow the rules are tried and not enforced: what is said above to need rules
// is done, but the chain lets pass what the rules deny.
//
// Without rules (no --allow, --deny, --policy) the network is still its own, but what
// is said above to need rules is not done: such a run watches, it does not confine.
//
// Against the network: what comes from outside, and what the program sends, is parsed
// by gVisor and by us in Go, in the process of netnsd, which runs as the user. Before
// the program runs that process gives up what it needs no more, also when root runs it,
// in case that somebody gets hold of it:
//
//	capabilities and ways to get any      none, but for CAP_NET_RAW where net.ipv4.ping_group_range bars ping
//	                                      sockets, CAP_NET_BIND_SERVICE where ports are published, and with
//	                                      --learn those by which root replaces the file
//	files                                 Landlock: /etc and a few more are read, none is written; with --learn
//	                                      files come and go in its folder. As root that is /etc/shadow, too
//	programs, namespaces, mounts, traces, a seccomp filter (EPERM), also packet and vsock sockets
//	modules, keys, io_uring, other uids
//	services of the host, as their user   it makes no unix socket
//	to type into the terminal             the filter (TIOCSTI, TIOCLINUX: EPERM)
//	the program, as the same user         not traceable: there are no core dumps, nor a debugger without
//	                                      CAP_SYS_PTRACE
//
// What it keeps is its purpose: sockets of the internet, in the host's network, and
// signals to processes of the same user. It is no sandbox for them.
//
// Landlock does not let it look at other processes either. Whose a socket is, it asks
// of a second process, the opener that stays, if there is an audit or a policy file:
// with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH when root runs netnsd, without any else,
// and a filter by which it makes no socket, writes to no file, signals and starts
// nobody. Who has got hold of netnsd can ask it who holds a socket, in every network
// namespace, and no more.
//
// The daemon is the same two from its beginning to its end. It keeps
// CAP_NET_BIND_SERVICE, as ports are published at any time, reads in the folders of its
// configuration and policies, and writes in those of its audits (package
// internal/daemon); it signals nobody. Its opener makes the devices: with
// CAP_SYS_ADMIN and CAP_NET_ADMIN besides, netlink as its only sockets, and a filter
// by which it makes and removes no file. Who has got hold of the daemon can ask it for
// a device in every network namespace but the daemon's own, and so have the traffic of
// programs there; who has got hold of the opener is root but for the filter.
//
// Against the user who runs netnsd there is nothing to hold.
//
// testdata/script/run/escape.txtar tries what is new here, confined.txtar and
// TestDaemonConfined netnsd itself; inside.txtar, and the tests TestWaysOut, TestKilled
// and those of internal/opener the rest.
package main
