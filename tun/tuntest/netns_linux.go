package tuntest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/tun"
	"github.com/netnsd/netnsd/tun/internal/thread"
)

// RequireRoot skips the test where it cannot make namespaces and TUN devices: not root, or no /dev/net/tun. Where the
// environment says CI=true it fails instead, so that a misconfigured runner does not pass by skipping.
func RequireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		unable(t, "needs root, to make a network namespace")
	}
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		unable(t, fmt.Sprintf("needs a TUN driver (modprobe tun): %v", err))
	}
	f.Close()
}

func unable(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

var netnsCount atomic.Int64

// NetNS makes a network namespace for the test, with nothing but a loopback that is down, and removes it at the end of the test. It
// returns the path, in /run/netns, so that `ip -n $(basename PATH)` works on it too. It calls RequireRoot.
func NetNS(t testing.TB) string {
	t.Helper()
	RequireRoot(t)
	if err := tun.ShareNetnsDir(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(tun.NetnsDir, fmt.Sprintf("tuntest-%d-%d", os.Getpid(), netnsCount.Add(1)))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o444)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	t.Cleanup(func() {
		if err := DeleteNetNS(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	})
	err = thread.Spoil(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
		return unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
	})
	if err != nil {
		t.Fatalf("make namespace %s: %v", path, err)
	}
	return path
}

// DeleteNetNS does what `ip netns del` does: the name goes, and the namespace with it unless somebody is in it or holds it.
func DeleteNetNS(path string) error {
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	return os.Remove(path)
}
