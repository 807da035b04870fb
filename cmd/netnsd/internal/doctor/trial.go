//go:build linux

package doctor

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/confine"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/opener"
	"github.com/netnsd/netnsd/sockets/gateway/owner"
	"github.com/netnsd/netnsd/tun"
)

// trial does what run does, up to the point where the program would start.
func trial() []Check {
	setup, device, owners, err := try()
	if err != nil {
		c := Check{Name: "trial", State: Fail, Detail: err.Error(), Fix: Blame(err)}
		return []Check{c}
	}
	defer device.Close()
	all := []Check{{Name: "trial", State: OK, Detail: "namespaces, device, addresses and routes can be made"}}
	for _, w := range setup.Warnings {
		all = append(all, Check{Name: "trial", State: Warn, Detail: w})
	}
	setup.Means = append(setup.Means, confine.Means(confine.Config{})...)
	for _, m := range setup.Means {
		c := Check{Name: "holds", State: OK, Detail: m.String()}
		if m.Missing != "" {
			c.State, c.Fix = Warn, "`netnsd run --strict` does not run without it"
		}
		all = append(all, c)
	}
	return append(all, owners, offloads(device))
}

func try() (_ opener.Setup, _ *tun.Device, owners Check, err error) {
	child, err := opener.Start(opener.Request{
		Program: "/nonexistent", Device: "tun0", MTU: 1500, Confine: true,
		Addrs:    []netip.Prefix{netip.MustParsePrefix("10.0.2.100/24"), netip.MustParsePrefix("fd00::64/64")},
		Gateways: []netip.Addr{netip.MustParseAddr("10.0.2.2"), netip.MustParseAddr("fd00::2")},
	}, []string{"trial"})
	if err != nil {
		return opener.Setup{}, nil, owners, err
	}
	defer child.Close() // ends it: it is never told to go on
	setup, fds, err := child.Setup()
	if errors.Is(err, io.EOF) {
		err = errors.New("the opener died")
	}
	if err != nil {
		return setup, nil, owners, err
	}
	owners = identifies(child.PID, fds.Diag)
	device, err := tun.Adopt([]int{fds.TUN}, tun.Config{})
	if err != nil {
		unix.Close(fds.TUN)
	}
	return setup, device, owners, err
}

// identifies says whether it can be told whose a flow is: the kernel is asked of a
// port that nobody has, and whether the process may be looked at.
func identifies(pid, diag int) Check {
	c := Check{Name: "owners", State: OK, Detail: "uid, process, executable and cgroup of a flow can be told; of a ping they cannot"}
	var err error
	if diag < 0 {
		_, err = owner.Open()
	} else if d, e := owner.Adopt(diag); e != nil {
		err = e
	} else {
		defer d.Close()
		if _, err = d.UDP(netip.MustParseAddrPort("10.0.2.100:1")); errors.Is(err, fs.ErrNotExist) {
			_, err = owner.NetworkOf(fmt.Sprintf("/proc/%d/ns/net", pid))
		}
	}
	if err != nil {
		c.State, c.Detail = Warn, "rules about processes allow nothing: "+err.Error()
		c.Fix = "a kernel with CONFIG_INET_DIAG and CONFIG_INET_UDP_DIAG, and a /proc that shows one's own processes"
	}
	return c
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
