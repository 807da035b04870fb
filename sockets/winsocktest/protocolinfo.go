package winsocktest

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// Sizes of WSAPROTOCOL_INFOW and -A, bytes.
const (
	infoSizeW = 628
	infoSizeA = 372
)

// field is a row of winsock-spi 1.1: where it stands, in bytes, and what it is in the
// entry of a socket of the case.
type field struct {
	name string
	at   int
	is   func(p *provider.ProtocolInfo) uint32
}

var fields = []field{
	{"1 dwServiceFlags1", 0, func(p *provider.ProtocolInfo) uint32 { return p.ServiceFlags1 }},
	{"2 dwServiceFlags2: 0", 4, zero},
	{"3 dwServiceFlags3: 0", 8, zero},
	{"4 dwServiceFlags4: 0", 12, zero},
	{"5 dwProviderFlags", 16, func(p *provider.ProtocolInfo) uint32 { return p.ProviderFlags }},
	{"7 dwCatalogEntryId", 36, func(p *provider.ProtocolInfo) uint32 { return uint32(p.CatalogEntryID) }},
	{"8 ProtocolChain: ChainLen", 40, func(p *provider.ProtocolInfo) uint32 { return uint32(p.Chain.Len) }},
	{"9 iVersion", 72, func(p *provider.ProtocolInfo) uint32 { return 2 }},
	{"10 iAddressFamily", 76, func(p *provider.ProtocolInfo) uint32 { return uint32(p.AddressFamily) }},
	{"11 iMaxSockAddr: 16 for IPv4, 28 for IPv6", 80, sockaddrSize},
	{"12 iMinSockAddr: 16 / 28", 84, sockaddrSize},
	{"13 iSocketType", 88, func(p *provider.ProtocolInfo) uint32 { return uint32(p.SocketType) }},
	{"14 iProtocol", 92, func(p *provider.ProtocolInfo) uint32 { return uint32(p.Protocol) }},
	{"15 iProtocolMaxOffset: 0 is exact", 96, zero},
	{"16 iNetworkByteOrder: BIGENDIAN", 100, zero},
	{"17 iSecurityScheme: SECURITY_PROTOCOL_NONE", 104, zero},
	{"18 dwMessageSize: 0 is a stream", 108, func(p *provider.ProtocolInfo) uint32 { return p.MessageSize }},
	{"19 dwProviderReserved: 0 for an ordinary creation", 112, zero},
}

func zero(*provider.ProtocolInfo) uint32 { return 0 }

func sockaddrSize(p *provider.ProtocolInfo) uint32 {
	if p.AddressFamily == wsa.AF_INET6 {
		return 28
	}
	return 16
}

var _ = addFields()

func addFields() struct{} {
	for _, f := range fields {
		add(Row{Section: "1.1", Name: f.name, Run: f.run})
	}
	return struct{}{}
}

func (f field) run(w *Case) {
	for _, s := range []sockets.SOCKET{w.C.TCP(), w.C.UDP()} {
		b, info := w.C.infoBytes(s)
		if got, want := binary.LittleEndian.Uint32(b[f.at:]), f.is(info); got != want {
			w.Errorf("%s of %s: %d, want %d", f.name, info, got, want)
		}
	}
}

// infoBytes is SO_PROTOCOL_INFOW, and the entry that it is of.
func (e *End) infoBytes(s sockets.SOCKET) ([]byte, *provider.ProtocolInfo) {
	e.w.Helper()
	b, n := make([]byte, infoSizeW), int32(infoSizeW)
	e.w.Want("SO_PROTOCOL_INFOW", e.WSPGetSockOpt(s, sol, wsa.SO_PROTOCOL_INFOW, b, &n), 0)
	equal(e.w, "size", n, infoSizeW)
	k, errno := e.Session.Lookup(s)
	e.w.Want("lookup", errno, 0)
	return b, k.Info
}

// 1 and 1.1: what is no DWORD of the structure.
var _ = add(
	Row{Section: "1", Name: "WSAPROTOCOL_INFOW has 628 bytes, -A 372; less room is WSAEFAULT", Run: func(w *Case) {
		s := w.C.TCP()
		for opt, size := range map[int32]int32{wsa.SO_PROTOCOL_INFOW: infoSizeW, wsa.SO_PROTOCOL_INFOA: infoSizeA} {
			n := size
			w.Want("whole", w.C.WSPGetSockOpt(s, sol, opt, make([]byte, n), &n), 0)
			equal(w, "size", n, size)
			n--
			w.Want("a byte less", w.C.WSPGetSockOpt(s, sol, opt, make([]byte, n), &n), wsa.EFAULT)
		}
	}},
	Row{Section: "1.1", Name: "6 ProviderId: entries of one base share it", Run: func(w *Case) {
		i := w.install()
		for _, p := range i.infos {
			equal(w, "ProviderId", p.ProviderID, baseID)
		}
		b, info := w.C.infoBytes(w.C.TCP())
		equal(w, "bytes", provider.GUID(b[20:36]), info.ProviderID)
	}},
	Row{Section: "1.1", Name: "7 dwCatalogEntryId: the first is 1001, counts up, is never re-used", Run: func(w *Case) {
		i := w.install()
		for n, p := range i.infos {
			equal(w, "id", p.CatalogEntryID, provider.CatalogID(1001+n))
		}
		own, chains := i.layer(1, through, i.own(wsa.SOCK_STREAM))
		i.is("remove", i.Remove(own, true), 0)
		again, _ := i.layer(1, through, i.own(wsa.SOCK_STREAM))
		equal(w, "re-used", again <= chains[0], false)
	}},
	Row{Section: "1.1", Name: "8 ProtocolChain: ChainEntries", Run: func(w *Case) {
		b, info := w.C.infoBytes(w.C.TCP())
		for n, id := range info.Chain.Entries {
			equal(w, fmt.Sprintf("entry %d", n), binary.LittleEndian.Uint32(b[44+4*n:]), uint32(id))
		}
	}},
	Row{Section: "1.1", Name: "20 szProtocol: UTF-16 with a NUL, at most 255 characters", Run: func(w *Case) {
		b, info := w.C.infoBytes(w.C.TCP())
		var text []uint16
		for at := 116; at < infoSizeW; at += 2 {
			text = append(text, binary.LittleEndian.Uint16(b[at:]))
		}
		equal(w, "NUL", text[255], 0)
		equal(w, "name", strings.TrimRight(string(utf16.Decode(text)), "\x00"), info.Name)
	}},
)
