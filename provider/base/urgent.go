package base

import (
	"encoding/binary"

	"github.com/netnsd/netnsd/provider/wsa"
)

// urgent reports whether an urgent byte waits out of line (winsock-spi 6.5): FD_OOB
// and exceptfds. With SO_OOBINLINE it is data like any other.
func (k *socket) urgent(st State) bool {
	return st.Urgent && k.row.Expedited && !k.shutRecv && k.value(wsa.SOL_SOCKET, wsa.SO_OOBINLINE) == 0
}

// atMark is SIOCATMARK (winsock-spi 6.5, 9.6): TRUE if no urgent data waits out of
// line, as on Windows the opposite of what BSD calls the mark. So it is TRUE with
// SO_OOBINLINE, and on a network without urgent data.
func atMark(k *socket, _, out []byte) wsa.Errno {
	mark := uint32(1)
	if k.now() == connected && k.urgent(k.link.State()) {
		mark = 0
	}
	binary.LittleEndian.PutUint32(out, mark)
	return 0
}
