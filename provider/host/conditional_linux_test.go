package host_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider/wsa"
)

// TestNoConditionalAccept: the kernel answers SYNs by itself (winsock-spi 9.1).
func TestNoConditionalAccept(t *testing.T) {
	c := newSockets(t, wsa.IPPROTO_TCP)
	s := c.open()
	for _, o := range []int32{wsa.SO_CONDITIONAL_ACCEPT, wsa.SO_PAUSE_ACCEPT} {
		equal(t, "set", c.Table.WSPSetSockOpt(s.Socket, wsa.SOL_SOCKET, o, []byte{1, 0, 0, 0}), wsa.ENOPROTOOPT)
	}
}
