//go:build linux

// Package opener holds the first of the two roles that netnsd is made of: the
// small privileged one. It makes the namespaces of a program, the TUN device in
// them and all that the program finds there, hands the device's descriptor to
// the data plane, drops every right and becomes the program.
//
// It is one process: the data plane re-executes its own binary (argv[0] is
// [Name]) with clone flags; that process is the opener until it calls execve,
// so that there is no process between netnsd and the program, and exit status,
// signals and the terminal are the program's own.
//
//	data plane                         opener
//	Start: clone, Request      ──►     mounts, TUN, addresses, routes, sysctls
//	Child.Setup                ◄──     Setup + descriptors (SCM_RIGHTS)
//	  its stack reads the device
//	Child.Exec: "go"           ──►     no capability, no_new_privs, no descriptor above 2
//	  end of file              ◄──     execve
//
// The two talk over one SEQPACKET socket pair. It is close-on-exec, so its end
// is the news that the program runs, and a message instead of it the reason why
// it does not. If the data plane dies before "go", the opener reads end of file
// and nothing runs; if it dies later, the program is killed (PR_SET_PDEATHSIG).
//
// A [Resident] is an opener that stays, a process of its own, for a data plane that is
// confined (package confine). One SEQPACKET socket pair again, JSON, a question a
// packet; what is too long, malformed, of another version, or comes with descriptors
// that it should not have, ends it. It confines itself before its first message,
// answers 64 at once, and ends with the data plane. [Stay] is for `run`: one that tells
// who holds a socket, each answer within 5 s.
//
//	data plane                         resident
//	Stay                       ──►     confine.Onlooker
//	  means                    ◄──     what holds it
//	Processes(n).ByInode       ──►     /proc (package owner)
//	  process, or nobody       ◄──
//
// [StayOpen] is for the daemon: one that also makes devices in namespaces that are there
// already.
//
//	StayOpen                   ──►     confine.Opener
//	Open, path or descriptor   ──►     enters, makes the device or takes it over, watches the path
//	  TUN, rtnetlink, sock_diag ◄──    passed, not kept: packets would wake both
//	SetUp, Configure           ──►     link, addresses, routes; again when they were dropped
//	  gone                     ◄──     the path is another namespace, or none
//	Look, Close                ──►
//
// The rtnetlink socket that is passed is to listen by. For changes the kernel asks for
// the capabilities of the sender as well as of the opener (netlink_ns_capable), so they
// are made here.
//
// Whoever has got hold of the daemon's data plane can ask for a device in every network
// namespace of the machine but the daemon's own, with any address and route, and who
// holds a socket; for nothing else. What is not a network namespace is not opened.
//
// It decides nothing: what the program may reach is the chain's business.
//
// Child is for one goroutine, which must stay on the thread that called Start
// (runtime.LockOSThread): the kernel kills the program when that thread ends.
// Child.Signal may be called from any goroutine.
package opener
