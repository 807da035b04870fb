//go:build linux

package run

import (
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// terminal is the controlling terminal as we found it.
type terminal struct {
	fd      int // -1: there is none
	own     bool
	termios *unix.Termios
}

func openTerminal() *terminal {
	t := &terminal{fd: -1}
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return t
	}
	t.fd = fd
	t.own = t.foreground()
	t.termios, _ = unix.IoctlGetTermios(fd, unix.TCGETS)
	return t
}

// foreground reports whether the keys of the terminal signal our process group,
// which is the program's too unless it has made one of its own.
func (t *terminal) foreground() bool {
	if t.fd < 0 {
		return false
	}
	group, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// close gives the terminal back in the state it was found in, as far as that is
// ours to do: the foreground, if a program with groups of its own (a shell) died
// holding it; its modes, if the program had no chance to restore them. What a
// program that ends by itself leaves (stty) is what the user wants.
func (t *terminal) close(killed bool) {
	if t.fd < 0 {
		return
	}
	if t.own && !t.foreground() {
		signal.Ignore(syscall.SIGTTOU) // sent to whoever takes the foreground from the background
		_ = unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, unix.Getpgrp())
	}
	if killed && t.own && t.termios != nil && t.foreground() {
		_ = unix.IoctlSetTermios(t.fd, unix.TCSETSW, t.termios)
	}
	unix.Close(t.fd)
}
