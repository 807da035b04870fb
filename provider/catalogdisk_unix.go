//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package provider

import (
	"errors"
	"os"
	"syscall"
)

// lockDir takes the directory for this process's catalogs alone, if nobody has it.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, os.NewSyscallError("flock "+dir, err)
	}
	return func() { f.Close() }, nil
}

func (osDisk) syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
