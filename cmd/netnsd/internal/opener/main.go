//go:build linux

package opener

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/sockets/gateway/owner"
	"github.com/netnsd/netnsd/tun"
)

// ExitStatus is the opener's when it could not become the program.
const ExitStatus = 125

// Main is the life of the opener. argv is the program's. It returns only if the
// program does not run, with the status to exit with; why is told to the data
// plane, which has the user's ear.
func Main(argv []string) int {
	if as := os.Getenv(answersEnv); as != "" {
		return answers(as)
	}
	// Capabilities, securebits, no_new_privs and the parent's death signal are
	// properties of the thread that calls execve.
	runtime.LockOSThread()
	var r Request
	var ctl, list int
	_, err := fmt.Sscanf(os.Getenv(fdsEnv), "%d,%d", &ctl, &list)
	if err == nil {
		unix.CloseOnExec(ctl)
		unix.CloseOnExec(list)
		_, err = receive(ctl, &r)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "netnsd: this is the inner half of `netnsd run`, which starts it: %v\n", err)
		return ExitStatus
	}
	os.Unsetenv(fdsEnv)
	r.sockets = os.NewFile(uintptr(list), "list of unix sockets")
	err = r.become(ctl, argv)
	var e *Error
	if !errors.As(err, &e) {
		e = failure("opener", err)
	}
	// Without a data plane there is nobody to be told.
	_ = send(ctl, message{Error: e})
	return ExitStatus
}

func (r *Request) become(ctl int, argv []string) error {
	if err := r.open(ctl); err != nil {
		return err
	}
	var ok struct{}
	if _, err := receive(ctl, &ok); err != nil {
		return failure("wait for the data plane", err)
	}
	if err := r.drop(); err != nil {
		return err
	}
	e := failure("exec "+r.Program, unix.Exec(r.Program, argv, os.Environ()))
	e.Exec = true
	return e
}

// open sets everything up and hands the device over, and what answers for the
// sockets in this network. The opener's own copies of the descriptors are closed:
// they are the data plane's.
func (r *Request) open(ctl int) error {
	hidden, err := r.mount()
	if err != nil {
		return err
	}
	s := Setup{Means: r.means(hidden), UserNS: r.UserNS}
	device, err := r.link(&s)
	if err != nil {
		return err
	}
	r.sysctls(&s)
	if err = protect(); err == nil {
		err = hand(ctl, device, s)
	}
	return errors.Join(err, device.Close())
}

func hand(ctl int, device *tun.Device, s Setup) error {
	diag, err := owner.Descriptor()
	if err == nil {
		defer unix.Close(diag)
	} else {
		s.Warnings = append(s.Warnings, "rules about processes match none: "+err.Error())
	}
	refused := device.SyscallConn(0).Control(func(fd uintptr) {
		rights := []int{int(fd)}
		if diag >= 0 {
			rights = append(rights, diag)
		}
		err = send(ctl, message{Setup: &s}, rights...)
	})
	if err = errors.Join(refused, err); err != nil {
		return failure("hand the device over", err)
	}
	return nil
}
