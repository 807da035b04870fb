//go:build linux

package opener

import (
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

// An opener that is killed before it has read its request leaves ECONNRESET
// behind, not an end: it is the end all the same.
func TestReceiveFromTheDead(t *testing.T) {
	for _, unread := range []bool{false, true} {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if unread {
			if err := send(pair[0], Request{}); err != nil {
				t.Fatal(err)
			}
		}
		unix.Close(pair[1])
		var m message
		if _, err := receive(pair[0], &m); err != io.EOF {
			t.Errorf("unread %v: %v, want io.EOF", unread, err)
		}
		unix.Close(pair[0])
	}
}
