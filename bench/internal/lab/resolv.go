//go:build linux

package lab

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// PartExec is the part of a process that becomes another program.
const PartExec = "exec"

// resolvConf is where programs look for name servers.
const resolvConf = "/etc/resolv.conf"

// An Exec is a program in a mount namespace of its own, in which File stands
// where programs look for name servers.
type Exec struct {
	File string
	Argv []string
}

// Resolving is a command whose program finds the name server in resolv.conf, and
// not the machine's.
func (l *Lab) Resolving(server string, argv ...string) (*exec.Cmd, error) {
	x := Exec{File: filepath.Join(l.Dir, "resolv-"+server), Argv: argv}
	if err := os.WriteFile(x.File, []byte("nameserver "+server+"\n"), 0o644); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	b, err := json.Marshal(x)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe)
	cmd.Args = append([]string{os.Args[0]}, argv...) // ours first: a test binary asks it what to be
	cmd.Env = append(os.Environ(), childEnv+"="+PartExec, childSpec+"="+string(b))
	return cmd, nil
}

// Become turns the process into the program; it returns only with an error.
func (x Exec) Become() error {
	// The mount goes with the namespace, whoever ends the program. The namespace is the
	// thread's: on another one the mount would be the machine's.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("bench: unshare: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("bench: make mounts private: %w", err)
	}
	if err := unix.Mount(x.File, resolvConf, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bench: mount %s over %s: %w", x.File, resolvConf, err)
	}
	if err := unix.Exec(x.Argv[0], x.Argv, environ()); err != nil {
		return fmt.Errorf("bench: exec %s: %w", x.Argv[0], err)
	}
	return nil
}

// environ is ours without what makes a process a child of the lab.
func environ() []string {
	os.Unsetenv(childEnv)
	os.Unsetenv(childSpec)
	return os.Environ()
}
