//go:build linux

package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
)

func newAttach() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "attach [flags] TARGET",
		Short: "Have the daemon serve another namespace",
		Long: `Have the daemon serve another network namespace, until detach or the daemon's end.
TARGET is a name of ip netns, a path that begins with / or ., pid:N for that of a
process, or fd:N for an open descriptor of this command. What no flag says is as
defaults in the configuration say; which chain is taken, as catalog.select says.

It is attached when packets pass, or not at all: a port of -p that somebody else has
leaves nothing behind. netnsd help keys says what can stand in an attachment; what no
flag has, the control socket takes (netnsd help api).` + clientStatus,
		Example: `  netnsd attach build --chain confined
  netnsd attach pid:4711 --name web -p 127.0.0.1:8080:80
  netnsd attach fd:3 --name box 3</run/netns/box
  netnsd attach build --dns-zone corp.example=10.0.0.53 --limit tcp_flows=1000 --limit udp_idle=30s`,
		Args: cobra.ExactArgs(1),
	}
	cmd.ValidArgsFunction = completeTargets
	var f attachFlags
	f.add(cmd.Flags())
	c, output := socketFlag(cmd), outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		request, fd, err := f.request(cmd.Flags(), args[0])
		if err != nil {
			return usage(err)
		}
		var file *os.File
		if fd != 0 {
			if kind, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE); err != nil || kind != unix.CLONE_NEWNET {
				return usage(fmt.Errorf("attach %s: this is no network namespace that was handed over: write %s --name NAME %d</run/netns/NAME", args[0], args[0], fd))
			}
			file = os.NewFile(uintptr(fd), args[0])
		}
		a, err := c.Attach(cmd.Context(), request, file)
		switch {
		case err != nil:
			return badRequest(err)
		case *output == asJSON:
			return writeJSON(cmd.OutOrStdout(), a)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, device %s, %v, %v\n", a.Name, a.Netns, a.Interface.Name, a.Network.IPv4, a.Network.IPv6)
		return err
	}
	return cmd
}

// attachFlags are what of an attachment can be said in a line.
type attachFlags struct {
	name, device, chain    string
	nets, routes, publish  []string
	limits                 []string
	names                  nameFlags
	udp                    string
	tap, persist, loopback bool
	mtu                    int
}

func (a *attachFlags) add(f *pflag.FlagSet) {
	f.StringVar(&a.name, "name", "", "`NAME` of the attachment (default: that of the namespace)")
	f.StringVar(&a.chain, "chain", "", "the chain of its sockets, by `NAME`")
	f.StringVar(&a.device, "device", "", "`NAME` of the device inside")
	f.BoolVar(&a.tap, "tap", false, "a device for Ethernet frames")
	f.BoolVar(&a.persist, "persist", false, "keep the device when the daemon ends")
	f.IntVar(&a.mtu, "mtu", 0, "MTU of the link in `BYTES`")
	f.StringArrayVar(&a.nets, "net", nil, "`CIDR` of the link, once a family")
	f.StringArrayVar(&a.routes, "route", nil, "`CIDR` that the device leads to (default: everywhere)")
	serviceFlags(f, &a.names)
	f.StringVar(&a.udp, "udp", "", "`MAPPING` of datagrams: "+udpShared+" or "+udpPerFlow+", as of run")
	f.StringArrayVar(&a.limits, "limit", nil, "`KEY=VALUE`: a limit, as udp_idle=30s; netnsd help keys has them all")
	f.BoolVar(&a.loopback, "host-loopback", false, "let programs reach this host's 127.0.0.1 and ::1, as host 2 of --net")
	f.StringArrayVarP(&a.publish, "publish", "p", nil, "lead a port of this host inside: `[ADDR:]PORT[:PORT][/udp]`, as `netnsd publish` has it")
}

// object is JSON in the making: only what was said, as all else is for the daemon.
type object map[string]any

// request is what to ask for target; fd is the descriptor to send, 0 is none.
func (a *attachFlags) request(f *pflag.FlagSet, target string) (r object, fd int, err error) {
	netns, name, fd, err := parseTarget(target)
	if err != nil {
		return nil, 0, err
	}
	if a.name != "" {
		name = a.name
	}
	if name == "" {
		return nil, 0, fmt.Errorf("attach %s: a name is missing: --name NAME", target)
	}
	device, network := object{}, object{}
	r = object{"name": name, "netns": netns, "interface": device, "network": network}
	for flag, set := range map[string]func(){
		"chain":         func() { r["chain"] = a.chain },
		"host-loopback": func() { r["host_loopback"] = a.loopback },
		"device":        func() { device["name"] = a.device },
		"tap":           func() { device["mode"] = map[bool]string{true: config.ModeTAP, false: config.ModeTUN}[a.tap] },
		"persist":       func() { device["persist"] = a.persist },
		"mtu":           func() { device["mtu"] = a.mtu },
		"udp":           func() { r["udp"] = a.udp },
		"route":         func() { network["routes"] = a.routes },
	} {
		if f.Changed(flag) {
			set()
		}
	}
	err = errors.Join(a.network(network), a.service(f, r), a.bounds(r), a.published(r))
	return r, fd, err
}

func (a *attachFlags) network(n object) error {
	for _, s := range a.nets {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return fmt.Errorf("--net %s: not a network: write 10.0.2.0/24 or fd00::/64", s)
		}
		key := map[bool]string{true: "ipv4", false: "ipv6"}[p.Addr().Is4()]
		if _, twice := n[key]; twice {
			return fmt.Errorf("--net %s: there is one of that family already", s)
		}
		n[key] = s
	}
	return nil
}

func (a *attachFlags) service(f *pflag.FlagSet, r object) error {
	n := a.names
	if slices.Contains(n.servers, "off") {
		if len(n.servers) > 1 || len(n.zones)+len(n.hosts) > 0 {
			return errors.New("--dns off and --dns SERVER, --dns-zone, --host exclude each other")
		}
		r["dns"] = object{"disabled": true}
		return nil
	}
	service := object{}
	for flag, set := range map[string]func(){
		"dns":          func() { service["upstreams"] = n.servers },
		"dns-zone":     func() { service["zones"] = n.zones },
		"host":         func() { service["hosts"] = n.hosts },
		"no-dns-cache": func() { service["no_cache"] = n.noCache },
	} {
		if f.Changed(flag) {
			set()
			r["dns"] = service
		}
	}
	return nil
}

// bounds are the limits. Which there are, and of what kind, the daemon knows.
func (a *attachFlags) bounds(r object) error {
	limits := object{}
	for _, s := range a.limits {
		key, value, ok := strings.Cut(s, "=")
		if _, twice := limits[key]; !ok || key == "" || value == "" || twice {
			return fmt.Errorf("--limit %s: write KEY=VALUE, each KEY once, as tcp_flows=100 or udp_idle=30s", s)
		}
		if limits[key] = value; strings.Trim(value, "0123456789") == "" {
			limits[key] = json.RawMessage(cmp.Or(strings.TrimLeft(value, "0"), "0"))
		}
	}
	if len(limits) > 0 {
		r["limits"] = limits
	}
	return nil
}

func (a *attachFlags) published(r object) error {
	var all []config.Publish
	for _, s := range a.publish {
		p, err := parsePublish(s)
		if err != nil {
			return fmt.Errorf("--publish %w", err)
		}
		all = append(all, p...)
	}
	if all != nil {
		r["publish"] = all
	}
	return nil
}

// parseTarget reads a namespace; name is what it is called if nobody says otherwise.
func parseTarget(s string) (netns object, name string, fd int, err error) {
	kind, number, numbered := strings.Cut(s, ":")
	switch {
	case numbered && (kind == "pid" || kind == "fd"):
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 {
			return nil, "", 0, fmt.Errorf("attach %s: not a number", s)
		}
		if kind == "fd" {
			if n < 3 {
				return nil, "", 0, fmt.Errorf("attach %s: descriptors for a namespace begin at 3", s)
			}
			fd = n
		}
		return object{kind: n}, "", fd, nil
	case strings.Contains(s, "/") || s == "." || s == "..":
		path, err := filepath.Abs(s) // the daemon is elsewhere
		return object{"path": path}, "", 0, err
	case s == "":
		return nil, "", 0, errors.New("attach: the namespace is missing")
	}
	return object{"name": s}, s, 0, nil
}

// completeTargets has the namespaces of ip netns, then files.
func completeTargets(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	all, _ := os.ReadDir("/run/netns") // none is an empty list
	for _, e := range all {
		if strings.HasPrefix(e.Name(), typed) {
			names = append(names, e.Name())
		}
	}
	return names, cobra.ShellCompDirectiveDefault
}
