//go:build linux

package opener

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/tun"
)

// ExitStatus is the opener's when it could not become the program.
const ExitStatus = 125

// Main is the life of the opener. argv is the program's. It returns only if the
// program does not run, with the status to exit with; why is told to the data
// plane, which has the user's ear.
func Main(argv []string) int {
	// Capabilities, securebits, no_new_privs and the parent's death signal are
	// properties of the thread that calls execve.
	runtime.LockOSThread()
	unix.CloseOnExec(ctlFD)
	var r Request
	if _, err := receive(ctlFD, &r); err != nil {
		fmt.Fprintf(os.Stderr, "netnsd: this is the inner half of `netnsd run`, which starts it: %v\n", err)
		return ExitStatus
	}
	err := r.become(argv)
	var e *Error
	if !errors.As(err, &e) {
		e = failure("opener", err)
	}
	// Without a data plane there is nobody to be told.
	_ = send(ctlFD, message{Error: e})
	return ExitStatus
}

func (r *Request) become(argv []string) error {
	if err := r.open(); err != nil {
		return err
	}
	var ok struct{}
	if _, err := receive(ctlFD, &ok); err != nil {
		return failure("wait for the data plane", err)
	}
	if err := r.drop(); err != nil {
		return err
	}
	e := failure("exec "+r.Program, unix.Exec(r.Program, argv, os.Environ()))
	e.Exec = true
	return e
}

// open sets everything up and hands the device over. The opener's own copy of
// the descriptor is closed: the device is the data plane's.
func (r *Request) open() error {
	if err := r.mount(); err != nil {
		return err
	}
	var s Setup
	device, err := r.link(&s)
	if err != nil {
		return err
	}
	r.sysctls(&s)
	if err = protect(); err == nil {
		err = hand(device, s)
	}
	return errors.Join(err, device.Close())
}

func hand(device *tun.Device, s Setup) error {
	var err error
	refused := device.SyscallConn(0).Control(func(fd uintptr) {
		err = send(ctlFD, message{Setup: &s}, int(fd))
	})
	if err = errors.Join(refused, err); err != nil {
		return failure("hand the device over", err)
	}
	return nil
}
