//go:build linux

package confine

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// Config is what a data plane needs after all.
type Config struct {
	// Bind keeps CAP_NET_BIND_SERVICE, where the caller has it: ports below 1024 will
	// be published.
	Bind bool
	// Replace are folders in which a file that is begun already will take the place of
	// another, which root may do in the folder of somebody else, too.
	Replace []string
	// Read are files and folders, besides those of the system, that will be read.
	Read []string
	// Append are folders in which files will be made and written to, and files to write
	// to; Remove are folders that files will go from.
	Append, Remove []string
	// Alone says that no process will be signalled.
	Alone bool
}

// A Mean is what keeps an attacker who has got hold of this process from
// something, or a program from a way around its network.
type Mean struct {
	Against string   `json:"against"`
	By      string   `json:"by"`
	Objects []string `json:"objects,omitempty"` // what is hidden, or left all the same
	Missing string   `json:"missing,omitempty"` // why it is not there: the way is open
}

func (m Mean) String() string {
	s := m.Against + ": " + m.By
	if len(m.Objects) > 0 {
		s += " (" + strings.Join(m.Objects, ", ") + ")"
	}
	if m.Missing != "" {
		s += ": MISSING: " + m.Missing
	}
	return s
}

// Self confines the whole process, every thread of it, for good. It must be called
// once, and blocks for about a millisecond.
func Self(cfg Config) []Mean {
	keep := cfg.needs()
	return apply(cfg.means(),
		func() error { return privileges(keep) }, cfg.files, filter{more: cfg.calls(), families: families}.install)
}

func (cfg Config) calls() []denial {
	pair := denial{nr: unix.SYS_SOCKETPAIR} // one end could connect elsewhere (unix(7), SOCK_DGRAM)
	if cfg.Alone {
		return append(quiet(), pair)
	}
	return []denial{typing, pair}
}

// apply takes the step of each mean.
func apply(all []Mean, steps ...func() error) []Mean {
	for i, step := range steps {
		if all[i].Missing != "" {
			continue
		}
		if err := step(); err != nil {
			all[i].Missing = err.Error()
		}
	}
	return all
}

// Means are those that Self would find, as far as can be told without doing it.
func Means(cfg Config) []Mean { return cfg.means() }

func (cfg Config) means() []Mean {
	return []Mean{
		{Against: "netnsd with privileges", By: "no capability, no_new_privs, not traceable", Objects: but(cfg.needs())},
		{Against: "netnsd opening files", By: "Landlock", Objects: cfg.opens(), Missing: missingLandlock()},
		{Against: "netnsd executing, tracing, mounting, joining namespaces, connecting to unix sockets", By: "seccomp filter", Missing: missingFilter()},
	}
}

func but(keep []capability) (left []string) {
	for _, c := range keep {
		left = append(left, "but "+c.name)
	}
	return left
}

// capability has a name for people.
type capability struct {
	number int
	name   string
}

// needs are the capabilities that are kept, if they are there.
//
// A ping socket is made for every guest that pings. Where ping_group_range does not
// have our group, a raw socket plays it (provider/host).
//
// What root writes in a folder of somebody else's (sudo netnsd run --learn) it may
// replace there only with CAP_DAC_OVERRIDE, and under a sticky bit with CAP_FOWNER;
// Landlock leaves them the folder.
func (cfg Config) needs() (all []capability) {
	if cfg.Bind {
		all = append(all, capability{unix.CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE, to publish ports below 1024"})
	}
	if pingBarred() {
		all = append(all, capability{unix.CAP_NET_RAW, "CAP_NET_RAW, as net.ipv4.ping_group_range bars ping sockets"})
	}
	if len(cfg.Replace) > 0 {
		all = append(all, capability{unix.CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE, to replace a file"},
			capability{unix.CAP_FOWNER, "CAP_FOWNER, likewise"})
	}
	return there(all)
}

// there are those of all that this process has.
func there(all []capability) []capability {
	have := permitted()
	return slices.DeleteFunc(all, func(c capability) bool { return have&(1<<c.number) == 0 })
}

func pingBarred() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err == nil {
		unix.Close(fd)
	}
	return errors.Is(err, unix.EACCES)
}

// securebits are bits of PR_SET_SECUREBITS, from linux/securebits.h, each with its
// lock: NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE; KEEP_CAPS is locked at 0.
const securebits = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<5 | 1<<6 | 1<<7

// privileges drops what is not needed. The bounding set and securebits are for
// those who have CAP_SETPCAP; others have nothing that no_new_privs would not keep
// them from.
func privileges(kept []capability) error {
	var keep uint64
	for _, c := range kept {
		keep |= 1 << c.number
	}
	if permitted()&(1<<unix.CAP_SETPCAP) != 0 {
		if err := dropBounding(); err != nil {
			return err
		}
		if err := prctl(unix.PR_SET_SECUREBITS, securebits); err != nil {
			return fmt.Errorf("securebits: %w", err)
		}
	}
	for _, step := range []struct {
		option, arg uintptr
		what        string
	}{
		{unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, "ambient set"},
		{unix.PR_SET_NO_NEW_PRIVS, 1, "no_new_privs"},
		{unix.PR_SET_DUMPABLE, 0, "dumpable"},
	} {
		if err := prctl(step.option, step.arg); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	if err := setCapabilities(keep); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	if now := permitted(); now != keep {
		return fmt.Errorf("capabilities: still there: %#x", now)
	}
	return nil
}

// prctl is for all threads.
func prctl(option, arg uintptr) error {
	if _, _, errno := psx.Syscall6(unix.SYS_PRCTL, option, arg, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func dropBounding() error {
	for c := uintptr(0); ; c++ {
		set, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) {
			return nil // past the last one that the kernel knows
		}
		if err == nil && set == 1 {
			err = prctl(unix.PR_CAPBSET_DROP, c)
		}
		if err != nil {
			return fmt.Errorf("bounding set: %w", err)
		}
	}
}
