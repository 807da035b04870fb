package tun

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

func message(typ uint16, data []byte) []byte {
	m := make([]byte, unix.SizeofNlMsghdr+len(data))
	binary.NativeEndian.PutUint32(m[0:], uint32(len(m)))
	binary.NativeEndian.PutUint16(m[4:], typ)
	copy(m[unix.SizeofNlMsghdr:], data)
	return m
}

// info is struct ifinfomsg of interface 5, with attributes.
func info(family byte, flags uint32, attrs ...byte) []byte {
	b := make([]byte, unix.SizeofIfInfomsg)
	b[0] = family
	binary.NativeEndian.PutUint32(b[4:], 5)
	binary.NativeEndian.PutUint32(b[8:], flags)
	return append(b, attrs...)
}

// mtuAttr is the attribute IFLA_MTU.
func mtuAttr(mtu uint32) []byte {
	b := make([]byte, 8)
	binary.NativeEndian.PutUint16(b[0:], 8)
	binary.NativeEndian.PutUint16(b[2:], unix.IFLA_MTU)
	binary.NativeEndian.PutUint32(b[4:], mtu)
	return b
}

func TestParseLinkChanges(t *testing.T) {
	for _, c := range []struct {
		name string
		msg  []byte
		want []change
	}{
		{"up", message(unix.RTM_NEWLINK, info(0, 1)), []change{{index: 5, up: true}}},
		{"down, MTU", message(unix.RTM_NEWLINK, info(0, 0, mtuAttr(1400)...)), []change{{index: 5, mtu: 1400}}},
		{"gone", message(unix.RTM_DELLINK, info(0, 0)), []change{{index: 5, gone: true}}},
		{"left a bridge", message(unix.RTM_DELLINK, info(unix.AF_BRIDGE, 1)), nil},
		{"an address", message(unix.RTM_NEWADDR, info(0, 1)), nil},
		{"short", message(unix.RTM_NEWLINK, info(0, 1)[:15]), nil},
		{"two", append(message(unix.RTM_NEWLINK, info(0, 1)), message(unix.RTM_DELLINK, info(0, 0))...),
			[]change{{index: 5, up: true}, {index: 5, gone: true}}},
		{"nothing", nil, nil},
	} {
		got := parseLinkChanges(c.msg)
		if len(got) != len(c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
			}
		}
	}
}

func FuzzParseLinkChanges(f *testing.F) {
	f.Add(message(unix.RTM_NEWLINK, info(0, 1, mtuAttr(1400)...)))
	f.Add(message(unix.RTM_DELLINK, info(unix.AF_BRIDGE, 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := parseLinkChanges(b); len(got) > len(b)/(unix.SizeofNlMsghdr+unix.SizeofIfInfomsg) {
			t.Errorf("%d changes in %d bytes", len(got), len(b))
		}
	})
}
