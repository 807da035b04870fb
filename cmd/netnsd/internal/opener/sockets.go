//go:build linux

package opener

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Unix sockets with a path are not held by a network namespace. An ordinary file
// in the place of one makes connect fail (ECONNREFUSED or EACCES). A service that
// makes its socket anew while the program runs is seen again.

// Resolvers are the sockets by which a program asks a resolver of the host, around
// its own network: nscd, systemd-resolved (nss-resolve), avahi (nss-mdns). They are
// hidden always; the C library goes on to ask /etc/resolv.conf.
var Resolvers = []string{
	"/run/nscd/socket",
	"/run/systemd/resolve/io.systemd.Resolve",
	"/run/avahi-daemon/socket",
}

// Services are patterns of sockets by which a program can have others act for it,
// outside: buses, service and container managers, agents, terminals. With
// Request.Confine they are hidden, and with them every socket with a path that is
// bound in the network of the data plane. These are for those that are bound in
// another, or only while the program runs already (then their directory's glob
// finds what stands there now).
var Services = []string{
	"/run/dbus/system_bus_socket", "/run/user/*/bus",
	"/run/systemd/private", "/run/user/*/systemd/private", "/run/systemd/io.system.*", "/run/systemd/userdb/*",
	"/run/docker.sock", "/run/user/*/docker.sock", "/run/podman/podman.sock", "/run/user/*/podman/podman.sock",
	"/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/snapd.socket", "/run/libvirt/*-sock", "/run/lxd.socket",
	"/run/user/*/gnupg/S.*", "/run/user/*/keyring/*", "/run/user/*/openssh_agent", "/tmp/ssh-*/agent.*",
	"/tmp/tmux-*/*", "/run/screen/S-*/*", "/tmp/.X11-unix/X*", "/run/user/*/wayland-*", "/run/user/*/pulse/native", "/run/user/*/pipewire-*",
}

// hide puts a file of ours in the place of sockets; which one does not matter.
func (r *Request) hide() (hidden []string, err error) {
	paths := slices.Clone(Resolvers)
	if r.Confine {
		bound, err := boundSockets(fmt.Sprintf("/proc/%d/net/unix", r.Parent))
		if err != nil {
			return nil, failure("hide sockets", err)
		}
		paths = append(paths, bound...)
		paths = append(paths, Present()...)
	}
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		if slices.Contains(r.KeepSockets, path) || !isSocket(path) {
			continue
		}
		if err := bind(resolvConf, path); err != nil {
			return nil, failure("hide "+path, err)
		}
		hidden = append(hidden, path)
	}
	return hidden, nil
}

// isSocket is false for what the program cannot see either.
func isSocket(path string) bool {
	st, err := os.Lstat(path)
	return err == nil && st.Mode().Type() == fs.ModeSocket
}

// Present are the files that Services and the environment name.
func Present() []string {
	var all []string
	if agent := os.Getenv("SSH_AUTH_SOCK"); agent != "" {
		all = append(all, filepath.Clean(agent))
	}
	for _, p := range Services {
		found, _ := filepath.Glob(p) // an error is a pattern of ours that is wrong: TestServices
		all = append(all, found...)
	}
	return all
}

// boundSockets reads proc_pid_net(5)'s list of unix sockets for those with a path.
// It may be of another mount namespace; then it is not there, or no socket.
func boundSockets(list string) ([]string, error) {
	f, err := os.Open(list)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a kernel without unix sockets
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if path, ok := boundPath(lines.Text()); ok {
			all = append(all, path)
		}
	}
	return all, lines.Err()
}

// boundPath is the path of a line
//
//	Num       RefCount Protocol Flags    Type St Inode Path
//
// which may have blanks in it; abstract names begin with @, and are held by the
// network namespace.
func boundPath(line string) (string, bool) {
	const before = 7
	for range before {
		line = strings.TrimLeft(line, " ")
		i := strings.IndexByte(line, ' ')
		if i < 0 {
			return "", false
		}
		line = line[i:]
	}
	path := line[1:]
	return filepath.Clean(path), strings.HasPrefix(path, "/")
}
