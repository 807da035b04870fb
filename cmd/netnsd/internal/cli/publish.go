//go:build linux

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/publish"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets/gateway"
)

func newPublish() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "publish NAME [ADDR:]PORT[-LAST][:[ADDR:]PORT[-LAST]][/tcp|/udp|/both][,proxy=v1|v2]",
		Short: "Have the daemon lead ports of this host into a namespace",
		Long: `Have the daemon lead a port of this host, or a range, into the namespace of an
attachment, until unpublish or the attachment's end. Without ADDR everybody who
reaches this host reaches the server. The second port is that inside, if it is
another, and has the address of which it is, if there are several; /both is TCP and UDP. With proxy a server inside is told the client's address
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

// parsePublish reads what publish.Parse reads, as the daemon knows it: several, if no
// address of this host is named, and of both protocols.
func parsePublish(text string) (all []config.Publish, err error) {
	s, err := publish.Parse(text)
	if err != nil {
		return nil, err
	}
	if s.Outside.First == 0 {
		return nil, fmt.Errorf("%q: the daemon opens ports that are named", text)
	}
	p := config.Publish{To: config.Endpoints{Addr: s.To, Ports: config.Ports{PortRange: s.Inside}}}
	p.Listen.Ports.PortRange = s.Outside
	if s.Proxy != gateway.NoProxy {
		p.ProxyProtocol = s.Proxy.String()
	}
	for _, protocol := range s.Protocols() {
		p.Proto = wsa.ProtocolName(protocol)
		for _, p.Listen.Addr = range s.Hosts() {
			all = append(all, p)
		}
	}
	return all, nil
}
