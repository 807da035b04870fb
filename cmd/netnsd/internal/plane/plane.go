//go:build linux

package plane

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/gateway"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/tun"
)

// DeviceName is what the device inside is called if nobody says otherwise.
const DeviceName = "tun0"

// A Plane is what carries the bytes of one network. Its parts may be asked and
// counted; they end with it.
type Plane struct {
	Session *sockets.Session
	Gateway *gateway.Gateway
	Stack   *stack.Stack
	NIC     *stack.NIC // nil until Attach

	own []netip.Addr // ours on the link
}

// New makes a plane on cfg.Session, which is closed with it, also when New fails.
func New(cfg gateway.Config) (_ *Plane, err error) {
	p := &Plane{Session: cfg.Session, own: cfg.Addrs}
	if p.Gateway, err = gateway.New(cfg); err == nil {
		p.Stack, err = stack.New(stack.Config{})
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Adopt is Attach with the TUN whose descriptor is fd, which is the plane's from
// now on.
func (p *Plane) Adopt(fd, mtu int) error {
	device, err := tun.Adopt([]int{fd}, tun.Config{MTU: mtu})
	if err != nil {
		unix.Close(fd)
		return err
	}
	return p.Attach(DeviceName, device)
}

// Attach puts the stack on d, behind which there is nothing but the network
// inside. The device is closed with the plane, and also on an error.
func (p *Plane) Attach(name string, d stack.Device) (err error) {
	c := stack.NICConfig{Name: name, Device: d, Forward: p.Gateway}
	if d.TAP() { // neighbours ask for ours
		for _, a := range p.own {
			c.Addrs = append(c.Addrs, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	p.NIC, err = p.Stack.AddNIC(c)
	if err != nil {
		return err
	}
	p.Stack.SetRoutes([]stack.Route{
		{Dest: netip.PrefixFrom(netip.IPv4Unspecified(), 0), NIC: p.NIC},
		{Dest: netip.PrefixFrom(netip.IPv6Unspecified(), 0), NIC: p.NIC},
	})
	return nil
}

// Lost is closed when the device is gone, which nobody but root can bring about.
func (p *Plane) Lost() <-chan struct{} { return p.NIC.Done() }

// Close ends everything from the device up, and waits. The error is what layers
// reported while they ended.
func (p *Plane) Close() error {
	var errs []error
	if p.Stack != nil {
		errs = append(errs, p.Stack.Close())
	}
	if p.Gateway != nil {
		errs = append(errs, p.Gateway.Close())
	}
	if p.Session != nil {
		errs = append(errs, p.Session.Close())
	}
	return errors.Join(errs...)
}
