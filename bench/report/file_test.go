package report_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/netnsd/netnsd/bench/report"
)

func content(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "r.json")
	if err := report.WriteFile(name, text("first")); err != nil || content(t, name) != "first" {
		t.Fatal(err)
	}
	if err := os.Chmod(name, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := report.WriteFile(name, text("second")); err != nil || content(t, name) != "second" {
		t.Fatal(err)
	}
	if st, err := os.Stat(name); err != nil || st.Mode().Perm() != 0o640 {
		t.Errorf("mode %v: %v", st.Mode(), err)
	}

	// Half written is not written.
	err := report.WriteFile(name, func(w io.Writer) error { io.WriteString(w, "thi"); return errBroken })
	if !errors.Is(err, errBroken) || content(t, name) != "second" {
		t.Errorf("%v, and the file holds %q", err, content(t, name))
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
}

func TestWriteFileUntilCommit(t *testing.T) {
	name := filepath.Join(t.TempDir(), "r.json")
	if err := report.WriteFile(name, text("old")); err != nil {
		t.Fatal(err)
	}
	f, err := report.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "new")
	if got := content(t, name); got != "old" {
		t.Errorf("before Commit the file holds %q", got)
	}
	if err := f.Commit(); err != nil || content(t, name) != "new" {
		t.Errorf("after Commit it holds %q: %v", content(t, name), err)
	}
}

func TestWriteFileThroughLink(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, nil, 0o644), os.Symlink("file", link)); err != nil {
		t.Fatal(err)
	}
	if err := report.WriteFile(link, text("new")); err != nil || content(t, file) != "new" {
		t.Fatal(err)
	}
	if st, err := os.Lstat(link); err != nil || st.Mode().Type() != fs.ModeSymlink {
		t.Errorf("the link is %v: %v", st.Mode(), err)
	}
}

// As root, to rename a file over /dev/null would be remembered.
func TestWriteFileToDevice(t *testing.T) {
	if err := report.WriteFile("/dev/null", text("new")); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat("/dev/null"); err != nil || st.Mode().Type() != fs.ModeDevice|fs.ModeCharDevice {
		t.Fatalf("/dev/null is %v: %v", st.Mode(), err)
	}
	f, err := report.Create("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Abort(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("/dev/null"); err != nil {
		t.Fatal(err)
	}
}

func TestCreateWhereItCannotBe(t *testing.T) {
	dir := t.TempDir()
	if _, err := report.Create(filepath.Join(dir, "absent", "r.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := report.Create(dir); err == nil {
		t.Error("a folder was taken for a file")
	}
}
