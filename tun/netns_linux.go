package tun

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/tun/internal/thread"
)

// ownNetns names the namespace of the calling thread.
const ownNetns = "/proc/thread-self/ns/net"

// InNetns runs f on an operating system thread of its own inside the network namespace at path, and waits for it. What f
// opens stays in that namespace wherever it is used; goroutines that f starts are not in it. Needs CAP_SYS_ADMIN over the
// namespace, except for the one the caller is in already.
//
// The thread ends with f, and it may be one that goroutines without a lock have used: a child process with Pdeathsig is
// therefore to be started from a goroutine that holds runtime.LockOSThread as long as the child lives. The same goes for Open
// and Adopt with a namespace other than the caller's.
func InNetns(path string, f func() error) error {
	ns, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a FIFO in its place keeps nobody waiting
	if err != nil {
		return netnsError(path, err)
	}
	defer ns.Close()
	return control(ns, func(fd int) error { return inNetnsFd(fd, path, f) })
}

func inNetnsFd(fd int, what string, f func() error) error {
	want, err := stat(fd)
	if err != nil {
		return netnsError(what, err)
	}
	if own, err := NamespaceAt(ownNetns); err == nil && own == want {
		return f()
	}
	return thread.Spoil(func() error {
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			return netnsError(what, err)
		}
		return f()
	})
}

func netnsError(what string, err error) error {
	fix := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fix = ": `ip netns add` makes /run/netns/NAME; of a process it is /proc/PID/ns/net"
	case errors.Is(err, unix.EINVAL):
		fix = ": not a network namespace (its bind mount may be gone, or belong to another mount namespace)"
	case errors.Is(err, fs.ErrPermission):
		fix = ": entering it needs CAP_SYS_ADMIN in the user namespace that owns it"
	}
	return fmt.Errorf("tun: namespace %s: %w%s", what, err, fix)
}

// NamespaceAt identifies the network namespace at path.
func NamespaceAt(path string) (Namespace, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return Namespace{}, netnsError(path, err)
	}
	return Namespace{Dev: st.Dev, Ino: st.Ino}, nil
}

// NamespaceOf identifies the network namespace that a descriptor belongs to: of a TUN the one its interface is in now, of
// a socket the one it was made in. It is how to verify a descriptor that somebody passed: compare with NamespaceAt. Needs
// CAP_NET_ADMIN over that namespace, else the error is EPERM; ENOTTY for what is neither TUN nor socket.
func NamespaceOf(fd int) (Namespace, error) {
	ns, err := openNamespaceOf(fd)
	if err != nil {
		return Namespace{}, err
	}
	defer unix.Close(ns)
	return stat(ns)
}

// openNamespaceOf asks the device first: SIOCGSKNS on a TUN gives the namespace it was opened in, and a TUN can be moved
// while it is open. TUNGETDEVNETNS is from Linux 5.8.
func openNamespaceOf(fd int) (int, error) {
	ns, err := unix.IoctlRetInt(fd, unix.TUNGETDEVNETNS)
	if err != nil && !errors.Is(err, unix.EPERM) {
		ns, err = unix.IoctlRetInt(fd, unix.SIOCGSKNS)
	}
	if err != nil {
		return -1, fmt.Errorf("tun: namespace of descriptor %d: %w", fd, err)
	}
	unix.CloseOnExec(ns) // the kernel opens it with O_CLOEXEC (open_related_ns); this documents that we rely on it
	return ns, nil
}

func stat(fd int) (Namespace, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Namespace{}, err
	}
	return Namespace{Dev: st.Dev, Ino: st.Ino}, nil
}
