//go:build linux

package daemon

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Notify tells whoever started us how far we are: a newline on a descriptor, as
// s6 wants it (https://skarnet.org/software/s6/notifywhenup.html), and sd_notify(3).
// A nil Notify tells nobody.
type Notify struct {
	mu     sync.Mutex
	fd     int // 0: none, or told
	name   string
	socket int // to send to name from; later there is none to be had (package confine)
	ending bool
}

// NewNotify tells readiness on descriptor fd, if it is not 0, and systemd, if it
// has started us.
func NewNotify(fd int) (*Notify, error) {
	if fd != 0 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			return nil, fmt.Errorf("--ready-fd %d: %w", fd, err)
		}
		unix.CloseOnExec(fd)
	}
	n := &Notify{fd: fd, name: os.Getenv("NOTIFY_SOCKET")}
	if n.name != "" {
		var err error
		if n.socket, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return nil, fmt.Errorf("sd_notify: %w", err)
		}
	}
	return n, os.Unsetenv("NOTIFY_SOCKET") // it is not for those whom we start
}

// ready says that all is served, the first time on the descriptor too.
func (n *Notify) ready() error {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var err error
	if n.fd != 0 {
		_, err = unix.Write(n.fd, []byte("\n"))
		err = errors.Join(err, unix.Close(n.fd))
		n.fd = 0
	}
	if n.ending {
		return err
	}
	return errors.Join(err, n.send("READY=1"))
}

// reloading is followed by ready. The time is what Type=notify-reload asks for.
func (n *Notify) reloading() {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) == nil && !n.ending {
		_ = n.send("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000))
	}
}

func (n *Notify) stopping() {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ending = true
	_ = n.send("STOPPING=1")
	if n.name != "" { // there is nothing more to be told
		unix.Close(n.socket)
		n.name = ""
	}
}

// status is the line that systemctl shows.
func (n *Notify) status(format string, args ...any) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	_ = n.send("STATUS=" + strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " "))
}

// send is one datagram; a name with @ is of the abstract namespace, as x/sys has it.
func (n *Notify) send(lines ...string) error {
	if n.name == "" {
		return nil
	}
	err := unix.Sendto(n.socket, []byte(strings.Join(lines, "\n")), unix.MSG_NOSIGNAL, &unix.SockaddrUnix{Name: n.name})
	if err != nil {
		return fmt.Errorf("sd_notify: %s: %w", n.name, err)
	}
	return nil
}
