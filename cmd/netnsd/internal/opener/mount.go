//go:build linux

package opener

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// stage is where a tmpfs for our files is mounted while the others are bound to
// them. It is seen by the opener alone, and for a moment: no file of netnsd is
// left on the disk, however it ends.
const stage = "/tmp"

const resolvConf = "/etc/resolv.conf"

// mount gives the program its resolv.conf and hides sockets of the host. All of
// it is in a mount namespace of its own. Hidden is what was hidden.
func (r *Request) mount() (hidden []string, err error) {
	// Slave: what is mounted here does not come to the host, what the host mounts later comes here.
	if err := mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return nil, failure("mount namespace", err)
	}
	if err := mount("netnsd", stage, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=1m"); err != nil {
		return nil, failure("mount namespace", err)
	}
	err = r.files()
	// Detached: what was bound from it lives on.
	if gone := unix.Unmount(stage, unix.MNT_DETACH); gone != nil && err == nil {
		err = failure("mount namespace", &fs.PathError{Op: "unmount", Path: stage, Err: gone})
	}
	if err != nil {
		return nil, err
	}
	return r.hide() // now, as there are sockets in the stage's place
}

func (r *Request) files() error {
	own := filepath.Join(stage, "resolv.conf")
	if err := os.WriteFile(own, []byte(r.ResolvConf), 0o644); err != nil {
		return failure(resolvConf, err)
	}
	if _, err := os.Stat(resolvConf); errors.Is(err, fs.ErrNotExist) {
		if err := coverEtc(); err != nil {
			return err
		}
	}
	if err := bind(own, resolvConf); err != nil {
		return failure(resolvConf, err)
	}
	return nil
}

// coverEtc makes a place to bind to where the host has no /etc/resolv.conf, or
// a symbolic link into nowhere: an overlay of /etc, as nothing may be created
// in the host's.
func coverEtc() error {
	up, work := filepath.Join(stage, "upper"), filepath.Join(stage, "work")
	if err := errors.Join(os.Mkdir(up, 0o755), os.Mkdir(work, 0o755)); err != nil {
		return failure(resolvConf, err)
	}
	err := mount("netnsd", "/etc", "overlay", unix.MS_NODEV, "lowerdir=/etc,upperdir="+up+",workdir="+work)
	if err == nil {
		if err = os.Remove(resolvConf); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err == nil {
		err = os.WriteFile(resolvConf, nil, 0o644)
	}
	if err != nil {
		return failure(resolvConf, fmt.Errorf("the host has none, and /etc cannot be covered to give the program one: %w: `touch %s` makes a place for it", err, resolvConf))
	}
	return nil
}

// bind puts file in the place of target, read-only.
func bind(file, target string) error {
	if err := mount(file, target, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	return mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return &fs.PathError{Op: "mount", Path: target, Err: err}
	}
	return nil
}
