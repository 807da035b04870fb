package provider

import (
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/netnsd/netnsd/provider/wsa"
)

// TestCatalogFileDiskFull: on a full disk a mutation fails and nothing that was there is
// lost. The disk is a tmpfs of 128 KiB in a mount namespace of the test's thread.
func TestCatalogFileDiskFull(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI runs as root")
		}
		t.Skip("mounting needs root")
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	if err := syscall.Unshare(syscall.CLONE_NEWNS | syscall.CLONE_FS); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("small", dir, "tmpfs", 0, "size=128k"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	k := &keeper{T: t, path: dir + "/catalog"}
	c := furnished(t, k.open())
	for {
		before := c.Snapshot()
		_, err := c.InstallLayer("layer", &namedLayer{"layer"})
		if err == nil && len(before.Entries) < 1000 {
			continue
		}
		k.is("with the disk full", err, wsa.NO_RECOVERY)
		if !strings.Contains(err.Error(), "no space left") || c.Snapshot() != before {
			t.Errorf("%v; generation %d, want %d", err, c.Snapshot().Generation, before.Generation)
		}
		break
	}
	same(t, "on disk", k.open().Snapshot(), c.Snapshot())
	if _, err := os.Stat(k.path + ".new"); !os.IsNotExist(err) || len(k.said) != 0 {
		t.Errorf("left over: %v, said %v", err, k.said)
	}
	k.is("less", c.Reset(), 0)
	same(t, "on disk", k.open().Snapshot(), c.Snapshot())
}
