package provider

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/netnsd/netnsd/provider/wsa"
)

// A CatalogID names one catalog entry (dwCatalogEntryId). Ids start at 1001,
// only count up and are never used again while the catalog lives.
type CatalogID uint32

// A GUID identifies one installation of a provider (ProviderId).
type GUID [16]byte

// NewGUID makes a random GUID (RFC 9562, version 4).
func NewGUID() GUID {
	var g GUID
	rand.Read(g[:])
	g[6], g[8] = g[6]&0x0f|0x40, g[8]&0x3f|0x80
	return g
}

// String is the registry form without braces.
func (g GUID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], g[0:4])
	hex.Encode(b[9:13], g[4:6])
	hex.Encode(b[14:18], g[6:8])
	hex.Encode(b[19:23], g[8:10])
	hex.Encode(b[24:36], g[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// MarshalText is String, for files.
func (g GUID) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// UnmarshalText reads what String writes, in either case and with or without braces.
func (g *GUID) UnmarshalText(text []byte) error {
	s := strings.TrimSuffix(strings.TrimPrefix(string(text), "{"), "}")
	var out GUID
	digits, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	copy(out[:], digits)
	if err != nil || !strings.EqualFold(out.String(), s) {
		return fmt.Errorf("%q is no GUID such as %v", text, GUID{})
	}
	*g = out
	return nil
}

// A ProtocolChain is WSAPROTOCOLCHAIN: Len 0 is a layer's own entry, 1 a base,
// 2 to 7 a chain whose Entries run from the top layer to the base.
type ProtocolChain struct {
	Len     int32
	Entries [wsa.MAX_PROTOCOL_CHAIN]CatalogID
}

// IDs are the used part of Entries.
func (c *ProtocolChain) IDs() []CatalogID {
	if c.Len < 2 {
		return nil
	}
	return c.Entries[:min(int(c.Len), len(c.Entries))]
}

// ProtocolInfo is WSAPROTOCOL_INFOW, field by field in the SDK's order
// (winsock2.h), less the reserved dwServiceFlags2 to 4.
type ProtocolInfo struct {
	ServiceFlags1     uint32 // XP1_*
	ProviderFlags     uint32 // PFL_*
	ProviderID        GUID
	CatalogEntryID    CatalogID
	Chain             ProtocolChain
	Version           int32
	AddressFamily     int32
	MaxSockAddr       int32
	MinSockAddr       int32
	SocketType        int32
	Protocol          int32
	ProtocolMaxOffset int32 // the entry matches [Protocol, Protocol+ProtocolMaxOffset]
	NetworkByteOrder  int32
	SecurityScheme    int32
	MessageSize       uint32 // bytes; 0 for a stream
	ProviderReserved  uint32 // 0, or the token of a duplicated socket
	Name              string // szProtocol, at most 255 characters
}

// MessageOriented reports whether boundaries are kept.
func (p *ProtocolInfo) MessageOriented() bool {
	return p.ServiceFlags1&wsa.XP1_MESSAGE_ORIENTED != 0
}

func (p *ProtocolInfo) String() string {
	return fmt.Sprintf("%d %q", p.CatalogEntryID, p.Name)
}

// covers reports whether protocol is one of the entry's
// (winsock-spi 2.8 step 3: the range, or zero if PFL_MATCHES_PROTOCOL_ZERO).
func (p *ProtocolInfo) covers(protocol int32) bool {
	if protocol >= p.Protocol && protocol-p.Protocol <= p.ProtocolMaxOffset && protocol >= 0 {
		return protocol != 0 || p.Protocol != 0 || p.ProviderFlags&wsa.PFL_MATCHES_PROTOCOL_ZERO != 0
	}
	return protocol == 0 && p.ProviderFlags&wsa.PFL_MATCHES_PROTOCOL_ZERO != 0
}
