package base_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestInterfaceList is IP_IFLIST and its three companions (9.3).
func TestInterfaceList(t *testing.T) {
	for _, c := range []struct {
		kind  string
		level int32
	}{{datagram4, wsa.IPPROTO_IP}, {raw6, wsa.IPPROTO_IPV6}} {
		r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{}))
		s := r.of(c.kind)
		list := func() []byte {
			t.Helper()
			b := make([]byte, 100)
			n, e := r.table(s).WSPGetSockOpt(s, c.level, wsa.IP_GET_IFLIST, b)
			r.want("list", e, 0)
			return b[:n]
		}
		add := func(v int) wsa.Errno { return r.set(s, c.level, wsa.IP_ADD_IFLIST, v) }
		if b := list(); len(b) != 0 {
			t.Errorf("at first % x", b)
		}
		r.want("add 2", add(2), 0)
		r.want("add 1", add(1), 0)
		r.want("add 2 again", add(2), 0)
		r.want("add none", add(0), wsa.EINVAL)
		r.want("add an unknown one", add(77), wsa.EINVAL)
		if b := list(); string(b) != string(le32(2, 1)) {
			t.Errorf("list % x", b)
		}
		if n, e := r.table(s).WSPGetSockOpt(s, c.level, wsa.IP_GET_IFLIST, make([]byte, 7)); n != 8 || e != wsa.EFAULT {
			t.Errorf("short buffer: %d %s", n, name(e))
		}
		r.want("delete", r.set(s, c.level, wsa.IP_DEL_IFLIST, 2), 0)
		r.want("delete what is not there", r.set(s, c.level, wsa.IP_DEL_IFLIST, 2), wsa.EINVAL)
		if b := list(); string(b) != string(le32(1)) {
			t.Errorf("list % x", b)
		}
		_, e := r.get(s, c.level, wsa.IP_ADD_IFLIST)
		r.want("get what is only set", e, wsa.ENOPROTOOPT)
		r.want("set what is only read", r.set(s, c.level, wsa.IP_GET_IFLIST, 1), wsa.ENOPROTOOPT)
		r.want("short", r.table(s).WSPSetSockOpt(s, c.level, wsa.IP_ADD_IFLIST, []byte{1}), wsa.EFAULT)
	}
}

// TestUnicastInterface: an index that no interface has is no value (9.3).
func TestUnicastInterface(t *testing.T) {
	r := newRig(t, basetest.NewNetwork(basetest.NetworkConfig{}))
	s := r.udp()
	r.want("unknown", r.set(s, wsa.IPPROTO_IP, wsa.IP_UNICAST_IF, 77<<24), wsa.EINVAL)
	r.want("known", r.set(s, wsa.IPPROTO_IP, wsa.IP_UNICAST_IF, 2<<24), 0)
	six := r.of(datagram6)
	r.want("unknown, IPv6", r.set(six, wsa.IPPROTO_IPV6, wsa.IPV6_UNICAST_IF, 77), wsa.EINVAL)
	r.want("known, IPv6", r.set(six, wsa.IPPROTO_IPV6, wsa.IPV6_UNICAST_IF, 2), 0)
}

// TestHeaderOptions are IP_OPTIONS and IPV6_HOPOPTS: any bytes, up to what a header
// can hold (9.3).
func TestHeaderOptions(t *testing.T) {
	for _, c := range []struct {
		kind        string
		level, name int32
		most        int
	}{{datagram4, wsa.IPPROTO_IP, wsa.IP_OPTIONS, 40}, {datagram6, wsa.IPPROTO_IPV6, wsa.IPV6_HOPOPTS, 2048}} {
		r := newRig(t, basetest.NewScript())
		s := r.of(c.kind)
		get := func(size int) (int, wsa.Errno) {
			return r.table(s).WSPGetSockOpt(s, c.level, c.name, make([]byte, size))
		}
		if n, e := get(0); n != 0 || e != 0 {
			t.Errorf("at first %d %s", n, name(e))
		}
		r.want("too long", r.table(s).WSPSetSockOpt(s, c.level, c.name, make([]byte, c.most+1)), wsa.EINVAL)
		r.want("set", r.table(s).WSPSetSockOpt(s, c.level, c.name, make([]byte, c.most)), 0)
		if n, e := get(c.most - 1); n != c.most || e != wsa.EFAULT {
			t.Errorf("short buffer: %d %s", n, name(e))
		}
		r.want("set", r.table(s).WSPSetSockOpt(s, c.level, c.name, []byte{1, 2, 3}), 0)
		b := make([]byte, 9)
		if n, e := r.table(s).WSPGetSockOpt(s, c.level, c.name, b); n != 3 || e != 0 || b[2] != 3 {
			t.Errorf("% x %s", b[:n], name(e))
		}
		r.want("none", r.table(s).WSPSetSockOpt(s, c.level, c.name, nil), 0)
		if n, _ := get(9); n != 0 {
			t.Errorf("%d bytes are left", n)
		}
	}
}

// TestPathMTU: IP_MTU and IPV6_MTU are for connected sockets (9.3).
func TestPathMTU(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	_, e := r.get(r.tcp(), wsa.IPPROTO_IP, wsa.IP_MTU)
	r.want("unconnected", e, wsa.ENOTCONN)
	s := connectedTo(r, d)
	_, e = r.get(s, wsa.IPPROTO_IP, wsa.IP_MTU)
	r.want("a driver that cannot tell", e, wsa.ENOPROTOOPT)
	d.Last().SetOption(wsa.IPPROTO_IP, wsa.IP_MTU, 1400)
	if v, e := r.get(s, wsa.IPPROTO_IP, wsa.IP_MTU); v != 1400 || e != 0 {
		t.Errorf("%d %s", v, name(e))
	}
	r.want("set", r.set(s, wsa.IPPROTO_IP, wsa.IP_MTU, 1400), wsa.ENOPROTOOPT)
	u := r.of(datagram6)
	_, e = r.get(u, wsa.IPPROTO_IPV6, wsa.IPV6_MTU)
	r.want("unconnected", e, wsa.ENOTCONN)
	d.Last().SetOption(wsa.IPPROTO_IPV6, wsa.IPV6_MTU, 1280)
	r.want("connect", r.connect(u, "[fd00::9]:53"), 0)
	if v, e := r.get(u, wsa.IPPROTO_IPV6, wsa.IPV6_MTU); v != 1280 || e != 0 {
		t.Errorf("%d %s", v, name(e))
	}
}
