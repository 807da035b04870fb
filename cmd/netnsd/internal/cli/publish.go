//go:build linux

package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

func newPublish() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "publish NAME [ADDR:]PORT[-LAST][:PORT[-LAST]][/tcp|/udp|/both][,proxy=v1|v2]",
		Short: "Have the daemon lead ports of this host into a namespace",
		Long: `Have the daemon lead a port of this host, or a range, into the namespace of an
attachment, until unpublish or the attachment's end. Without ADDR everybody who
reaches this host reaches the server. The second port is that inside, if it is
another; /both is TCP and UDP. With proxy a server inside is told the client's address
where packets cannot carry it (PROXY protocol). The IDs, which unpublish takes, are
written to stdout. If one port cannot be had, none is opened.` + clientStatus,
		Example: `  netnsd publish web 127.0.0.1:8080:80
  netnsd publish web '[::1]:5353/udp'`,
		Args: cobra.ExactArgs(2),
	}
	c, output := socketFlag(cmd), outputFlag(cmd)
	cmd.ValidArgsFunction = completeNames(c, 1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		all, err := parsePublish(args[1])
		if err != nil {
			return usage(fmt.Errorf("publish %w", err))
		}
		ids, err := publishAll(cmd.Context(), c, args[0], all)
		if err != nil {
			return badRequest(err)
		}
		if *output == asJSON {
			return writeJSON(cmd.OutOrStdout(), ids)
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), strings.Join(ids, "\n"))
		return err
	}
	return cmd
}

// publishAll publishes all, or none.
func publishAll(ctx context.Context, c *control.Client, attachment string, all []config.Publish) (ids []string, err error) {
	for _, p := range all {
		id, err := c.Publish(ctx, attachment, p)
		if err != nil {
			for _, done := range ids {
				err = errors.Join(err, c.Unpublish(ctx, attachment, done))
			}
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func newUnpublish() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "unpublish NAME ID...",
		Short: "Have the daemon close what publish has opened",
		Long: `Have the daemon close published ports, by the IDs that publish and status show.
Connections that came through them go on.` + clientStatus,
		Example: "  netnsd unpublish web tcp/127.0.0.1:8080",
		Args:    cobra.MinimumNArgs(2),
	}
	c := socketFlag(cmd)
	cmd.ValidArgsFunction = completeNames(c, 1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var errs []error
		for _, id := range args[1:] {
			errs = append(errs, c.Unpublish(cmd.Context(), args[0], id))
		}
		return askedAll(errs)
	}
	return cmd
}

// parsePublish reads [ADDR:]PORT[-LAST][:PORT[-LAST]][/tcp|/udp|/both][,proxy=v1|v2], as
// run has it. Several come of no ADDR, which is all of both families, and of both.
func parsePublish(s string) (all []config.Publish, err error) {
	rest, proxy, _ := strings.Cut(s, ",proxy=")
	rest, proto, _ := strings.Cut(rest, "/")
	hosts, ports, err := splitHost(rest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s, err)
	}
	outside, inside, _ := strings.Cut(ports, ":")
	p := config.Publish{ProxyProtocol: proxy}
	if err := errors.Join(p.Listen.Ports.UnmarshalText([]byte(outside)), p.To.UnmarshalText([]byte(inside))); err != nil {
		return nil, fmt.Errorf("%s: %w", s, err)
	}
	protos := []string{proto}
	if proto == "both" {
		protos = []string{"tcp", "udp"}
	}
	for _, p.Proto = range protos {
		for _, p.Listen.Addr = range hosts {
			all = append(all, p)
		}
	}
	return all, nil
}

// splitHost takes the address off, which is there if what begins s is one.
func splitHost(s string) (hosts []netip.Addr, rest string, err error) {
	host, rest, found := strings.Cut(s, ":")
	if inner, ok := strings.CutPrefix(s, "["); ok {
		host, rest, found = strings.Cut(inner, "]:")
	}
	if !found || strings.Trim(host, "0123456789-") == "" { // a port, and perhaps that inside
		return []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}, s, nil
	}
	a, err := netip.ParseAddr(host)
	if err != nil || a.Is6() != strings.HasPrefix(s, "[") {
		return nil, "", fmt.Errorf("%q is not an address; IPv6 stands in brackets, as [::1]:80", host)
	}
	return []netip.Addr{a}, rest, nil
}
