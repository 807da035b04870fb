//go:build linux

package doctor

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/opener"
	"github.com/netnsd/netnsd/tun"
)

// trial does what run does, up to the point where the program would start.
func trial() []Check {
	setup, device, err := try()
	if err != nil {
		c := Check{Name: "trial", State: Fail, Detail: err.Error(), Fix: Blame(err)}
		return []Check{c}
	}
	defer device.Close()
	all := []Check{{Name: "trial", State: OK, Detail: "namespaces, device, addresses and routes can be made"}}
	for _, w := range setup.Warnings {
		all = append(all, Check{Name: "trial", State: Warn, Detail: w})
	}
	for _, m := range setup.Means {
		c := Check{Name: "holds", State: OK, Detail: m.String()}
		if m.Missing != "" {
			c.State, c.Fix = Warn, "`netnsd run --strict` does not run without it"
		}
		all = append(all, c)
	}
	return append(all, offloads(device))
}

func try() (opener.Setup, *tun.Device, error) {
	child, err := opener.Start(opener.Request{
		Program: "/nonexistent", Device: "tun0", MTU: 1500, Confine: true,
		Addrs:    []netip.Prefix{netip.MustParsePrefix("10.0.2.100/24"), netip.MustParsePrefix("fd00::64/64")},
		Gateways: []netip.Addr{netip.MustParseAddr("10.0.2.2"), netip.MustParseAddr("fd00::2")},
	}, []string{"trial"})
	if err != nil {
		return opener.Setup{}, nil, err
	}
	defer child.Close() // ends it: it is never told to go on
	setup, fd, err := child.Setup()
	if errors.Is(err, io.EOF) {
		err = errors.New("the opener died")
	}
	if err != nil {
		return setup, nil, err
	}
	device, err := tun.Adopt([]int{fd}, tun.Config{})
	if err != nil {
		unix.Close(fd)
	}
	return setup, device, err
}

// offloads says how fast the device can be: 64 KiB segments instead of packets
// are more than a factor of ten (perf.md).
func offloads(d *tun.Device) Check {
	c := Check{Name: "offload", State: OK}
	var have []string
	for _, o := range []struct {
		bit  uint32
		name string
	}{{tun.OffloadCsum, "checksum"}, {tun.OffloadTSO4, "TSO4"}, {tun.OffloadTSO6, "TSO6"}} {
		if d.Offloads()&o.bit != 0 {
			have = append(have, o.name)
		}
	}
	c.Detail = fmt.Sprintf("vnet header of %d bytes, %s", d.HeaderLen(), strings.Join(have, ", "))
	if d.HeaderLen() == 0 || len(have) < 3 {
		c.State, c.Detail = Warn, "the TUN driver lacks segmentation offload: "+c.Detail
		c.Fix = "`--mtu 65520` makes up for most of it"
	}
	return c
}

// Obstacle is what keeps run from working here, and what to do about it; ""
// if it works. Like Examine it must run on a locked thread.
func Obstacle() string {
	for _, c := range trial() {
		if c.State == Fail {
			return c.Detail
		}
	}
	return ""
}
