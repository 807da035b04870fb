//go:build linux

package doctor

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The oldest kernel with all that run uses: pidfd_send_signal 5.1, pidfds from
// clone 5.2, AT_EACCESS in faccessat2 5.8, close_range 5.9 and its flag 5.11.
const oldestMajor, oldestMinor = 5, 11

func kernel() Check {
	c := Check{Name: "kernel", State: OK}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return Check{c.Name, Warn, err.Error(), ""}
	}
	release := unix.ByteSliceToString(u.Release[:])
	c.Detail = release
	var major, minor int
	if n, _ := fmt.Sscanf(release, "%d.%d", &major, &minor); n == 2 && (major < oldestMajor || major == oldestMajor && minor < oldestMinor) {
		c.State = Warn
		c.Fix = fmt.Sprintf("netnsd is tested with Linux %d.%d and later", oldestMajor, oldestMinor)
	}
	return c
}

// daemon says whether `netnsd daemon` could be asked anything: its control socket tells
// those inside by the cookie of their network (Linux 5.14), and namespaces that are there
// already are root's.
func daemon() Check {
	c := Check{Name: "daemon", State: OK, Detail: "its control socket can tell who is inside"}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		_, err = unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
		unix.Close(fd)
	}
	switch {
	case err != nil:
		return Check{c.Name, Warn, fmt.Sprintf("netnsd daemon does not start: SO_NETNS_COOKIE: %v", err), "a kernel of Linux 5.14 or later; netnsd run does without"}
	case os.Geteuid() != 0:
		c.Detail += "; it has to be started by root"
	}
	return c
}

const node = "/dev/net/tun"

func tunNode() Check {
	c := Check{Name: "tun", State: OK}
	st, err := os.Stat(node)
	if err != nil {
		c.State, c.Detail = Fail, err.Error()
		c.Fix = "`modprobe tun`; in a container start it with `--device " + node + "`"
		return c
	}
	c.Detail = fmt.Sprintf("%s, mode %04o", node, st.Mode().Perm())
	fd, err := unix.Open(node, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		c.State, c.Detail = Fail, fmt.Sprintf("%s: %v", c.Detail, err)
		c.Fix = "`chmod 0666 " + node + "` (safe: creating a device needs CAP_NET_ADMIN all the same), or run as root"
		return c
	}
	unix.Close(fd)
	return c
}

// knobs are the switches that keep users from making namespaces, each with the
// value that does.
var knobs = []struct {
	file string
	bad  string
	fix  string
}{
	{"/proc/sys/kernel/unprivileged_userns_clone", "0", "`sysctl -w kernel.unprivileged_userns_clone=1`"},
	{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "`sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or an AppArmor profile for netnsd with `userns,`"},
	{"/proc/sys/user/max_user_namespaces", "0", "`sysctl -w user.max_user_namespaces=10000`"},
	{"/proc/sys/user/max_net_namespaces", "0", "`sysctl -w user.max_net_namespaces=10000`"},
	{"/proc/sys/user/max_mnt_namespaces", "0", "`sysctl -w user.max_mnt_namespaces=10000`"},
}

// userNamespaces asks the knobs. Root needs no user namespace, so they do not
// matter to it.
func userNamespaces() Check {
	c := Check{Name: "namespaces", State: OK, Detail: "user namespaces are allowed"}
	root := os.Geteuid() == 0
	if root {
		c.Detail = "root needs no user namespace"
	}
	for _, k := range knobs {
		value, err := os.ReadFile(k.file)
		if err != nil || strings.TrimSpace(string(value)) != k.bad {
			continue // the file is there only where the kernel has the knob
		}
		if root && !strings.HasPrefix(k.file, "/proc/sys/user/max_net") && !strings.HasPrefix(k.file, "/proc/sys/user/max_mnt") {
			continue
		}
		name := strings.ReplaceAll(strings.TrimPrefix(k.file, "/proc/sys/"), "/", ".")
		return Check{c.Name, Fail, name + " = " + k.bad + " keeps namespaces from being made", k.fix + ", or run as root"}
	}
	return c
}

// groupRange reads ping_group_range of the host.
func groupRange() (low, high int, err error) {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ping_group_range")
	if err != nil {
		return 0, 0, err
	}
	words := strings.Fields(string(b))
	if len(words) != 2 {
		return 0, 0, unix.EBADMSG
	}
	low, err = strconv.Atoi(words[0])
	if err == nil {
		high, err = strconv.Atoi(words[1])
	}
	return low, high, err
}
