//go:build linux

package doctor

import (
	"errors"
	"os"
	"syscall"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/opener"
)

// State says how bad a finding is.
type State string

// The states of a Check.
const (
	OK   State = "ok"
	Warn State = "warn" // run works, something in it does not
	Fail State = "fail" // run does not work
)

// A Check is one finding.
type Check struct {
	Name   string `json:"name"`
	State  State  `json:"state"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

// Examine makes all checks. It must run on a goroutine that is locked to its
// thread, as package opener wants it.
func Examine() []Check {
	all := []Check{kernel(), tunNode(), userNamespaces(), daemon()}
	all = append(all, trial()...)
	all = append(all, resolver(), ping(4), ping(6), ipv6())
	return append(all, reachable()...)
}

// Fatal reports whether one of the checks keeps run from working.
func Fatal(checks []Check) bool {
	for _, c := range checks {
		if c.State == Fail {
			return true
		}
	}
	return false
}

// Blame finds what on this machine explains that the opener failed, and how to
// put it right: "" if nothing is known.
func Blame(err error) string {
	var e *opener.Error
	if !errors.As(err, &e) {
		return ""
	}
	refused := errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL)
	if !refused || e.Step == "device" { // package tun says how to put a device right
		return ""
	}
	if c := userNamespaces(); c.State != OK {
		return c.Detail + ": " + c.Fix
	}
	if os.Geteuid() == 0 { // root of a container, mostly
		return "root lacks the capabilities: in a container start it with `--cap-add SYS_ADMIN,NET_ADMIN,SETPCAP,SETFCAP`, or ask `netnsd doctor`"
	}
	return "run as root, or ask `netnsd doctor`"
}
