package tun

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// What cannot be provoked on a machine that can run the other tests.
func TestErrorsSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		err  error
		code syscall.Errno
		say  string
	}{
		{openError(unix.ENOENT), unix.ENOENT, "modprobe tun"},
		{openError(unix.ENODEV), unix.ENODEV, "--device /dev/net/tun"},
		{openError(unix.EACCES), unix.EACCES, "chmod 0666"},
		{openError(unix.EPERM), unix.EPERM, "run as root"},
		{openError(unix.EMFILE), unix.EMFILE, "ulimit -n"},
		{attachError("t0", unix.IFF_TUN, unix.EPERM), unix.EPERM, "CAP_NET_ADMIN"},
		{attachError("t0", unix.IFF_TUN|unix.IFF_MULTI_QUEUE, unix.EBUSY), unix.EBUSY, "in use"},
		{attachError("t0", unix.IFF_TUN|unix.IFF_MULTI_QUEUE, unix.E2BIG), unix.E2BIG, "no queue left"},
		{netnsError("/x", unix.EPERM), unix.EPERM, "CAP_SYS_ADMIN"},
	} {
		if !errors.Is(c.err, c.code) || !strings.Contains(c.err.Error(), c.say) {
			t.Errorf("%v\nwant %v, and that it says %q", c.err, c.code, c.say)
		}
	}
}
