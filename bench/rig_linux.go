package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
	"github.com/netnsd/netnsd/tun"
)

// MTU of every link in a comparison.
const MTU = 1500

// rig is one variant, set up: where the client lives and where it connects to.
type rig struct {
	netns string
	host  netip.Addr
	stop  []func() error // last first
}

func (r *rig) close() error {
	var errs []error
	for i := len(r.stop) - 1; i >= 0; i-- {
		errs = append(errs, r.stop[i]())
	}
	return errors.Join(errs...)
}

// newNetns makes a namespace under a name that says whose it is.
func (r *rig) newNetns(name string) (string, error) {
	name = fmt.Sprintf("netnsd-bench-%d-%s", os.Getpid(), name)
	err := onThread(func() error {
		h, err := netns.NewNamed(name)
		if err != nil {
			return fmt.Errorf("bench: make namespace %s (root is needed): %w", name, err)
		}
		h.Close()
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	if err != nil {
		return "", err
	}
	r.stop = append(r.stop, func() error { return netns.DeleteNamed(name) })
	return filepath.Join("/run/netns", name), nil
}

// onThread runs f on a thread that ends with it.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

var (
	hostAddr   = netip.MustParsePrefix("10.9.0.1/24")
	clientAddr = netip.MustParsePrefix("10.9.0.2/24")
)

// newVeth joins two kernels.
func newVeth() (_ *rig, err error) {
	r := &rig{host: hostAddr.Addr()}
	defer r.undo(&err)
	server, err := r.newNetns("s")
	if err != nil {
		return nil, err
	}
	if r.netns, err = r.newNetns("c"); err != nil {
		return nil, err
	}
	if err := tun.InNetns(r.netns, func() error { return makeVeth(server) }); err != nil {
		return nil, fmt.Errorf("bench: make the veth pair: %w", err)
	}
	lc := net.ListenConfig{Control: reno}
	stop, err := servers(func(port int) (l net.Listener, err error) {
		err = tun.InNetns(server, func() error {
			l, err = lc.Listen(context.Background(), "tcp", netip.AddrPortFrom(r.host, uint16(port)).String())
			return err
		})
		return l, err
	})
	if err != nil {
		return nil, err
	}
	r.stop = append(r.stop, func() error { stop(); return nil })
	return r, nil
}

func makeVeth(peerNetns string) error {
	ns, err := netns.GetFromPath(peerNetns)
	if err != nil {
		return err
	}
	defer ns.Close()
	a := netlink.NewLinkAttrs()
	a.Name, a.MTU = "bench0", MTU
	v := &netlink.Veth{LinkAttrs: a, PeerName: "bench0", PeerNamespace: netlink.NsFd(ns)}
	if err := netlink.LinkAdd(v); err != nil {
		return err
	}
	if err := setAddr(clientAddr); err != nil {
		return err
	}
	return tun.InNetns(peerNetns, func() error { return setAddr(hostAddr) })
}

func setAddr(p netip.Prefix) error {
	l, err := netlink.LinkByName("bench0")
	if err != nil {
		return err
	}
	addr, err := netlink.ParseAddr(p.String())
	if err != nil {
		return err
	}
	return errors.Join(netlink.AddrAdd(l, addr), netlink.LinkSetUp(l))
}

// newTUN puts a stack behind a TUN in a namespace; assemble makes the stack.
func newTUN(driver string, assemble func(*tun.Device) (*stack.Stack, error)) (_ *rig, err error) {
	r := &rig{host: hostAddr.Addr()}
	defer r.undo(&err)
	if r.netns, err = r.newNetns("c"); err != nil {
		return nil, err
	}
	d, err := tun.Open(tun.Config{Name: "bench0", Netns: r.netns, Driver: driver, MTU: MTU})
	if err != nil {
		return nil, err
	}
	if err := configure(d); err != nil {
		d.Close()
		return nil, err
	}
	s, err := assemble(d)
	if err != nil {
		return nil, err
	}
	r.stop = append(r.stop, s.Close)
	return r, r.serve(s)
}

func configure(d *tun.Device) error {
	l, err := d.Link()
	if err != nil {
		return err
	}
	return errors.Join(l.AddAddr(clientAddr), l.SetUp(), l.SetTxQueueLen(1000))
}

// serve listens on the stack through a session without layers: the chain is in
// the path, as it is in every other use.
func (r *rig) serve(s *stack.Stack) error {
	cat := new(provider.Catalog)
	base := netstack.NewBase(netstack.Config{Stack: s})
	if c, ok := base.(io.Closer); ok {
		r.stop = append(r.stop, c.Close)
	}
	if _, err := cat.InstallBase("netstack", base); err != nil {
		return err
	}
	session, err := sockets.Startup(sockets.Config{Catalog: cat})
	if err != nil {
		return err
	}
	r.stop = append(r.stop, session.Close)
	stop, err := servers(func(port int) (net.Listener, error) {
		return session.Listen(context.Background(), "tcp", netip.AddrPortFrom(r.host, uint16(port)).String())
	})
	if err != nil {
		return err
	}
	r.stop = append(r.stop, func() error { stop(); return nil })
	return nil
}

func (r *rig) undo(err *error) {
	if *err != nil {
		*err = errors.Join(*err, r.close())
	}
}

func newOurs() (*rig, error) {
	return newTUN(tun.DriverVNET, func(d *tun.Device) (*stack.Stack, error) {
		s, err := stack.New(stack.Config{})
		if err != nil {
			d.Close()
			return nil, err
		}
		if _, err := s.AddNIC(stack.NICConfig{Name: "bench0", Device: d, Addrs: []netip.Prefix{hostAddr}}); err != nil {
			s.Close()
			return nil, err
		}
		return s, nil
	})
}

func newNaive() (*rig, error) {
	return newTUN(tun.DriverWater, func(d *tun.Device) (*stack.Stack, error) {
		rw := struct {
			io.ReadWriter
			io.Closer
		}{d.ReadWriter(0), d}
		s, _, err := stacktest.NewNaive(stack.Config{}, rw, MTU, []netip.Prefix{hostAddr}, nil)
		return s, err
	})
}
