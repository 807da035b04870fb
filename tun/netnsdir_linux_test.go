package tun_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/tun"
	"github.com/netnsd/netnsd/tun/internal/thread"
	"github.com/netnsd/netnsd/tun/tuntest"
)

// TestShareNetnsDir: a name that was mounted by hand is not hidden by an `ip netns
// add` that comes after it, on a machine where none came before.
func TestShareNetnsDir(t *testing.T) {
	tuntest.RequireRoot(t)
	err := thread.Spoil(func() error { // a mount namespace with a /run as after boot
		if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWNET); err != nil {
			return err
		}
		if err := unix.Mount("", "/", "none", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
			return err
		}
		if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
			return err
		}
		for range 2 { // the second time it is one already
			if err := tun.ShareNetnsDir(); err != nil {
				return err
			}
		}
		ours := filepath.Join(tun.NetnsDir, "ours")
		if err := os.WriteFile(ours, nil, 0o444); err != nil {
			return err
		}
		if err := unix.Mount("/proc/thread-self/ns/net", ours, "", unix.MS_BIND, ""); err != nil {
			return err
		}
		if out, err := exec.Command("ip", "netns", "add", "theirs").CombinedOutput(); err != nil {
			t.Errorf("ip netns add: %v\n%s", err, out)
		}
		if _, err := os.Stat(filepath.Join(tun.NetnsDir, "theirs")); err != nil {
			t.Error(err)
		}
		return tuntest.DeleteNetNS(ours)
	})
	if err != nil {
		t.Error(err)
	}
}
