//go:build linux

package run

import (
	"context"
	"fmt"
	"net/netip"
	"os"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/publish"
)

// publish opens the ports that lead to the program, before it runs: whoever it tells
// that it listens can reach it. A port that was chosen for the user is told.
func (p *plane) publish(program []netip.Prefix) error {
	in := publish.Inside{Gateway: p.Gateway, NIC: p.NIC}
	for _, a := range program {
		in.Addrs = append(in.Addrs, a.Addr())
	}
	for _, s := range p.specs {
		all, err := s.Open(context.Background(), in)
		if err != nil {
			return err
		}
		p.published = append(p.published, all...)
		for _, one := range all {
			p.log.Debug("published", "what", one.Publication().String())
			if s.Outside.First == 0 {
				fmt.Fprintf(os.Stderr, "netnsd: published %s\n", one.Publication())
			}
		}
	}
	return nil
}

// unpublish closes them when the program has ended.
func (p *plane) unpublish() {
	publish.Close(p.published)
	p.published = nil
}
