//go:build linux

package run

import (
	"fmt"
	"os"
	"strings"
)

// sayShadow says in a line what the rules would have denied, if they were not
// obeyed and the program ran. It is called when every connection has ended.
func (p *plane) sayShadow() {
	if p.chain.Shadow == nil || !p.ran {
		return
	}
	n := p.chain.Shadow.Count()
	var parts []string
	for _, c := range []struct {
		n    int
		what string
	}{{n.Connections, "connections"}, {n.Datagrams, "destinations of datagrams"}, {n.Lookups, "names looked up"}, {n.Accepts, "listening or accepted sockets"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", c.what, c.n))
		}
	}
	line := "nothing would have been denied"
	if len(parts) > 0 {
		line = fmt.Sprintf("%d would have been denied: %s", n.Total(), strings.Join(parts, ", "))
	}
	fmt.Fprintln(os.Stderr, "netnsd: --shadow: "+line)
}
