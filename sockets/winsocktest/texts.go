package winsocktest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"unicode/utf16"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// texts are the addresses of 12.3.
var texts = []struct {
	ip    string
	port  uint16
	scope uint32
	text  string
}{
	{"0.0.0.0", 0, 0, "0.0.0.0"},
	{"0.0.0.0", 65535, 0, "0.0.0.0:65535"},
	{"192.0.2.1", 80, 0, "192.0.2.1:80"},
	{"255.255.255.255", 0, 0, "255.255.255.255"},
	{"::1", 0, 0, "::1"},
	{"20ab::2001", 33274, 0, "[20ab::2001]:33274"},
	{"20ab::2001", 33274, 0x1234, "[20ab::2001%4660]:33274"},
	{"20ab::2001", 0, 0x1234, "20ab::2001%4660"},
}

var _ = addTexts()

func addTexts() struct{} {
	for _, a := range texts {
		sa := Name(netip.MustParseAddr(a.ip), a.port)
		if len(sa) == 28 {
			binary.LittleEndian.PutUint32(sa[24:], a.scope)
		}
		add(Row{Section: "12.3", Name: fmt.Sprintf("%s port %d scope %#x: %s", a.ip, a.port, a.scope, a.text), Run: func(w *Case) {
			text, n, e := w.C.text(sa, 100)
			w.Want("WSPAddressToString", e, 0)
			equal(w, "text", text, a.text)
			equal(w, "characters with the NUL", n, uint32(len(a.text)+1))
			back, length, e := w.C.parse(a.text, wsa.AF_UNSPEC, 64)
			w.Want("WSPStringToAddress", e, 0)
			equal(w, "length", int(length), len(sa))
			w.sameName("back", back[:length], sa)
		}})
	}
	return struct{}{}
}

// info is the catalog entry of the end's streams.
func (e *End) info() *provider.ProtocolInfo {
	e.w.Helper()
	k, errno := e.Session.Lookup(e.TCP())
	e.w.Want("lookup", errno, 0)
	return k.Info
}

// text is WSPAddressToString with room for so many characters.
func (e *End) text(sa []byte, room uint32) (string, uint32, wsa.Errno) {
	b, n := make([]uint16, room), room
	errno := e.WSPAddressToString(sa, e.info(), b, &n)
	if errno != 0 {
		return "", n, errno
	}
	if b[n-1] != 0 {
		e.w.Error("no NUL")
	}
	return string(utf16.Decode(b[:n-1])), n, 0
}

// parse is WSPStringToAddress with room for so many bytes.
func (e *End) parse(text string, af, room int32) ([]byte, int32, wsa.Errno) {
	b, n := make([]byte, room), room
	errno := e.WSPStringToAddress(text, af, e.info(), b, &n)
	return b, n, errno
}

var unknownEntry = &provider.ProtocolInfo{CatalogEntryID: 0x7fffffff}

// 3.4 WSPAddressToString, 3.30 WSPStringToAddress.
var _ = add(
	Row{Section: "12.3", Name: "length 0: WSAEFAULT", Run: func(w *Case) {
		_, _, e := w.C.text(Name(w.C.Host, 0), 0)
		w.Want("WSPAddressToString", e, wsa.EFAULT)
	}},
	Row{Section: "3.4", Name: "WSAEFAULT: buffer too small; the length becomes what is required", Run: func(w *Case) {
		sa := Name(netip.MustParseAddr("192.0.2.1"), 8080)
		const want = "192.0.2.1:8080"
		for _, room := range []uint32{1, 5, uint32(len(want))} {
			_, n, e := w.C.text(sa, room)
			w.Want("WSPAddressToString", e, wsa.EFAULT)
			equal(w, "required", n, uint32(len(want)+1))
		}
		text, _, e := w.C.text(sa, uint32(len(want)+1))
		w.Want("WSPAddressToString", e, 0)
		equal(w, "text", text, want)
	}},
	Row{Section: "3.4", Name: "WSAEINVAL: an address that is none", Run: func(w *Case) {
		_, _, e := w.C.text(nil, 100)
		w.Want("nothing", e, wsa.EINVAL)
		_, _, e = w.C.text(Name(w.C.Host, 0)[:8], 100)
		w.Want("short", e, wsa.EINVAL)
	}},
	Row{Section: "3.4", Name: "WSAEINVAL: a family that the provider does not serve", Run: func(w *Case) {
		_, _, e := w.C.text(append([]byte{0xad, 0xde}, make([]byte, 62)...), 100)
		w.Want("WSPAddressToString", e, wsa.EINVAL)
	}},
	Row{Section: "3.4", Name: "WSAEINVAL: lpProtocolInfo is none of the provider's", Run: func(w *Case) {
		n := uint32(100)
		w.Want("nil", w.C.WSPAddressToString(Name(w.C.Host, 0), nil, make([]uint16, n), &n), wsa.EINVAL)
		w.Want("unknown", w.C.WSPAddressToString(Name(w.C.Host, 0), unknownEntry, make([]uint16, n), &n), wsa.EINVAL)
		equal(w, "length", n, 100)
	}},
	Row{Section: "3.30", Name: "missing port: 0", Run: func(w *Case) {
		sa, n, e := w.C.parse(w.C.Host.String(), w.Family(), 64)
		w.Want("WSPStringToAddress", e, 0)
		w.sameName("address", sa[:n], Name(w.C.Host, 0))
	}},
	Row{Section: "3.30", Name: "AF_UNSPEC: any family", Run: func(w *Case) {
		sa, n, e := w.C.parse(netip.AddrPortFrom(w.C.Host, 443).String(), wsa.AF_UNSPEC, 64)
		w.Want("WSPStringToAddress", e, 0)
		w.sameName("address", sa[:n], Name(w.C.Host, 443))
	}},
	Row{Section: "3.30", Name: "WSAEFAULT: buffer too small; the length becomes what is required", Run: func(w *Case) {
		want := int32(len(w.Any()))
		for _, room := range []int32{0, 2, want - 1} {
			b, n, e := w.C.parse(w.C.Host.String(), w.Family(), room)
			w.Want("WSPStringToAddress", e, wsa.EFAULT)
			equal(w, "required", n, want)
			equal(w, "written", bytes.Equal(b, make([]byte, room)), true)
		}
	}},
	Row{Section: "3.30", Name: "WSAEINVAL: a string that is no address", Run: func(w *Case) {
		for _, text := range []string{"", "somewhere", "1.2.3", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:x", "[::1", "::1]:80", "[1.2.3.4]:80", "::1%lo"} {
			b, n, e := w.C.parse(text, wsa.AF_UNSPEC, 64)
			w.Want(fmt.Sprintf("WSPStringToAddress %q", text), e, wsa.EINVAL)
			equal(w, "length", n, 64)
			equal(w, "written", bytes.Equal(b, make([]byte, 64)), true)
		}
	}},
	Row{Section: "3.30", Name: "WSAEINVAL: another family than the string's, or one that is not served", Run: func(w *Case) {
		for text, af := range map[string]int32{"1.2.3.4": wsa.AF_INET6, "::1": wsa.AF_INET, "4.3.2.1": 0xdead} {
			_, _, e := w.C.parse(text, af, 64)
			w.Want("WSPStringToAddress "+text, e, wsa.EINVAL)
		}
	}},
	Row{Section: "3.30", Name: "WSAEINVAL: lpProtocolInfo is none of the provider's", Run: func(w *Case) {
		n := int32(64)
		w.Want("nil", w.C.WSPStringToAddress("::1", 0, nil, make([]byte, n), &n), wsa.EINVAL)
		w.Want("unknown", w.C.WSPStringToAddress("::1", 0, unknownEntry, make([]byte, n), &n), wsa.EINVAL)
		equal(w, "length", n, 64)
	}},
	Row{Section: "3.4", Name: "after WSPCleanup: WSANOTINITIALISED", Run: func(w *Case) {
		info, n, m := w.C.info(), uint32(100), int32(64)
		w.Want("WSPCleanup", w.C.WSPCleanup(), 0)
		w.Want("WSPAddressToString", w.C.WSPAddressToString(Name(w.C.Host, 0), info, make([]uint16, n), &n), wsa.NOTINITIALISED)
		w.Want("WSPStringToAddress", w.C.WSPStringToAddress("::1", 0, info, make([]byte, m), &m), wsa.NOTINITIALISED)
	}},
)
