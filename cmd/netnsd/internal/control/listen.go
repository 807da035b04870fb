//go:build linux

package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// bind makes the socket at path and listens on it. It is complete, with its owner
// and mode, before anybody can find it: made under another name and renamed. What
// is there already goes only if it is a socket on which nobody listens, as a killed
// daemon leaves it.
func bind(path string, gid int) (*net.UnixListener, error) {
	unlock, err := lock(path)
	if err != nil {
		return nil, err
	}
	defer unlock() // of two daemons that start at once one finds the other listening
	if err := vacant(path); err != nil {
		return nil, err
	}
	tmp := fmt.Sprintf("%s.%d", path, os.Getpid())
	if len(tmp) > maxPath {
		return nil, fmt.Errorf("the path of the control socket is too long: %s", path)
	}
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) { // of one who had our PID
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: tmp, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it knows the name tmp; see [Server.Close]
	if err = os.Chown(tmp, -1, gid); err == nil {
		err = os.Chmod(tmp, 0o660)
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(tmp), l.Close())
	}
	return l, nil
}

// maxPath is what sun_path takes, with a zero behind it (unix(7)).
const maxPath = 107

// lock keeps others from making a socket at path, and makes its folder if need be. The
// lock is on a file that only we can open: one on the folder anybody could hold who can
// read it, a program inside among them, and keep us from starting.
func lock(path string) (unlock func(), err error) {
	if err := ours(filepath.Dir(path)); err != nil {
		return nil, err
	}
	name := path + ".lock"
	for {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		if st, err := f.Stat(); err == nil && int(st.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
			return nil, errors.Join(fmt.Errorf("%s belongs to user %d, who could keep us waiting: remove it", name, st.Sys().(*syscall.Stat_t).Uid), f.Close())
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
			return nil, errors.Join(os.NewSyscallError("flock", err), f.Close())
		}
		have, err := f.Stat()
		if err == nil {
			var there os.FileInfo
			if there, err = os.Lstat(name); err == nil && os.SameFile(have, there) {
				return func() { os.Remove(name); f.Close() }, nil
			}
		}
		f.Close() // of one who has removed it just before we had it
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}

// ours makes dir if need be. Who can write there could put a socket of his own in our
// place, so nobody else may.
func ours(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner := st.Sys().(*syscall.Stat_t).Uid
	switch {
	case !st.IsDir():
		return fmt.Errorf("%s is not a folder", dir)
	case owner != 0 && int(owner) != os.Geteuid():
		return fmt.Errorf("%s belongs to user %d, who could put another socket there: give it to root, or name another folder", dir, owner)
	case st.Mode()&0o022 != 0 && st.Mode()&fs.ModeSticky == 0:
		return fmt.Errorf("%s can be written by others, who could put another socket there: chmod go-w %[1]s", dir)
	}
	return nil
}

// vacant says whether path may be replaced.
func vacant(path string) error {
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case st.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there and is no socket; it is left alone", path)
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return fmt.Errorf("%s: a daemon listens there already: %w", path, syscall.EADDRINUSE)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// unlink removes the socket unless another has come in its place. It takes no lock, for
// which a confined daemon could not make a file: as long as we listen nobody replaces
// what is ours.
func unlink(path string, ours os.FileInfo) error {
	st, err := os.Lstat(path)
	if err != nil || !os.SameFile(st, ours) {
		return nil
	}
	return os.Remove(path)
}

// groupID is the number of a group; "" is -1.
func groupID(name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	if id, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(id), nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("the group of the control socket: %w", err)
	}
	return strconv.Atoi(g.Gid)
}
