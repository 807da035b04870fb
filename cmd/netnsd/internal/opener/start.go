//go:build linux

package opener

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Child is the opener, later the program, seen from the data plane.
type Child struct {
	PID int

	pidfd int
	ctl   int // -1 after Exec
	ended bool
}

// Start clones the opener into a network and a mount namespace of its own, and
// into a user namespace where the caller lacks the capabilities for those; it is
// handed argv (the program's) and the caller's stdin, stdout and stderr. The
// error is an *Error.
func Start(r Request, argv []string) (*Child, error) {
	r.UserNS, r.Parent = !privileged(), os.Getpid()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, failure("socketpair", err)
	}
	defer unix.Close(pair[1])
	// Opened here: which network it speaks of is settled by that, and the opener may
	// not be able to look at us (hidepid).
	list, err := os.Open("/proc/thread-self/net/unix")
	if err != nil {
		unix.Close(pair[0])
		return nil, failure("list of unix sockets", err)
	}
	defer list.Close()
	c := &Child{pidfd: -1, ctl: pair[0]}
	// The request waits in the socket for the process that is started next.
	if err := send(c.ctl, r); err != nil {
		unix.Close(c.ctl)
		return nil, failure("request", err)
	}
	attributes, err := c.attributes(r)
	if err != nil {
		unix.Close(c.ctl)
		return nil, failure("clone", err)
	}
	files, at := descriptors([]int{pair[1], int(list.Fd())}, r.KeepFDs)
	// Not os.StartProcess: it would make what is kept blocking, for all who share it.
	c.PID, _, err = syscall.StartProcess("/proc/self/exe", append([]string{Name}, argv...), &syscall.ProcAttr{
		Env: append(os.Environ(), fmt.Sprintf("%s=%d,%d", fdsEnv, at[0], at[1])), Files: files, Sys: attributes,
	})
	if err != nil {
		unix.Close(c.ctl)
		return nil, failure("clone", err)
	}
	return c, nil
}

// descriptors are the opener's, by number: what it keeps has the number that it
// has here, ours have the first that are free.
func descriptors(ours, keep []int) (files []uintptr, at []int) {
	const none = ^uintptr(0)
	files = []uintptr{os.Stdin.Fd(), os.Stdout.Fd(), os.Stderr.Fd()}
	for _, fd := range keep {
		for len(files) <= fd {
			files = append(files, none)
		}
		files[fd] = uintptr(fd)
	}
	for _, fd := range ours {
		i := slices.Index(files, none)
		if i < 0 {
			i = len(files)
			files = append(files, none)
		}
		files[i] = uintptr(fd)
		at = append(at, i)
	}
	return files, at
}

func (c *Child) attributes(r Request) (*syscall.SysProcAttr, error) {
	a := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
		PidFD:      &c.pidfd,
	}
	switch {
	case r.UserNS:
		// The same uid and gid inside. execve takes the capabilities of a uid that is
		// not 0, unless they are ambient. DAC_OVERRIDE is for overlayfs, whose work
		// directory has mode 0 (coverEtc); here it reaches the user's own files alone.
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
		a.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP, unix.CAP_DAC_OVERRIDE}
	case r.Confine:
		// All ids as they are: it is there so that root's child may not trace the
		// processes outside that have no capabilities either (ptrace(2), PTRACE_MODE).
		var err error
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.GidMappingsEnableSetgroups = true
		if a.UidMappings, err = identity("/proc/self/uid_map"); err != nil {
			return nil, err
		}
		if a.GidMappings, err = identity("/proc/self/gid_map"); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// identity maps every id that there is to itself. file is user_namespaces(7)'s map
// of this process: lines of ID, id outside, count.
func identity(file string) (all []syscall.SysProcIDMap, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(b)) {
		var id, outside, count int
		if _, err := fmt.Sscan(line, &id, &outside, &count); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, syscall.SysProcIDMap{ContainerID: id, HostID: id, Size: count})
	}
	return all, nil
}

// privileged reports whether namespaces can be had without a user namespace. It
// is a question of capabilities: root in a container often lacks them.
func privileged() bool {
	have, err := effective()
	need := uint64(1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_SETPCAP)
	return err == nil && have&need == need
}

// Descriptors come with a Setup, and are the caller's to close.
type Descriptors struct {
	TUN  int
	Diag int // sock_diag(7) of the network inside; -1 where the kernel has none
}

// Setup waits until the opener has set everything up. An *Error is what the opener
// reports; io.EOF that it has died, by a signal most likely: ask Wait.
func (c *Child) Setup() (Setup, Descriptors, error) {
	var m message
	d := Descriptors{-1, -1}
	fds, err := receive(c.ctl, &m)
	switch {
	case err != nil:
		return Setup{}, d, err
	case m.Error != nil:
		closeAll(fds)
		return Setup{}, d, m.Error
	case m.Setup == nil || len(fds) == 0 || len(fds) > maxRights:
		closeAll(fds)
		return Setup{}, d, fmt.Errorf("opener: an answer with %d descriptors: %w", len(fds), unix.EBADMSG)
	}
	d.TUN = fds[0]
	if len(fds) > 1 {
		d.Diag = fds[1]
	}
	return *m.Setup, d, nil
}

// Exec lets the program run and waits until it does. An *Error says why it
// could not be executed; nothing of it has run then.
func (c *Child) Exec() error {
	defer c.hangUp()
	if err := send(c.ctl, struct{}{}); err != nil {
		return failure("exec", err)
	}
	var m message
	_, err := receive(c.ctl, &m)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, unix.ECONNRESET):
		return nil
	case err != nil:
		return failure("exec", err)
	case m.Error != nil:
		return m.Error
	}
	return failure("exec", unix.EBADMSG)
}

func (c *Child) hangUp() {
	if c.ctl >= 0 {
		unix.Close(c.ctl)
		c.ctl = -1
	}
}

// Signal sends sig to the process; to one that has ended it does nothing.
func (c *Child) Signal(sig syscall.Signal) error {
	err := unix.PidfdSendSignal(c.pidfd, sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return os.NewSyscallError("pidfd_send_signal", err)
}

// Wait waits until the process stops or ends; the status says which.
func (c *Child) Wait() (unix.WaitStatus, error) {
	var status unix.WaitStatus
	err := retry(func() error {
		_, err := unix.Wait4(c.PID, &status, unix.WUNTRACED, nil)
		return err
	})
	if err == nil && !status.Stopped() {
		c.ended = true
	}
	return status, os.NewSyscallError("wait4", err)
}

// Close kills the process if it has not ended, waits for it, and closes what
// belongs to c.
func (c *Child) Close() error {
	c.hangUp()
	var errs []error
	if !c.ended {
		errs = append(errs, c.Signal(syscall.SIGKILL))
		for !c.ended && errors.Join(errs...) == nil {
			_, err := c.Wait()
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, unix.Close(c.pidfd))...)
}
