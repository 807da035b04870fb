//go:build linux

package opener

import (
	"bufio"
	"errors"
	"fmt"
	"io"
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
// outside: buses, service and container managers, agents, terminals. doctor looks
// for them. With Request.Confine they are hidden, and with them every socket that is
// bound in the network of the data plane and is still where its path says, or
// stands below one of places.
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
		bound, err := boundSockets(r.sockets)
		if err != nil {
			return nil, failure("hide sockets", err)
		}
		found, err := walk(places())
		if err != nil {
			return nil, failure("hide sockets", err)
		}
		paths = slices.Concat(paths, bound, beside(bound), found, Present())
	}
	seen := make(map[string]bool)
	for _, path := range r.KeepSockets {
		seen[path] = true
	}
	for _, path := range paths {
		real, err := filepath.EvalSymlinks(path)
		if err != nil || seen[real] || !isSocket(real) {
			continue
		}
		seen[real] = true
		switch err := bind(resolvConf, real); {
		case errors.Is(err, fs.ErrNotExist):
			continue // gone meanwhile
		case err != nil:
			return nil, failure("hide "+real, err)
		}
		hidden = append(hidden, real)
	}
	return hidden, nil
}

// beside finds the sockets in the folders of others: many are made under another
// name and renamed.
func beside(paths []string) (all []string) {
	seen := make(map[string]bool)
	for _, path := range paths {
		dir := filepath.Dir(path)
		if seen[dir] {
			continue
		}
		seen[dir] = true
		entries, _ := os.ReadDir(dir) // what cannot be read is not for the user's eyes
		for _, e := range entries {
			if e.Type() == fs.ModeSocket {
				all = append(all, filepath.Join(dir, e.Name()))
			}
		}
	}
	return all
}

// places are where sockets are: those of another network namespace, and those whose
// path in the list is not where they are any more (renamed, linked, relative).
func places() []string {
	all := []string{"/run", "/var/run", "/tmp", "/var/tmp", "/dev/shm"}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		all = append(all, dir)
	}
	return all
}

// mostFiles are looked at in places; a build leaves some 100 000 in /tmp, and takes
// half a second.
const mostFiles = 500_000

// walk finds the sockets below places, as far as the user may look.
func walk(places []string) (all []string, err error) {
	left := mostFiles
	for _, place := range places {
		if real, e := filepath.EvalSymlinks(place); e == nil {
			place = real
		}
		err = errors.Join(err, filepath.WalkDir(place, func(path string, d fs.DirEntry, err error) error {
			left--
			switch {
			case left < 0:
				return fmt.Errorf("there are more than %d files in %s: remove some, or they could hide a socket", mostFiles, strings.Join(places, ", "))
			case err != nil:
				return nil // not for the user's eyes, or gone
			case d.Type() == fs.ModeSocket:
				all = append(all, path)
			}
			return nil
		}))
	}
	return all, err
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
		all = append(all, agent)
	}
	for _, p := range Services {
		found, _ := filepath.Glob(p) // an error is a pattern of ours that is wrong: TestServices
		all = append(all, found...)
	}
	return all
}

// boundSockets reads proc_pid_net(5)'s list of unix sockets for those with a path.
// It may be of another mount namespace; then it is not there, or no socket.
func boundSockets(list io.Reader) (all []string, err error) {
	lines := bufio.NewScanner(list)
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
	return path, strings.HasPrefix(path, "/")
}
