package gateway

import (
	"testing"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// How → code → wire (design.md 3), row by row; what has no row is our own
// trouble and is told by a reset.
func TestFates(t *testing.T) {
	for _, c := range []struct {
		e    wsa.Errno
		want fate
	}{
		{wsa.ECONNREFUSED, fate{reset: true, unreachable: stack.UnreachablePort}},
		{wsa.EACCES, fate{unreachable: stack.UnreachableProhibited}},
		{wsa.ENETUNREACH, fate{unreachable: stack.UnreachableNet}},
		{wsa.EHOSTUNREACH, fate{unreachable: stack.UnreachableHost}},
		{wsa.EAFNOSUPPORT, fate{unreachable: stack.UnreachableNet}},
		{wsa.ENETRESET, fate{unreachable: stack.TimeExceeded}},
		{wsa.ETIMEDOUT, fate{silent: true}},
		{wsa.EMFILE, fate{reset: true, unreachable: stack.UnreachableProhibited}},
		{wsa.SYSCALLFAILURE, fate{reset: true, unreachable: stack.UnreachableProhibited}},
	} {
		if got := fateOf(c.e); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.e.Name(), got, c.want)
		}
	}
}
