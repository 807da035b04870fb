//go:build linux

package cli

// What netnsd reads, makes and returns. The README has the same tables; a test compares.

var files = rows{
	{"/etc/netnsd/netnsd.yaml", "the daemon's configuration, unless `--config` names another; read again by SIGHUP and `netnsd reload`"},
	{"/run/netnsd/netnsd.sock", "its control socket, mode 0660 (`daemon.socket`, `daemon.socket_group`); `.lock` beside it while a daemon starts"},
	{"/etc/netns/NAME/resolv.conf", "what `ip netns exec NAME` shows as /etc/resolv.conf; write `nameserver 10.0.2.3` there, as the daemon writes none"},
	{"/run/netns/NAME", "network namespaces of `ip netns`, which are attached by NAME"},
	{"/dev/net/tun", "where devices come from; `netnsd run` without root needs it to be writable"},
	{"/etc/resolv.conf, /etc/hosts", "of the host: who is asked for names, and which are known; read again when they change"},
	{"`--audit`, `--learn`, `--json` FILE …", "made where you say; an audit has mode 0600 and is appended to; what was learnt replaces the file as a whole"},
}

var variables = rows{
	{"NETNSD_SOCKET", "the control socket that commands ask, if `--socket` does not say"},
	{"NO_COLOR, TERM=dumb", "no colours on a terminal; elsewhere there are none"},
	{"NOTIFY_SOCKET", "systemd's, which the daemon tells that it is ready, reloads, ends"},
	{"XDG_RUNTIME_DIR, SSH_AUTH_SOCK", "of the user: `netnsd run` with rules hides the unix sockets that are there"},
}

var statuses = rows{
	{"0", "done"},
	{"1", "failed; the daemon refused; something is wrong in the file that was checked; `policy diff`: something changes"},
	{"2", "used wrongly: flags and arguments; `daemon`: its file is not right; `policy diff`: a file cannot be read"},
	{"3", "no daemon listens at the control socket"},
	{"4", "the daemon knows no such attachment, flow or port"},
	{"5", "not permitted to use the control socket"},
	{"10", "`explain --exit-code`: denied"},
	{"125", "`run`: netnsd's own trouble, used wrongly included; nothing has run"},
	{"126, 127", "`run`: the program cannot be executed; there is no such program"},
	{"128+n", "`run`: signal n ended the program, any other status is the program's; `bench`: signal n ended it"},
}
