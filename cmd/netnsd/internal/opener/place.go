//go:build linux

package opener

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/sockets/gateway/owner"
	"github.com/netnsd/netnsd/tun"
)

// A Place is a device in a network namespace that is there already.
type Place struct {
	// For is who is served by it: others who want the namespace are told.
	For string `json:",omitempty"`
	// Netns is where the namespace is found, an absolute path; it is watched. "" is the
	// descriptor that is given besides.
	Netns string `json:",omitempty"`
	// Name, TAP, MTU and Persist are those of tun.Config.
	Name    string
	TAP     bool
	MTU     int
	Persist bool
	// Addrs are the addresses inside, Gateways the next hops of Routes, at most one of
	// each family.
	Addrs    []netip.Prefix
	Gateways []netip.Addr
	Routes   []netip.Prefix
}

// Bounds of a Place. With the longest routes a question still has room.
const (
	maxPath   = 4095
	maxFor    = 255
	maxRoutes = 1024
)

// check says what is wrong with it.
func (p *Place) check() error {
	device := tun.Config{Name: p.Name, MTU: p.MTU}
	switch {
	case p.Name == "" || strings.ContainsAny(p.Name, "/%\x00"):
		return fmt.Errorf("a device called %q", p.Name)
	case len(p.For) > maxFor:
		return fmt.Errorf("somebody called %q", p.For)
	case len(p.Addrs) > 2, len(p.Gateways) > 2:
		return fmt.Errorf("%d addresses and %d gateways: there is one of each family", len(p.Addrs), len(p.Gateways))
	case len(p.Routes) > maxRoutes:
		return fmt.Errorf("%d routes: a device has at most %d", len(p.Routes), maxRoutes)
	case slices.ContainsFunc(slices.Concat(p.Addrs, p.Routes), func(p netip.Prefix) bool { return !p.IsValid() }),
		slices.ContainsFunc(p.Gateways, func(a netip.Addr) bool { return !a.IsValid() || a.Zone() != "" }):
		return errors.New("an address that is none")
	}
	return errors.Join(device.Validate(), checkPath(p.Netns, true))
}

func checkPath(path string, none bool) error {
	if path == "" && none || filepath.IsAbs(path) && len(path) <= maxPath && !strings.Contains(path, "\x00") {
		return nil
	}
	return fmt.Errorf("a namespace at %q", path)
}

// enter opens the network namespace at path. It is looked at first: opening what is
// none could wait (a FIFO), or do something (a device).
func enter(path string) (fd int, err error) {
	at, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, namespaceError(path, err)
	}
	defer unix.Close(at)
	if err := isNetns(at); err != nil {
		return -1, namespaceError(path, err)
	}
	fd, err = unix.Open(procFD(at), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, namespaceError(path, err)
	}
	if kind, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE); err != nil || kind != unix.CLONE_NEWNET {
		unix.Close(fd)
		return -1, namespaceError(path, unix.EINVAL)
	}
	return fd, nil
}

// isNetns is EINVAL for what is no namespace; fd may be open as O_PATH.
func isNetns(fd int) error {
	there, err := namespaceOf(fd)
	if err != nil {
		return err
	}
	own, err := tun.NamespaceAt("/proc/self/ns/net")
	switch {
	case err != nil:
		return err
	case there.Dev != own.Dev: // all namespaces are of one file system, nsfs
		return unix.EINVAL
	case there == own:
		return errOwn
	}
	return nil
}

// errOwn refuses the daemon's own network namespace: its default route would lead into
// the device, and so would what is sent for those that are served. Nor is it told from
// the outside then (package control).
var errOwn = errors.New("it is the network namespace of the daemon itself, which cannot be served: name another")

func namespaceOf(fd int) (tun.Namespace, error) {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	return tun.Namespace{Dev: st.Dev, Ino: st.Ino}, err
}

func namespaceError(path string, err error) error {
	fix := ""
	switch {
	case errors.Is(err, unix.ENOENT):
		fix = ": `ip netns add` makes /run/netns/NAME; of a process it is /proc/PID/ns/net"
	case errors.Is(err, unix.EINVAL):
		fix = ": not a network namespace"
	}
	return fmt.Errorf("namespace %s: %w%s", path, err, fix)
}

func procFD(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// made is a device that was made, until it is handed over: descriptors are the
// caller's to close.
type made struct {
	device  *tun.Device
	link    *tun.Link
	follow  int
	diag    int // -1: none
	network uint64
	warning string
}

// make makes the device, or takes over the one that is there, in the namespace ns.
// What it makes is still down, and has no address.
func (p *Place) make(ns int) (m *made, err error) {
	m = &made{follow: -1, diag: -1}
	err = tun.InNetns(procFD(ns), func() (err error) {
		lo, err := tun.OpenLink("", "lo") // `ip netns add` leaves it down
		if err != nil {
			return err
		}
		if err := errors.Join(lo.SetUp(), lo.Close()); err != nil {
			return err
		}
		if m.device, err = tun.Open(tun.Config{Name: p.Name, TAP: p.TAP, MTU: p.MTU, Persist: p.Persist}); err != nil {
			return err
		}
		if err := m.device.SetPersist(p.Persist); err != nil { // it may be of a time when the file said otherwise
			return err
		}
		if m.link, err = tun.OpenLink("", m.device.Name()); err != nil {
			return err
		}
		if m.follow, err = tun.Subscribe(); err != nil {
			return err
		}
		// The thread says which namespace it is: both halves have to speak of the same.
		if m.network, err = owner.NetworkOf("/proc/thread-self/ns/net"); err == nil {
			m.diag, err = owner.Descriptor()
		}
		if err != nil { // a kernel without INET_DIAG: nobody is known
			m.warning = err.Error()
		}
		return nil
	})
	if err != nil {
		if m.link != nil {
			m.link.Close()
		}
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

// close closes all but the link.
func (m *made) close() (err error) {
	for _, fd := range []int{m.follow, m.diag} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	if m.device != nil {
		err = m.device.Close()
	}
	return err
}

// configure gives a link that is up all that it lacks. A kernel without IPv6 is a
// warning: IPv4 is served.
func (p *Place) configure(l *tun.Link) (warning string, err error) {
	six := true
	for _, a := range p.Addrs {
		err := l.AddAddr(a)
		switch {
		case err == nil:
		case a.Addr().Is6() && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EOPNOTSUPP)):
			six, warning = false, "no IPv6 inside: "+err.Error()
			continue
		default:
			return warning, err
		}
		if err := l.AwaitAddr(a.Addr()); err != nil {
			return warning, err
		}
	}
	for _, r := range p.Routes {
		if r.Addr().Is6() && !six {
			continue
		}
		if err := l.AddRoute(tun.Route{Dst: r, Via: p.via(r)}); err != nil {
			return warning, fmt.Errorf("route %s: %w", r, err)
		}
	}
	return warning, nil
}

// via is the gateway of r's family; a TAP has a neighbour to be asked for.
func (p *Place) via(r netip.Prefix) netip.Addr {
	for _, g := range p.Gateways {
		if g.Is4() == r.Addr().Is4() {
			return g
		}
	}
	return netip.Addr{}
}

// allUsers says that our user namespace knows every uid, as it does outside containers
// (user_namespaces(7)).
func allUsers() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	var inside, outside, n uint64
	_, err = fmt.Sscan(string(b), &inside, &outside, &n)
	return err == nil && n == 1<<32-1
}
