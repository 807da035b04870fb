package tun_test

import (
	"log"
	"net/netip"

	"github.com/netnsd/netnsd/tun"
)

// An opener makes a device in a namespace and gives it what a sandbox needs.
func Example() {
	d, err := tun.Open(tun.Config{Name: "net0", Netns: "/run/netns/sandbox"})
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()
	link, err := d.Link()
	if err != nil {
		log.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { return link.AddAddr(netip.MustParsePrefix("10.0.2.100/24")) },
		func() error { return link.AddAddr(netip.MustParsePrefix("fd00:2::100/64")) },
		link.SetUp,
		func() error { return link.AddRoute(tun.Route{Dst: netip.MustParsePrefix("0.0.0.0/0")}) },
		func() error { return link.AddRoute(tun.Route{Dst: netip.MustParsePrefix("::/0")}) },
	} {
		if err := step(); err != nil {
			log.Fatal(err)
		}
	}
}

// A follower learns of every change without polling.
func ExampleDevice_State() {
	var d *tun.Device
	var downs uint64
	for {
		s, changed := d.State()
		switch {
		case s.Err != nil:
			log.Print(s.Err)
			return
		case s.Up && s.Downs != downs:
			downs = s.Downs
			log.Print("up again: put IPv6 addresses and routes back")
		}
		<-changed
	}
}
