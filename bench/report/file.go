package report

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// A File is a file that is being replaced. Its name holds what it held before
// until Commit, and the whole new content after it, also if the machine dies in
// between. What is not a regular file (a terminal, a pipe, /dev/null) is written
// to as it comes.
//
// Create it before the work whose outcome it is to hold: then a directory that
// cannot be written is found before the work and not after.
type File struct {
	*os.File
	name string // "": written in place
}

// Create opens name for replacement. The caller ends it by Commit or Abort.
func Create(name string) (*File, error) {
	st, err := os.Stat(name)
	switch {
	case err == nil && !st.Mode().IsRegular():
		if st.IsDir() {
			return nil, fmt.Errorf("%s: is a directory", name)
		}
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		return &File{f, ""}, err
	case err == nil: // a link stays one; what it leads to is replaced
		if name, err = filepath.EvalSymlinks(name); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	f, err := beside(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if st != nil {
		if err := f.Chmod(st.Mode().Perm()); err != nil {
			return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}
	return &File{f, name}, nil
}

// beside makes a new file in the folder of name. Not os.CreateTemp, whose mode
// of 0600 is not what the user's umask asks for.
func beside(name string) (*os.File, error) {
	dir, base := filepath.Split(name)
	for {
		f, err := os.OpenFile(fmt.Sprintf("%s.%s.%08x", dir, base, rand.Uint32()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// Commit makes what was written the content of the file.
func (f *File) Commit() error { return f.CommitBeside("") }

// CommitBeside makes it the content of the file whose name has the suffix too,
// and leaves the file as it was: for a work that was broken off.
func (f *File) CommitBeside(suffix string) error {
	if f.name == "" {
		return f.Close()
	}
	err := f.Sync()
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.File.Name(), f.name+suffix)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.File.Name()))
	}
	return err
}

// Abort leaves the file as it was.
func (f *File) Abort() error {
	err := f.Close()
	if f.name != "" {
		err = errors.Join(err, os.Remove(f.File.Name()))
	}
	return err
}

// WriteFile replaces the file by what write writes.
func WriteFile(name string, write func(io.Writer) error) error {
	f, err := Create(name)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		return errors.Join(err, f.Abort())
	}
	return f.Commit()
}
