package base_test

import (
	"encoding/binary"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestUrgentLevel: an urgent byte shows as FD_OOB, out of line only, and SIOCATMARK
// is TRUE unless one waits (6.4, 6.5, 9.6, 12.4).
func TestUrgentLevel(t *testing.T) {
	up := base.State{Phase: base.Connected, Writable: true}
	oob, both := up, up
	oob.Urgent = true
	both.Urgent, both.Readable = true, true
	reset := base.State{Phase: base.Dead, Err: wsa.ECONNRESET, Urgent: true}
	for _, c := range []struct {
		name      string
		expedited bool
		raw       base.State
		inline    int
		how       int // a shutdown before, -1 none
		want      wsa.Events
		mark      uint32
	}{
		{"12.4 nothing to read", true, up, 0, -1, 0, 1},
		{"12.4 1 byte MSG_OOB arrived, OOBINLINE off", true, oob, 0, -1, wsa.FD_OOB, 0},
		{"6.5 and data before or behind it", true, both, 0, -1, wsa.FD_OOB | wsa.FD_READ, 0},
		{"12.4 OOBINLINE on, OOB byte arrived", true, both, 1, -1, wsa.FD_READ, 1},
		{"6.5 before a reset", true, reset, 0, -1, wsa.FD_OOB, 0},
		{"SD_RECEIVE hides it", true, both, 0, wsa.SD_RECEIVE, 0, 1},
		{"not claimed", false, both, 0, -1, wsa.FD_READ, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, layers ...provider.Layer) {
				d := basetest.NewScript(base.Protocol{Family: wsa.AF_INET, Type: wsa.SOCK_STREAM, Protocol: wsa.IPPROTO_TCP, Name: "TCP/IP", Expedited: c.expedited})
				r := newRig(t, d, layers...)
				s := connectedTo(r, d)
				r.want("SO_OOBINLINE", r.set(s, wsa.SOL_SOCKET, wsa.SO_OOBINLINE, c.inline), 0)
				if c.how >= 0 {
					r.want("shutdown", r.table(s).WSPShutdown(s, c.how), 0)
				}
				var w watched
				r.table(s).Watch(s, &w, wsa.FD_OOB)
				d.Last().Become(c.raw, wsa.FD_OOB|wsa.FD_READ)
				if w.take() != wsa.FD_OOB {
					t.Error("not woken")
				}
				if got := r.ready(s).Events & (wsa.FD_OOB | wsa.FD_READ); got != c.want {
					t.Errorf("ready %#x, want %#x", got, c.want)
				}
				out := make([]byte, 4)
				_, e := r.table(s).WSPIoctl(s, &provider.IoctlRequest{Code: wsa.SIOCATMARK, Out: out})
				r.want("SIOCATMARK", e, 0)
				if mark := binary.LittleEndian.Uint32(out); mark != c.mark {
					t.Errorf("SIOCATMARK %d, want %d", mark, c.mark)
				}
				r.table(s).Watch(s, nil, 0)
			})
		})
	}
	r := newRig(t, basetest.NewScript())
	udp := r.udp()
	_, e := r.table(udp).WSPIoctl(udp, &provider.IoctlRequest{Code: wsa.SIOCATMARK, Out: make([]byte, 4)})
	r.want("SIOCATMARK of a datagram socket", e, wsa.EINVAL)
	tcp := r.tcp()
	n, e := r.table(tcp).WSPIoctl(tcp, &provider.IoctlRequest{Code: wsa.SIOCATMARK})
	if r.want("SIOCATMARK without room", e, wsa.EFAULT); n != 4 {
		t.Errorf("needs %d", n)
	}
}
