package host_test

import (
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestErrnoIsTotal: every operation and every errno there is give a code that
// has a name, and only 0 gives 0.
func TestErrnoIsTotal(t *testing.T) {
	for op := range host.Operations {
		equal(t, "no error", host.Translate(op, 0), 0)
		for errno := syscall.Errno(1); errno < 600; errno++ {
			e := host.Translate(op, errno)
			if _, err := strconv.Atoi(e.Name()); e == 0 || err == nil {
				t.Errorf("operation %d, %v: %d", op, errno, e)
			}
			known := unix.ErrnoName(errno) != ""
			if !known && e != wsa.SYSCALLFAILURE {
				t.Errorf("operation %d, errno %d that does not exist: %s", op, errno, e.Name())
			}
		}
	}
}

// TestICMPErrnoIsTotal: only what no application should hear of is 0.
func TestICMPErrnoIsTotal(t *testing.T) {
	for _, c := range []struct {
		v6          bool
		typ         byte
		unreachable bool
		silent      byte // code
	}{{false, 3, true, 4}, {false, 11, false, 255}, {true, 1, true, 255}, {true, 3, false, 255}} {
		for code := range byte(255) {
			e := host.ICMPErrno(c.v6, c.typ, code)
			switch {
			case code == c.silent:
				equal(t, "fragmentation needed", e, wsa.EMSGSIZE)
			case c.unreachable && e != wsa.ECONNRESET && e != wsa.EHOSTUNREACH && e != wsa.ENETUNREACH && e != wsa.EACCES,
				!c.unreachable && e != wsa.ENETRESET:
				t.Errorf("v6 %v, type %d, code %d: %s", c.v6, c.typ, code, e.Name())
			}
		}
	}
	equal(t, "packet too big", host.ICMPErrno(true, 2, 0), wsa.EMSGSIZE)
	equal(t, "source quench", host.ICMPErrno(false, 4, 0), 0)
}
