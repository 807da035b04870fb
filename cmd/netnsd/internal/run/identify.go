//go:build linux

package run

import (
	"fmt"
	"os"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/confine"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/opener"
	"github.com/netnsd/netnsd/sockets/gateway/owner"
)

// stay starts the opener that answers once we are confined, and says what holds it.
// It costs a process, some 10 ms of a CPU, so it is there if somebody may ask.
func (p *plane) stay() (means []confine.Mean, err error) {
	if p.identifies {
		p.resident, means, err = opener.Stay()
	}
	return means, err
}

// identify tells the plane whom to ask whose the program's sockets are. diag is
// taken over; -1 is none, and then nobody is known.
func (p *plane) identify(child *opener.Child, setup opener.Setup, diag int) error {
	if diag < 0 {
		return nil
	}
	d, err := owner.Adopt(diag)
	if err != nil {
		return err
	}
	d.Device = setup.Device
	s := owner.Sources{Diag: d, Partial: setup.UserNS && os.Geteuid() != owner.NoUser, Log: p.log}
	network, err := owner.NetworkOf(fmt.Sprintf("/proc/%d/ns/net", child.PID))
	if err == nil {
		if p.resident != nil {
			s.Processes = p.resident.Processes(network)
		}
	} else {
		p.log.Warn("rules about executables and control groups match none", "error", err)
	}
	return p.owners.Use(s)
}
