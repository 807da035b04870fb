//go:build linux

package opener

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// bounded are the capabilities that stay in the bounding set. The program
// cannot have them: no_new_privs makes execve give no capability that the
// caller has not, and the caller has none. But a file that carries one (ping
// and mtr: cap_net_raw, dumpcap: cap_net_admin, node and caddy:
// cap_net_bind_service) could not be executed at all, EPERM, if it were outside
// of the bounding set (security/commoncap.c, bprm_caps_from_vfs_caps).
var bounded = map[uintptr]bool{unix.CAP_NET_RAW: true, unix.CAP_NET_ADMIN: true, unix.CAP_NET_BIND_SERVICE: true}

// securebits are bits of PR_SET_SECUREBITS, from linux/securebits.h: uid 0 is not
// special to execve, no capability becomes ambient, and neither is taken back.
// KEEP_CAPS is left alone: ping ends if it may not set it.
const securebits = 1<<0 | 1<<1 | // SECBIT_NOROOT and its lock
	1<<6 | 1<<7 // SECBIT_NO_CAP_AMBIENT_RAISE and its lock

// drop takes every right from the calling thread. All of it must succeed:
// a program that keeps a capability could reconfigure its network.
//
// no_new_privs is always set. It takes nothing that would work without: in a
// user namespace with one id a setuid file does not change the uid, and root's
// child lacks the capabilities that su and sudo need.
func (r *Request) drop() error {
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"clear the ambient set", func() error { return prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL) }},
		{"empty the bounding set", dropBounding},
		{"set securebits", func() error { return prctl(unix.PR_SET_SECUREBITS, securebits) }},
		{"set no_new_privs", func() error { return prctl(unix.PR_SET_NO_NEW_PRIVS, 1) }},
		{"drop capabilities", dropCapabilities},
		{"filter system calls", r.filter},
		{"close descriptors", r.closeDescriptors},
		{"tie the program to netnsd", r.tie},
	} {
		if err := step.do(); err != nil {
			return failure(step.name, err)
		}
	}
	return nil
}

func prctl(option int, arg uintptr) error {
	return os.NewSyscallError("prctl", unix.Prctl(option, arg, 0, 0, 0))
}

func dropBounding() error {
	for c := uintptr(0); ; c++ {
		set, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) {
			return nil // past the last one that the kernel knows
		}
		if err != nil {
			return os.NewSyscallError("prctl", err)
		}
		if set == 1 && !bounded[c] {
			if err := prctl(unix.PR_CAPBSET_DROP, c); err != nil {
				return err
			}
		}
	}
}

// dropCapabilities empties the effective, permitted and inheritable sets, and
// looks whether they are.
func dropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return os.NewSyscallError("capset", err)
	}
	var now [2]unix.CapUserData
	if err := unix.Capget(&header, &now[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	if now != none {
		return fmt.Errorf("still there: %+v", now)
	}
	return nil
}

func effective() (uint64, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, os.NewSyscallError("capget", err)
	}
	return uint64(data[1].Effective)<<32 | uint64(data[0].Effective), nil
}

// closeDescriptors marks all above 2 but KeepFDs, inherited ones too, to be closed
// by execve: a socket of the host's network among them would be a way out.
func (r *Request) closeDescriptors() error {
	if err := markAll(); err != nil {
		return err
	}
	for _, fd := range r.KeepFDs {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return fmt.Errorf("keep descriptor %d: %w", fd, err)
		}
	}
	return nil
}

// markAll marks them one by one before Linux 5.11.
func markAll() error {
	err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return nil
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(filepath.Base(e.Name())); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// tie makes the kernel kill the program when the data plane's thread ends. The
// signal set at clone belongs to another thread perhaps, and is lost when
// credentials change. Who has died meanwhile sends none, so the parent is
// looked at afterwards.
func (r *Request) tie() error {
	if err := prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL)); err != nil {
		return err
	}
	if os.Getppid() != r.Parent {
		return errors.New("netnsd has ended")
	}
	return nil
}
