package provider

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// disk is what a catalog's file asks of the operating system. Tests stop it at each
// step.
type disk interface {
	read(path string) ([]byte, error)
	write(path string, b []byte) error // synced
	link(from, to string) error
	rename(from, to string) error
	remove(path string) error
	syncDir(path string) error
	lock(dir string) (unlock func(), err error) // does not wait
}

// maxCatalogFile bounds what is read; 100 000 entries are 60 MB.
const maxCatalogFile = 64 << 20

type osDisk struct{}

func (osDisk) read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is no regular file", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxCatalogFile+1))
	if err == nil && len(b) > maxCatalogFile {
		err = fmt.Errorf("%s: is larger than %d bytes", path, maxCatalogFile)
	}
	return b, err
}

func (osDisk) write(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (osDisk) link(from, to string) error { return os.Link(from, to) }

func (osDisk) rename(from, to string) error { return os.Rename(from, to) }

func (osDisk) remove(path string) error { return os.Remove(path) }

func (osDisk) lock(dir string) (unlock func(), err error) { return lockDir(dir) }
