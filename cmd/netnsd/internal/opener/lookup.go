//go:build linux

package opener

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Lookup finds the file that name stands for, as execvp does: name itself if
// there is a slash in it, else the first executable file of that name in path
// ($PATH). The error is fs.ErrNotExist, or fs.ErrPermission if there are only
// files that cannot be executed; shells tell these apart by 127 and 126.
func Lookup(name, path string) (string, error) {
	if strings.ContainsRune(name, '/') {
		return name, executable(name)
	}
	if name == "" {
		return "", &fs.PathError{Op: "exec", Path: `""`, Err: fs.ErrNotExist}
	}
	var answer error = &fs.PathError{Op: "exec", Path: name, Err: errNotInPath}
	for _, dir := range filepath.SplitList(path) {
		if dir == "" {
			dir = "." // POSIX: an empty element is the current directory
		}
		file := dir + "/" + name
		err := executable(file)
		if err == nil {
			return file, nil
		}
		if errors.Is(err, fs.ErrPermission) {
			answer = err
		}
	}
	return "", answer
}

var errNotInPath error = notInPath{}

type notInPath struct{}

func (notInPath) Error() string        { return "not found in $PATH" }
func (notInPath) Is(target error) bool { return target == fs.ErrNotExist }

func executable(file string) error {
	st, err := os.Stat(file)
	switch {
	case err != nil:
		return &fs.PathError{Op: "exec", Path: file, Err: errors.Unwrap(err)}
	case st.IsDir():
		return &fs.PathError{Op: "exec", Path: file, Err: isDirectory{}}
	}
	// AT_EACCESS: execve asks with the effective ids.
	if err := unix.Faccessat(unix.AT_FDCWD, file, unix.X_OK, unix.AT_EACCESS); err != nil {
		return &fs.PathError{Op: "exec", Path: file, Err: err}
	}
	return nil
}

type isDirectory struct{}

func (isDirectory) Error() string        { return "is a directory" }
func (isDirectory) Is(target error) bool { return target == fs.ErrPermission }
