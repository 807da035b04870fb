//go:build linux

package daemon

import (
	"github.com/netnsd/netnsd/cmd/netnsd/internal/opener"
	"github.com/netnsd/netnsd/sockets/gateway/owner"
)

// identify has owners ask the namespace of d whose its sockets are. Where that cannot
// be (a kernel without INET_DIAG) nobody is known, which lets nothing through that a
// rule about processes would have to allow.
func (a *attachment) identify(owners *owner.Lookup, d *opener.Device) {
	if d.Owners.Diag == nil {
		a.log.Warn("rules about users, executables and control groups match none", "error", d.Warning)
		return
	}
	s := d.Owners
	s.Log = a.log
	_ = owners.Use(s) // it asked nobody before, so there is nothing to close
}
