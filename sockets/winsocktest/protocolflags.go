package winsocktest

import (
	"strings"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// kindOf is the column of a base's entry in winsock-spi 1.2: t, u, r, or 0 for the
// ping sockets, which Windows has not.
func kindOf(p *provider.ProtocolInfo) rune {
	switch {
	case p.SocketType == wsa.SOCK_STREAM && p.Protocol == wsa.IPPROTO_TCP:
		return 't'
	case p.SocketType == wsa.SOCK_DGRAM && p.Protocol == wsa.IPPROTO_UDP:
		return 'u'
	case p.SocketType == wsa.SOCK_RAW:
		return 'r'
	}
	return 0
}

// flagRow is a row of winsock-spi 1.2 or 1.3: which kinds of entries have the bit.
type flagRow struct {
	section, name string
	bit           uint32
	on            string
	claimed       Needs // on only if the pair claims it
}

var flagRows = []flagRow{
	{section: "1.2", name: "XP1_CONNECTIONLESS: UDP, RAW", bit: wsa.XP1_CONNECTIONLESS, on: "ur"},
	{section: "1.2", name: "XP1_GUARANTEED_DELIVERY: TCP", bit: wsa.XP1_GUARANTEED_DELIVERY, on: "t"},
	{section: "1.2", name: "XP1_GUARANTEED_ORDER: TCP", bit: wsa.XP1_GUARANTEED_ORDER, on: "t"},
	{section: "1.2", name: "XP1_MESSAGE_ORIENTED: UDP, RAW", bit: wsa.XP1_MESSAGE_ORIENTED, on: "ur"},
	{section: "1.2", name: "XP1_PSEUDO_STREAM: none", bit: wsa.XP1_PSEUDO_STREAM},
	{section: "1.2", name: "XP1_GRACEFUL_CLOSE: TCP", bit: wsa.XP1_GRACEFUL_CLOSE, on: "t"},
	{section: "1.2", name: "XP1_EXPEDITED_DATA: TCP, where urgent data works", bit: wsa.XP1_EXPEDITED_DATA, on: "t", claimed: NeedsUrgent},
	{section: "1.2", name: "XP1_CONNECT_DATA: none", bit: wsa.XP1_CONNECT_DATA},
	{section: "1.2", name: "XP1_DISCONNECT_DATA: none", bit: wsa.XP1_DISCONNECT_DATA},
	{section: "1.2", name: "XP1_SUPPORT_BROADCAST: UDP, RAW", bit: wsa.XP1_SUPPORT_BROADCAST, on: "ur"},
	{section: "1.2", name: "XP1_SUPPORT_MULTIPOINT: UDP, RAW", bit: wsa.XP1_SUPPORT_MULTIPOINT, on: "ur", claimed: NeedsMulticast},
	{section: "1.2", name: "XP1_MULTIPOINT_CONTROL_PLANE: none is rooted", bit: wsa.XP1_MULTIPOINT_CONTROL_PLANE},
	{section: "1.2", name: "XP1_MULTIPOINT_DATA_PLANE: none is rooted", bit: wsa.XP1_MULTIPOINT_DATA_PLANE},
	{section: "1.2", name: "XP1_QOS_SUPPORTED: none", bit: wsa.XP1_QOS_SUPPORTED},
	{section: "1.2", name: "XP1_INTERRUPT: none", bit: wsa.XP1_INTERRUPT},
	{section: "1.2", name: "XP1_UNI_SEND: none", bit: wsa.XP1_UNI_SEND},
	{section: "1.2", name: "XP1_UNI_RECV: none", bit: wsa.XP1_UNI_RECV},
	{section: "1.2", name: "XP1_PARTIAL_MESSAGE: none", bit: wsa.XP1_PARTIAL_MESSAGE},
	{section: "1.2", name: "XP1_SAN_SUPPORT_SDP: none", bit: wsa.XP1_SAN_SUPPORT_SDP},
	{section: "1.3", name: "PFL_MULTIPLE_PROTO_ENTRIES: none", bit: wsa.PFL_MULTIPLE_PROTO_ENTRIES},
	{section: "1.3", name: "PFL_RECOMMENDED_PROTO_ENTRY: none", bit: wsa.PFL_RECOMMENDED_PROTO_ENTRY},
	{section: "1.3", name: "PFL_HIDDEN: RAW", bit: wsa.PFL_HIDDEN, on: "r"},
	{section: "1.3", name: "PFL_MATCHES_PROTOCOL_ZERO: TCP, UDP, RAW", bit: wsa.PFL_MATCHES_PROTOCOL_ZERO, on: "tur"},
	{section: "1.3", name: "PFL_NETWORKDIRECT_PROVIDER: none", bit: wsa.PFL_NETWORKDIRECT_PROVIDER},
}

var _ = addFlagRows()

func addFlagRows() struct{} {
	for _, f := range flagRows {
		add(Row{Section: f.section, Name: f.name, Run: f.run})
	}
	return struct{}{}
}

func (f flagRow) run(w *Case) {
	for _, p := range w.install().infos {
		kind, flags := kindOf(&p), p.ServiceFlags1
		if f.section == "1.3" {
			flags = p.ProviderFlags
		}
		if kind == 0 || f.claimed == NeedsUrgent && w.Pair.Can&NeedsUnheld == 0 {
			continue // a layer may take from the pair what its base can
		}
		want := strings.ContainsRune(f.on, kind) && w.Pair.Can&f.claimed == f.claimed
		equal(w, f.name+" of "+p.Name, flags&f.bit != 0, want)
	}
}

var _ = add(
	Row{Section: "1.2", Name: "XP1_IFS_HANDLES: all entries or none; without it a socket is the session's number", Run: func(w *Case) {
		i := w.install()
		ifs := i.infos[0].ServiceFlags1&wsa.XP1_IFS_HANDLES != 0
		for _, p := range i.infos {
			equal(w, p.Name, p.ServiceFlags1&wsa.XP1_IFS_HANDLES != 0, ifs)
		}
		e := i.start(sockets.Config{})
		s := e.TCP()
		b, errno := e.handle(s, wsa.SIO_BASE_HANDLE)
		w.Want("SIO_BASE_HANDLE", errno, 0)
		if !ifs {
			equal(w, "the base's handle", b, s)
		}
	}},
	Row{Section: "1.3", Name: "PFL_HIDDEN does not stop an entry from being selected", Run: func(w *Case) {
		i := w.install()
		raw := i.own(wsa.SOCK_RAW)
		e, _, errno := i.Snapshot().Resolve(&provider.SocketRequest{AF: w.Family(), Type: wsa.SOCK_RAW, Protocol: 1})
		w.Want("resolve", errno, 0)
		equal(w, "entry", e.Info.CatalogEntryID, raw.CatalogEntryID)
		for _, p := range i.Snapshot().WSAEnumProtocols(nil) {
			equal(w, "enumerated", p.CatalogEntryID == raw.CatalogEntryID, false)
		}
	}},
)

// defaults are the six rows of winsock-spi 1.5, in the catalog's order.
var defaults = []struct {
	name              string
	af, typ, protocol int32
	offset            int32
	flags, provider   uint32
	size              int32
}{
	{"[TCP/IP]", wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, 0, 0x26, 0x8, 16},
	{"[UDP/IP]", wsa.AF_INET, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP, 0, 0x609, 0x8, 16},
	{"[RAW/IP]", wsa.AF_INET, wsa.SOCK_RAW, 0, 255, 0x609, 0xc, 16},
	{"[TCP/IPv6]", wsa.AF_INET6, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, 0, 0x26, 0x8, 28},
	{"[UDP/IPv6]", wsa.AF_INET6, wsa.SOCK_DGRAM, wsa.IPPROTO_UDP, 0, 0x609, 0x8, 28},
	{"[RAW/IPv6]", wsa.AF_INET6, wsa.SOCK_RAW, 0, 255, 0x609, 0xc, 28},
}

var _ = addDefaults()

func addDefaults() struct{} {
	for n, d := range defaults {
		add(Row{Section: "1.5", Name: d.name, Run: func(w *Case) {
			i := w.install()
			var six []provider.ProtocolInfo
			for _, p := range i.infos {
				if kindOf(&p) != 0 {
					six = append(six, p)
				}
			}
			equal(w, "entries", len(six), len(defaults))
			p := six[n]
			equal(w, "name "+p.Name, strings.HasSuffix(p.Name, " "+d.name), true)
			equal(w, "family", p.AddressFamily, d.af)
			equal(w, "type", p.SocketType, d.typ)
			equal(w, "protocol", p.Protocol, d.protocol)
			equal(w, "iProtocolMaxOffset", p.ProtocolMaxOffset, d.offset)
			equal(w, "service flags", p.ServiceFlags1&^(wsa.XP1_IFS_HANDLES|wsa.XP1_EXPEDITED_DATA), d.flags)
			equal(w, "provider flags", p.ProviderFlags, d.provider)
			equal(w, "iMaxSockAddr", p.MaxSockAddr, d.size)
			equal(w, "iMinSockAddr", p.MinSockAddr, d.size)
			// 65467 is what is commonly seen; a base may do better, up to what IP has.
			message := d.typ != wsa.SOCK_STREAM
			equal(w, "dwMessageSize", message && p.MessageSize >= 65467 && p.MessageSize <= 65535 || !message && p.MessageSize == 0, true)
		}})
	}
	return struct{}{}
}
