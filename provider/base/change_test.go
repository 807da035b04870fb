package base_test

import (
	"net/netip"
	"sync"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

const changes = wsa.FD_ADDRESS_LIST_CHANGE | wsa.FD_ROUTING_INTERFACE_CHANGE

func (r *rig) change(s *provider.Socket, code uint32, in []byte, pended bool) wsa.Errno {
	r.t.Helper()
	n, e := r.table(s).WSPIoctl(s, &provider.IoctlRequest{Code: code, In: in, Pended: pended})
	if n != 0 {
		r.t.Errorf("%d bytes", n)
	}
	return e
}

func ips(s ...string) (a []netip.Addr) {
	for _, x := range s {
		a = append(a, netip.MustParseAddr(x))
	}
	return a
}

// TestAddressListChange: armed by the ioctl, told once by FD_ADDRESS_LIST_CHANGE,
// re-enabled by the ioctl; a pended call ends with the change (6.4, 9.6).
func TestAddressListChange(t *testing.T) {
	everywhere(t, func(t *testing.T, layers ...provider.Layer) {
		n := basetest.NewNetwork(basetest.NetworkConfig{})
		r := newRig(t, n, layers...)
		s := r.udp()
		var w watched
		r.table(s).Watch(s, &w, wsa.FD_ALL_EVENTS)
		check := func(what string, want wsa.Events, woken bool) {
			t.Helper()
			if got := r.table(s).Ready(s, changes).Events; got != want {
				t.Errorf("%s: events %#x, want %#x", what, got, want)
			}
			if got := w.take()&wsa.FD_ADDRESS_LIST_CHANGE != 0; got != woken {
				t.Errorf("%s: woken %v", what, got)
			}
		}
		arm := func(pended bool) wsa.Errno { return r.change(s, wsa.SIO_ADDRESS_LIST_CHANGE, nil, pended) }

		n.Self().SetAddrs(ips("10.0.0.2", "fd00::1")...)
		check("not armed", 0, false)
		r.want("arm", arm(false), wsa.EWOULDBLOCK)
		check("armed", 0, false)
		r.want("retry", arm(true), wsa.EWOULDBLOCK)
		n.Self().SetAddrs(ips("10.0.0.2", "fd00::2")...)
		check("the other family's", 0, true) // the wake asks to look, and nothing is seen
		n.Self().SetAddrs(ips("10.0.0.3", "fd00::2")...)
		check("changed", wsa.FD_ADDRESS_LIST_CHANGE, true)
		r.want("retry", arm(true), 0)
		r.want("another retry", arm(true), 0)
		check("still", wsa.FD_ADDRESS_LIST_CHANGE, false)
		r.want("arm anew", arm(false), wsa.EWOULDBLOCK)
		check("armed anew", 0, false)
		n.Self().SetAddrs()
		r.want("retry before anybody looked", arm(true), 0)
		check("none left", wsa.FD_ADDRESS_LIST_CHANGE, true)
		if n.Self().Listeners() != 1 {
			t.Errorf("%d subscriptions", n.Self().Listeners())
		}
	})
}

// TestRoutingInterfaceChange: told when the way to the destination is another, and
// when there is one or none (6.4, 9.6).
func TestRoutingInterfaceChange(t *testing.T) {
	n := basetest.NewNetwork(basetest.NetworkConfig{})
	far := n.Host(ips("10.7.0.1")...)
	r := newRig(t, n)
	s := r.tcp()
	check := func(what string, want wsa.Events) {
		t.Helper()
		if got := r.table(s).Ready(s, changes).Events; got != want {
			t.Errorf("%s: events %#x, want %#x", what, got, want)
		}
	}
	arm := func(to string) {
		t.Helper()
		r.want("arm", r.change(s, wsa.SIO_ROUTING_INTERFACE_CHANGE, sockaddrOf(to), false), wsa.EWOULDBLOCK)
	}
	retry := func(want wsa.Errno) {
		t.Helper()
		r.want("retry", r.change(s, wsa.SIO_ROUTING_INTERFACE_CHANGE, sockaddrOf("10.7.0.1:0"), true), want)
	}
	arm("10.7.0.1:0")
	n.Self().SetAddrs(ips("10.0.0.1", "10.0.0.2")...)
	check("the same way", 0)
	retry(wsa.EWOULDBLOCK)
	n.Self().SetAddrs(ips("10.0.0.2", "10.0.0.1")...)
	check("from another address", wsa.FD_ROUTING_INTERFACE_CHANGE)
	retry(0)
	arm("10.7.0.1:0")
	far.SetAddrs()
	n.Self().SetAddrs(ips("10.0.0.2")...)
	check("no way", wsa.FD_ROUTING_INTERFACE_CHANGE)
	arm("10.7.0.1:0") // unreachable is no error
	check("armed", 0)
	far.SetAddrs(ips("10.7.0.1")...)
	n.Self().SetAddrs(ips("10.0.0.2")...)
	check("a way again", wsa.FD_ROUTING_INTERFACE_CHANGE)
}

// TestChangeSubscription: one for all sockets of a base, and none after the last.
func TestChangeSubscription(t *testing.T) {
	n := basetest.NewNetwork(basetest.NetworkConfig{})
	r := newRig(t, n)
	var all []*provider.Socket
	for range 3 {
		s := r.udp()
		all = append(all, s, r.of(stream6)) // another chain
	}
	for round := range 2 {
		for _, s := range all {
			r.want("arm", r.change(s, wsa.SIO_ADDRESS_LIST_CHANGE, nil, false), wsa.EWOULDBLOCK)
		}
		if got := n.Self().Listeners(); got != 1 {
			t.Errorf("round %d: %d subscriptions", round, got)
		}
	}
	n.Self().SetAddrs(ips("10.0.0.9", "fd00::9")...)
	for i, s := range all {
		if got := r.table(s).Ready(s, changes).Events; got != wsa.FD_ADDRESS_LIST_CHANGE {
			t.Errorf("socket %d: %#x", i, got)
		}
		r.want("close", r.close(s, provider.CloseLinger), 0)
	}
	if got := n.Self().Listeners(); got != 0 {
		t.Errorf("%d subscriptions are left", got)
	}
	n.Self().SetAddrs(ips("10.0.0.1")...)
}

// TestChangeErrors: what the network says when it is asked for changes is the
// ioctl's error, and arms nothing.
func TestChangeErrors(t *testing.T) {
	r := newRig(t, interfaces)
	s := r.udp()
	r.want("no descriptor", r.change(s, wsa.SIO_ADDRESS_LIST_CHANGE, nil, false), wsa.EMFILE)
	if got := r.ready(s).Events & changes; got != 0 {
		t.Errorf("events %#x", got)
	}
	n := basetest.NewNetwork(basetest.NetworkConfig{})
	r = newRig(t, n)
	s = r.udp()
	n.SetDown(true)
	r.want("down", r.change(s, wsa.SIO_ADDRESS_LIST_CHANGE, nil, false), wsa.ENETDOWN)
	n.SetDown(false)
	r.want("up", r.change(s, wsa.SIO_ADDRESS_LIST_CHANGE, nil, false), wsa.EWOULDBLOCK)
}

// TestChangeRace: changes, arming and closing at once.
func TestChangeRace(t *testing.T) {
	n := basetest.NewNetwork(basetest.NetworkConfig{})
	r := newRig(t, n)
	var sockets [8]*provider.Socket
	for i := range sockets {
		sockets[i] = r.udp()
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 200 {
			n.Self().SetAddrs(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
		}
	})
	for _, s := range sockets {
		wg.Go(func() {
			table := r.table(s)
			for i := range 50 {
				table.WSPIoctl(s, &provider.IoctlRequest{Code: wsa.SIO_ADDRESS_LIST_CHANGE, Pended: i%2 == 1})
				table.Ready(s, changes)
			}
			table.WSPCloseSocket(s, provider.CloseLinger)
		})
	}
	wg.Wait()
	clear(r.open)
	if got := n.Self().Listeners(); got != 0 {
		t.Errorf("%d subscriptions are left", got)
	}
}
