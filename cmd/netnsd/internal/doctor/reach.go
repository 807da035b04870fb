//go:build linux

package doctor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/opener"
)

func resolver() Check {
	c := Check{Name: "resolver", State: OK}
	b, err := os.ReadFile("/etc/resolv.conf")
	var servers []string
	for line := range strings.Lines(string(b)) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == "nameserver" {
			servers = append(servers, words[1])
		}
	}
	switch {
	case len(servers) > 0:
		c.Detail = "asks " + strings.Join(servers, ", ")
	case err != nil:
		c.State, c.Detail = Warn, err.Error()+": 127.0.0.1 is asked"
		c.Fix = "name the server with `--dns ADDR`"
	default:
		c.State, c.Detail = Warn, "/etc/resolv.conf names no server: 127.0.0.1 is asked"
		c.Fix = "name the server with `--dns ADDR`"
	}
	return c
}

// ping tries the sockets by which the gateway sends echo requests on: one for
// ping, or a raw one in its place (provider/host).
func ping(version int) Check {
	c := Check{Name: fmt.Sprintf("ping%d", version), State: OK, Detail: "echo requests are sent on"}
	family, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	if version == 6 {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	var err error
	for _, kind := range []int{unix.SOCK_RAW, unix.SOCK_DGRAM} {
		var fd int
		if fd, err = unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol); err == nil {
			unix.Close(fd)
			return c
		}
	}
	c.State, c.Detail = Warn, fmt.Sprintf("no ping socket on the host: %v: pings from inside are not answered", err)
	if low, high, readErr := groupRange(); errors.Is(err, unix.EACCES) && readErr == nil {
		c.Detail = fmt.Sprintf("net.ipv4.ping_group_range is %d %d: pings from inside are not answered", low, high)
		c.Fix = "`sysctl -w net.ipv4.ping_group_range='0 2147483647'`"
	}
	return c
}

func ipv6() Check {
	b, err := os.ReadFile("/proc/net/ipv6_route")
	if err == nil {
		for line := range strings.Lines(string(b)) {
			// A default route that is not through lo.
			if f := strings.Fields(line); len(f) == 10 && f[1] == "00" && strings.Trim(f[0], "0") == "" && f[9] != "lo" {
				return Check{"ipv6", OK, "the host has a default route", ""}
			}
		}
	}
	return Check{"ipv6", OK, "the host has no default route: programs are told so at once", ""}
}

// reachable lists the services that a program inside can ask to act for it. A
// network namespace does not hold unix sockets with a path.
func reachable() []Check {
	var all []Check
	for _, path := range opener.Resolvers {
		if _, err := os.Lstat(path); err == nil {
			all = append(all, Check{"leaks", OK, path + " is hidden from the program", ""})
		}
	}
	for _, path := range opener.Present() {
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
			all = append(all, Check{"leaks", Warn, path + " answers: a program that is run without rules can ask it to act outside of its network",
				"give a rule (--allow, --deny or --policy), which hides it, or run the program as a user who may not connect to it"})
		}
	}
	if len(all) == 0 {
		all = append(all, Check{"leaks", OK, "no service of the host answers on the unix sockets known to us", ""})
	}
	return all
}
